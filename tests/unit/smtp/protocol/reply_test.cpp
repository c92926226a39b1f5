// Replies: reading them in any slicing, and putting them into one line.
#include "smtp/protocol/reply.hpp"

#include <gtest/gtest.h>

#include "smtp/protocol/extensions.hpp"

namespace posthorn::smtp::protocol {
namespace {

using Status = ReplyParser::Status;

// All replies of `wire`, fed in pieces of n octets; "malformed" as a reply with code 0 ends the list.
std::vector<Reply> parse(std::string_view wire, std::size_t n) {
    ReplyParser parser;
    std::vector<Reply> replies;
    while (!wire.empty()) {
        std::string_view piece = wire.substr(0, n);
        wire.remove_prefix(piece.size());
        while (!piece.empty()) {
            const Status status = parser.feed(piece);
            if (status == Status::malformed) {
                replies.push_back(make_reply(0, "", "malformed"));
                return replies;
            }
            if (status == Status::reply) replies.push_back(parser.take());
        }
    }
    return replies;
}

std::vector<Reply> parse_lawfully(std::string_view wire) {
    const auto whole = parse(wire, wire.size());
    for (std::size_t n = 1; n < std::min<std::size_t>(wire.size(), 40); ++n)
        EXPECT_EQ(parse(wire, n), whole) << "pieces of " << n;
    return whole;
}

Reply parse_one(std::string_view wire) {
    const auto replies = parse_lawfully(wire);
    EXPECT_EQ(replies.size(), 1U);
    return replies.empty() ? Reply{} : replies[0];
}

// The very reply of the field report: several lines, some empty but for their code.
TEST(Reply, GmailUnauthenticated_SD_1_PR_44) {
    const Reply reply = parse_one(
        "550-5.7.26 This mail has been blocked because the sender is unauthenticated.\r\n"
        "550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.\r\n"
        "550-5.7.26  \r\n"
        "550-5.7.26  Authentication results:\r\n"
        "550-5.7.26\r\n"
        "550-\r\n"
        "550 5.7.26  https://support.google.com/mail/answer/81126#authentication - gsmtp\r\n");
    EXPECT_EQ(reply.code, 550);
    EXPECT_EQ(reply.enhanced, (EnhancedCode{5, 7, 26}));
    EXPECT_EQ(reply.lines.size(), 7U);
    EXPECT_TRUE(reply.permanent());
    EXPECT_EQ(reply.joined(),
              "550 5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires "
              "all senders to "
              "authenticate with either SPF or DKIM. Authentication results: "
              "https://support.google.com/mail/answer/81126#authentication - gsmtp");
    EXPECT_EQ(reply.verbatim().substr(0, 30), "550-5.7.26 This mail has been ");
    EXPECT_NE(reply.verbatim().find("\n550-5.7.26\n550-\n550 5.7.26  https"), std::string::npos);
}

TEST(Reply, Forms_SMTP_7) {
    EXPECT_EQ(parse_one("250 ok\r\n").joined(), "250 ok");
    EXPECT_EQ(parse_one("250\r\n").joined(), "250");
    EXPECT_EQ(parse_one("250 \r\n").joined(), "250");
    EXPECT_EQ(parse_one("250 ok\n").joined(), "250 ok");
    EXPECT_EQ(parse_one("421 4.7.0 a\tb\x01\r\n").joined(), "421 4.7.0 a b ");
    EXPECT_EQ(parse_one("250-a\r\n250\r\n").lines, (std::vector<std::string>{"a", ""}));
    EXPECT_EQ(parse_one("550 5.1.1 x 5.1.1 y\r\n").joined(), "550 5.1.1 x 5.1.1 y");
    EXPECT_EQ(parse_one("550-5.1.1 x\r\n550 5.1.2 y\r\n").joined(), "550 5.1.1 x 5.1.2 y");
    EXPECT_TRUE(parse_one("451 x\r\n").temporary());
    EXPECT_TRUE(parse_one("354 go\r\n").positive());
    EXPECT_EQ(parse_lawfully("250 a\r\n250-b\r\n250 c\r\n554 d\r\n").size(), 3U);
}

TEST(Reply, GoodbyeInTheMiddle_RFC5321_s3_8) {
    const Reply reply = parse_one("250-PIPELINING\r\n250-SIZE 100\r\n421 4.3.2 going down\r\n");
    EXPECT_EQ(reply.code, 421);
    EXPECT_EQ(reply.joined(), "421 4.3.2 going down");
}

TEST(Reply, Garbage) {
    for (const char* wire : {"\r\n", "2\r\n", "25\r\n", "hello\r\n", "150 x\r\n", "650 x\r\n", "2x0 a\r\n",
                             "250x\r\n", "250_x\r\n", " 250 x\r\n", "HTTP/1.1 400 Bad Request\r\n",
                             "\x15\x03\x01\n", "250-a\r\n251 b\r\n", "250-a\r\nb\r\n", "000 x\r\n", "999 x\r\n",
                             "250-a\r\n550 b\r\n", "-250 x\r\n"}) {
        SCOPED_TRACE(wire);
        EXPECT_EQ(parse_one(wire).code, 0);
    }
}

// NUL and its kin are words like any other; nobody who reads them as one line sees them (SMTP-37).
TEST(Reply, ControlCharactersAreWords) {
    const Reply reply = parse_one(std::string_view("550 5.1.1 no\0such\x1b[31m user\r\n", 29));
    EXPECT_EQ(reply.code, 550);
    EXPECT_EQ(reply.joined(), "550 5.1.1 no such [31m user");
}

TEST(Reply, MalformedStaysMalformed) {
    ReplyParser parser;
    std::string_view in = "garbage\r\n250 ok\r\n";
    EXPECT_EQ(parser.feed(in), Status::malformed);
    in = "250 ok\r\n";
    EXPECT_EQ(parser.feed(in), Status::malformed);
}

TEST(Reply, Bounds_SMTP_2) {
    const Reply cut = parse_one("250 " + std::string(5000, 'x') + "\r\n");
    EXPECT_EQ(cut.lines.at(0).size(), 1996U);
    const Reply fits = parse_one("250 " + std::string(1996, 'x') + "\r\n");
    EXPECT_EQ(fits, cut);
    EXPECT_EQ(parse_one("250 " + std::string(70000, 'x') + "\r\n").code, 0);

    std::string lines;
    for (int i = 0; i < 99; ++i) lines += "250-x\r\n";
    EXPECT_EQ(parse_one(lines + "250 x\r\n").lines.size(), 100U);
    EXPECT_EQ(parse_one(lines + "250-x\r\n250 x\r\n").code, 0);
    std::string heavy;
    for (int i = 0; i < 50; ++i) heavy += "250-" + std::string(1500, 'x') + "\r\n";
    EXPECT_EQ(parse_one(heavy + "250 x\r\n").code, 0);
    // The bound is per reply.
    std::string many;
    for (int i = 0; i < 5000; ++i) many += "250 " + std::string(50, 'x') + "\r\n";
    EXPECT_EQ(parse(many, many.size()).size(), 5000U);
}

// A refusal is stored, logged and reported for each recipient of each message: 64 KiB of it would fill a disk quickly.
TEST(Reply, OfARefusalTheFirst4KiBAreKept) {
    for (const char* code : {"450", "550"}) {
        std::string wire = std::string(code) + "-5.1.1 first\r\n";
        for (int i = 0; i < 30; ++i) wire += std::string(code) + "-" + std::string(1000, 'x') + "\r\n";
        wire += std::string(code) + " last\r\n250 next\r\n";
        const auto replies = parse_lawfully(wire);
        ASSERT_EQ(replies.size(), 2U);
        EXPECT_EQ(replies[1].joined(), "250 next");
        std::size_t kept = 0;
        for (const std::string& line : replies[0].lines) kept += line.size();
        EXPECT_EQ(kept, 4096U);
        EXPECT_EQ(replies[0].enhanced.to_string(), "5.1.1");
    }
    std::string lines;
    for (int i = 0; i < 100; ++i) lines += "550-" + std::string(600, 'x') + "\r\n";
    EXPECT_EQ(parse_one(lines + "550 x\r\n").code, 0) << "more than 100 lines are no reply, kept or not";
    std::string offer;
    for (int i = 0; i < 20; ++i) offer += "250-" + std::string(1000, 'x') + "\r\n";
    EXPECT_EQ(parse_one(offer + "250 x\r\n").lines.size(), 21U) << "what EHLO offers is read whole";
}

TEST(Reply, EnhancedCodes_RFC3463_s2) {
    EXPECT_EQ(EnhancedCode::parse("5.7.26 x"), (EnhancedCode{5, 7, 26}));
    EXPECT_EQ(EnhancedCode::parse("4.0.999"), (EnhancedCode{4, 0, 999}));
    EXPECT_EQ(EnhancedCode::parse("2.1.0\tok"), (EnhancedCode{2, 1, 0}));
    for (const char* no : {"", "5", "5.", "5.7", "5.7.", "5.7.x", "3.1.1", "5.1000.1", "5.1.1000", "5.7.26x",
                           "5.7.26.1", "x5.7.26"})
        EXPECT_EQ(EnhancedCode::parse(no), std::nullopt) << no;
    EXPECT_EQ((EnhancedCode{5, 7, 26}.to_string()), "5.7.26");
    EXPECT_EQ(EnhancedCode{}.to_string(), "");
}

TEST(Reply, OursOnTheWire) {
    std::string out;
    append_wire(out, make_reply(550, "5.7.1", "No\r\n250 forged"));
    EXPECT_EQ(out, "550 5.7.1 No  250 forged\r\n");
    Reply two = make_reply(250, "", "a");
    two.lines.emplace_back("b");
    out.clear();
    append_wire(out, two);
    EXPECT_EQ(out, "250-a\r\n250 b\r\n");
    EXPECT_EQ(parse_one(out), two);
    EXPECT_EQ(make_reply(0, "4.4.2", "connection lost").joined(), "4.4.2 connection lost");
}

TEST(Extensions, AreReadFromEhlo_EXT_5_EXT_12) {
    const auto e =
        parse_extensions(parse_one("250-PIPELINING is my name\r\n250-size "
                                   "1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-STARTTLS\r\n"
                                   "250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-REQUIRETLS\r\n250-AUTH "
                                   "PLAIN login\r\n250-AUTH=LOGIN XOAUTH2\r\n"
                                   "250-LIMITS RCPTMAX=20 MAILMAX=5 FOO=1 RCPTMAX=x\r\n250 X-UNKNOWN\r\n"));
    EXPECT_TRUE(e.esmtp && e.size && e.eight_bit_mime && e.smtputf8 && e.dsn && e.starttls);
    EXPECT_TRUE(e.enhanced_status_codes && e.chunking && e.require_tls);
    EXPECT_FALSE(e.pipelining) << "the first line is the server's name";
    EXPECT_EQ(e.size_limit, 1000U);
    EXPECT_EQ(e.auth, (std::vector<std::string>{"PLAIN", "LOGIN", "XOAUTH2"}));
    EXPECT_EQ(e.rcpt_max, 20U);
    EXPECT_EQ(e.mail_max, 5U);
    const auto bare = parse_extensions(parse_one("250-x\r\n250-SIZE\r\n250 SIZES 5\r\n"));
    EXPECT_TRUE(bare.size);
    EXPECT_EQ(bare.size_limit, 0U);
}

}  // namespace
}  // namespace posthorn::smtp::protocol
