// Dovecot's authentication protocol: what a real Dovecot 2.3 says, what older and newer ones say, and what
// none should.
#include "auth/dovecot_protocol.hpp"

#include <gtest/gtest.h>

namespace posthorn::auth {
namespace {

using Kind = DovecotReply::Kind;
using namespace std::string_view_literals;

constexpr auto kHandshake =
    "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tSCRAM-SHA-256\tmutual-auth\n"
    "MECH\tCRAM-MD5\tdictionary\tactive\nMECH\tANONYMOUS\tanonymous\nSPID\t4711\nCUID\t1\n"
    "COOKIE\t0f1e2d3c4b5a69788796a5b4c3d2e1f0\nDONE\n"sv;

std::vector<DovecotEvent> read(std::string_view octets) {
    DovecotReader reader;
    std::vector<DovecotEvent> events;
    const auto result = reader.feed(octets, events);
    EXPECT_TRUE(result) << result.error().what;
    return events;
}

DovecotReply reply(std::string_view line) {
    const auto events = read(std::string(kHandshake) + std::string(line) + "\n");
    EXPECT_EQ(events.size(), 2U);
    return std::get<DovecotReply>(events.at(1));
}

std::string mistake(std::string_view octets) {
    DovecotReader reader;
    std::vector<DovecotEvent> events;
    const auto result = reader.feed(octets, events);
    return result ? std::string() : result.error().what;
}

TEST(Dovecot, ReadsTheHandshake) {
    const auto events = read(kHandshake);
    ASSERT_EQ(events.size(), 1U);
    const auto& mechanisms = std::get<DovecotReady>(events[0]).mechanisms;
    ASSERT_EQ(mechanisms.size(), 5U);
    EXPECT_EQ(mechanisms[0], (DovecotMechanism{"PLAIN", true, false}));
    EXPECT_EQ(mechanisms[2], (DovecotMechanism{"SCRAM-SHA-256", false, false}));
    EXPECT_TRUE(mechanisms[3].not_for_smtp);
    EXPECT_TRUE(mechanisms[4].not_for_smtp);
    EXPECT_EQ(smtp_mechanisms(mechanisms), (std::vector<std::string>{"SCRAM-SHA-256", "PLAIN", "LOGIN"}));
}

TEST(Dovecot, OffersNothingThatNeedsAClearPasswordOrWhatWeCannotHandOn) {
    std::string handshake = "VERSION\t1\t3\n";
    for (const auto name : {"CRAM-MD5", "cram-md5", "DIGEST-MD5", "NTLM", "EXTERNAL", "SCRAM-SHA-256-PLUS",
                            "BAD NAME", "", "TOO-LONG-FOR-A-MECHANISM", "X\r", "OAUTHBEARER", "xoauth2"})
        handshake += std::string("MECH\t") + name + "\n";
    handshake += "MECH\tAPOP\tprivate\tdictionary\nMECH\nDONE\n";
    const auto events = read(handshake);
    EXPECT_EQ(smtp_mechanisms(std::get<DovecotReady>(events.at(0)).mechanisms),
              (std::vector<std::string>{"OAUTHBEARER", "XOAUTH2"}));
}

TEST(Dovecot, AnySlicingGivesTheSame) {
    const std::string all = std::string(kHandshake) + "CONT\t7\tVXNlcm5hbWU6\nOK\t7\tuser=joe\n";
    DovecotReader reader;
    std::vector<DovecotEvent> events;
    for (const char c : all) ASSERT_TRUE(reader.feed({&c, 1}, events));
    ASSERT_EQ(events.size(), 3U);
    EXPECT_EQ(std::get<DovecotReply>(events[1]).data, "Username:");
    EXPECT_EQ(std::get<DovecotReply>(events[2]).user, "joe");
}

TEST(Dovecot, ReadsSuccess) {
    const auto ok =
        reply("OK\t4294967295\tuser=j\001\001o\001te@example.com\toriginal_user=x\tresp=dj1hYmM=\tnologin");
    EXPECT_EQ(ok.kind, Kind::granted);
    EXPECT_EQ(ok.id, 4294967295U);
    EXPECT_EQ(ok.user, "j\1o\te@example.com");
    EXPECT_EQ(ok.data, "v=abc");
    EXPECT_EQ(reply("OK\t1\tuser=joe").data, std::nullopt);
    // Nobody gets in without a name.
    EXPECT_EQ(reply("OK\t1").kind, Kind::unavailable);
    EXPECT_EQ(reply("OK\t1\tuser=").kind, Kind::unavailable);
}

TEST(Dovecot, ReadsFailureOfOldAndNewVersions) {
    const auto wrong = reply("FAIL\t1\tuser=joe");
    EXPECT_EQ(wrong.kind, Kind::denied);
    EXPECT_EQ(wrong.user, "joe");
    EXPECT_EQ(wrong.reason, "");
    EXPECT_EQ(reply("FAIL\t1").kind, Kind::denied);
    for (const auto line : {"FAIL\t1\tuser=joe\ttemp", "FAIL\t1\tcode=temp_fail\tuser=joe\treason=x"})
        EXPECT_EQ(reply(line).kind, Kind::unavailable) << line;
    for (const auto word : {"authz", "user_disabled", "pass_expired"}) {
        EXPECT_EQ(reply(std::string("FAIL\t1\tuser=joe\t") + word).reason, word);
        EXPECT_EQ(reply(std::string("FAIL\t1\tuser=joe\tcode=") + word).reason, word);
        EXPECT_EQ(reply(std::string("FAIL\t1\tcode=") + word + "\treason=try\1tlater").reason,
                  std::string(word) + ", try\tlater");
    }
}

TEST(Dovecot, SkipsWhatItDoesNotKnow) {
    EXPECT_EQ(read(std::string(kHandshake) + "NEWS\t1\tx\n\nMECH\tLATE\nDONE\nSPID\t1\n").size(), 1U);
    EXPECT_EQ(reply("FAIL\t9\tnew_parameter=1\t\tflag\tuser=joe").user, "joe");
}

TEST(Dovecot, LeavesAServerThatMakesNoSense) {
    EXPECT_NE(mistake("VERSION\t2\t0\n").find("version 2"), std::string::npos);
    EXPECT_NE(mistake("VERSION\n").find("version"), std::string::npos);
    EXPECT_NE(mistake("220 mail.example.com ESMTP\r\n").find("VERSION"), std::string::npos);
    EXPECT_NE(mistake("VERSION\t1\t1\nOK\t1\tuser=joe\n").find("handshake"), std::string::npos);
    EXPECT_NE(mistake(std::string(kHandshake) + "OK\n").find("request"), std::string::npos);
    EXPECT_NE(mistake(std::string(kHandshake) + "OK\t4294967296\tuser=joe\n").find("request"),
              std::string::npos);
    EXPECT_NE(mistake(std::string(kHandshake) + "CONT\t1\t!\n").find("base64"), std::string::npos);
    EXPECT_NE(mistake(std::string(kLongestDovecotLine + 1, 'x')).find("longer"), std::string::npos);
}

TEST(Dovecot, WritesItsLines) {
    EXPECT_EQ(dovecot_hello(4711), "VERSION\t1\t1\nCPID\t4711\n");
    DovecotPeer peer;
    EXPECT_EQ(dovecot_request(1, "PLAIN", peer, std::nullopt),
              "AUTH\t1\tPLAIN\tservice=smtp\tsecured\tnologin\tfinal-resp-ok\n");
    peer.remote_ip = "192.0.2.1";
    peer.local_ip = "2001:db8::1";
    peer.local_port = 587;
    peer.remote_port = 40000;
    peer.session = "a\tb";
    EXPECT_EQ(dovecot_request(2, "PLAIN", peer, std::string("\0joe\0geheim", 11)),
              "AUTH\t2\tPLAIN\tservice=smtp\tsecured\tnologin\tfinal-resp-ok\tsession=a\001tb\tlip=2001:db8::"
              "1\trip=192.0.2.1"
              "\tlport=587\trport=40000\tresp=AGpvZQBnZWhlaW0=\n");
    peer.no_penalty = true;
    EXPECT_NE(dovecot_request(3, "PLAIN", peer, "").find("\tno-penalty\tresp="), std::string::npos);
    // An empty response is not the same as none.
    EXPECT_NE(dovecot_request(3, "PLAIN", peer, "").find("\tresp=\n"), std::string::npos);
    EXPECT_EQ(dovecot_continue(3, "joe"), "CONT\t3\tam9l\n");
    EXPECT_EQ(dovecot_cancel(3), "CANCEL\t3\n");
}

}  // namespace
}  // namespace posthorn::auth
