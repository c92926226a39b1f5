// SD-46: each fault of a published key has an exit code and words of its own; SD-6: places that differ are told apart.
#include "auth/dkim/testkey.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <set>

#include "auth/dkim/record.hpp"
#include "base/base64.hpp"

namespace posthorn::auth::dkim {
namespace {

const std::string kName = "s1._domainkey.example.com";

const PrivateKey& rsa() {
    static const PrivateKeyPtr key = PrivateKey::generate(Algorithm::rsa, 2048).value();
    return *key;
}

DnsAnswer answer(std::vector<std::string> texts) {
    DnsAnswer one(DnsStatus::ok);
    one.texts = std::move(texts);
    return one;
}

std::string with_p(const std::string& before = "v=DKIM1; k=rsa") { return before + "; p=" + rsa().public_base64(); }

std::string short_rsa() {
    EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t(768));
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key, &der);
    std::string out = base64_encode(std::string_view(reinterpret_cast<char*>(der), std::size_t(size)));
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return out;
}

KeyVerdict judged(const DnsAnswer& one) { return judge_key(one, rsa(), kName); }

bool says(const KeyVerdict& verdict, std::string_view words) { return verdict.words.find(words) != std::string::npos; }

TEST(DkimTestkey, KeyOk) {
    const KeyVerdict verdict = judged(answer({with_p()}));
    EXPECT_EQ(verdict.fault, KeyFault::none);
    EXPECT_EQ(verdict.words, "key OK");
    EXPECT_TRUE(verdict.notes.empty());
    EXPECT_FALSE(verdict.dnssec);
    DnsAnswer secure = answer({with_p()});
    secure.authentic = true;
    EXPECT_TRUE(judged(secure).dnssec);
}

// SD-31: unknown tags, h=, s=, n=, blanks within p=.
TEST(DkimTestkey, RecordsOfOpendkimAndOthers) {
    for (const std::string& record : {with_p("v=DKIM1; h=sha256; k=rsa"), with_p("v=DKIM1; h=sha1:sha256; s=email; n=a note"), with_p("v=DKIM1; s=*; x=y"),
                                      "p=" + rsa().public_base64().substr(0, 50) + " " + rsa().public_base64().substr(50)})
        EXPECT_EQ(judged(answer({record})).fault, KeyFault::none) << record;
}

TEST(DkimTestkey, EveryFaultHasItsCodeAndWords) {
    struct Case {
        DnsAnswer answer;
        KeyFault fault;
        int code;
        const char* words;
    };
    std::string slip = rsa().public_base64();
    slip[100] = slip[100] == 'A' ? 'B' : 'A';
    const std::vector<Case> cases = {
        {DnsAnswer(DnsStatus::no_data), KeyFault::no_record, 1, "no TXT record"},
        {DnsAnswer(DnsStatus::nxdomain), KeyFault::no_name, 2, "NXDOMAIN"},
        {answer({with_p(), "v=DKIM1; p="}), KeyFault::several, 3, "2 TXT records"},
        {answer({"v=DKIM1; k=rsa; p="}), KeyFault::revoked, 4, "revoked"},
        {answer({"v=DKIM1; k=rsa; p=#not base64#"}), KeyFault::malformed, 5, "base64"},
        {answer({"\"v=DKIM1; k=rsa; p=abc\""}), KeyFault::malformed, 5, "quotes"},
        {answer({"v=DKIM1; k=rsa"}), KeyFault::malformed, 5, "no p="},
        {answer({with_p("v=DKIM1; k=ed25519")}), KeyFault::other_type, 6, "k=ed25519"},
        {answer({"v=DKIM1; k=rsa; p=" + PrivateKey::generate(Algorithm::rsa, 2048).value()->public_base64()}), KeyFault::other_key, 7, "another one"},
        {answer({"v=DKIM1; k=rsa; p=" + slip}), KeyFault::other_key, 7, "character 101 on"},
        {answer({with_p().substr(0, 255)}), KeyFault::cut_short, 8, "cut short"},
        {answer({"v=DKIM1; k=rsa; p=" + short_rsa()}), KeyFault::too_short, 9, "768 bits"},
        {answer({with_p("v=DKIM1; h=sha1")}), KeyFault::no_sha256, 10, "sha256"},
        {answer({with_p("v=DKIM1; s=other")}), KeyFault::no_email, 11, "e-mail"},
        {answer({with_p("v=DKIM1; t=y")}), KeyFault::testing, 12, "t=y"},
        {answer({with_p("v=DKIM1; t=s")}), KeyFault::strict, 13, "t=s"},
        {DnsAnswer(DnsStatus::temporary), KeyFault::temporary, 75, "did not answer"},
    };
    for (const Case& one : cases) {
        const KeyVerdict verdict = judged(one.answer);
        EXPECT_EQ(verdict.fault, one.fault) << verdict.words;
        EXPECT_EQ(exit_code_of(verdict.fault), one.code);
        EXPECT_TRUE(says(verdict, one.words)) << verdict.words;
        EXPECT_FALSE(says(verdict, "key OK"));
    }
}

TEST(DkimTestkey, SlipOfTheHandIsShown) {
    std::string slip = rsa().public_base64();
    slip[100] = slip[100] == 'A' ? 'B' : 'A';
    EXPECT_TRUE(says(judged(answer({"v=DKIM1; p=" + slip})), "one character in all: a slip of the hand"));
}

KeySight sight(const std::string& place, const DnsAnswer& said) {
    KeySight one;
    one.place = place;
    one.answer = said;
    one.verdict = judged(said);
    return one;
}

TEST(DkimTestkey, PlacesThatAgree) {
    const std::vector<KeySight> servers = {sight("ns1", answer({with_p()})), sight("ns2", answer({with_p()}))};
    DnsAnswer secure = answer({with_p()});
    secure.authentic = true;
    const KeySight resolver = sight("the resolver", secure);
    const KeyVerdict all = judge_places(servers, &resolver, "");
    EXPECT_EQ(all.words, "key OK");
    EXPECT_TRUE(all.dnssec);
    EXPECT_EQ(judge_places(servers, nullptr, "").fault, KeyFault::none);
}

TEST(DkimTestkey, PlacesThatDiffer) {
    DnsAnswer old(DnsStatus::nxdomain);
    old.ttl = std::chrono::minutes(30);
    const KeySight resolver = sight("the resolver", old);
    const std::vector<KeySight> servers = {sight("ns1", answer({with_p()})), sight("ns2", answer({with_p()}))};
    const KeyVerdict waiting = judge_places(servers, &resolver, "");
    EXPECT_EQ(exit_code_of(waiting.fault), 14);
    EXPECT_TRUE(says(waiting, "for at most 30 min")) << waiting.words;
    EXPECT_EQ(waiting.notes.size(), 3u);
    const std::vector<KeySight> split = {sight("ns1", answer({with_p()})), sight("ns2", DnsAnswer(DnsStatus::nxdomain))};
    const KeyVerdict differ = judge_places(split, nullptr, "");
    EXPECT_EQ(differ.fault, KeyFault::servers_differ);
    EXPECT_TRUE(says(differ, "do not say the same")) << differ.words;
}

TEST(DkimTestkey, WhoIsSilentHasNoSay) {
    const std::vector<KeySight> servers = {sight("ns1", answer({with_p()})), sight("ns2", DnsAnswer(DnsStatus::temporary))};
    const KeyVerdict all = judge_places(servers, nullptr, "");
    EXPECT_EQ(all.fault, KeyFault::none);
    ASSERT_EQ(all.notes.size(), 1u);
    const KeySight resolver = sight("the resolver", DnsAnswer(DnsStatus::temporary));
    EXPECT_EQ(judge_places({}, &resolver, "").fault, KeyFault::temporary);
}

TEST(DkimTestkey, AnExposedFileIsAFaultOfTheLastRank) {
    const std::vector<KeySight> good = {sight("ns1", answer({with_p()}))};
    const KeyVerdict exposed = judge_places(good, nullptr, "s1.pem has mode 0644: chmod 0600 s1.pem");
    EXPECT_EQ(exit_code_of(exposed.fault), 15);
    EXPECT_TRUE(exposed.usable());
    EXPECT_TRUE(says(exposed, "chmod 0600")) << exposed.words;
    const std::vector<KeySight> bad = {sight("ns1", DnsAnswer(DnsStatus::nxdomain))};
    EXPECT_EQ(judge_places(bad, nullptr, "x").fault, KeyFault::no_name);
}

TEST(DkimTestkey, CodesAreDistinct) {
    std::set<std::string_view> names;
    std::set<int> codes;
    for (int code = 0; code <= 15; ++code) {
        names.insert(to_string(static_cast<KeyFault>(code)));
        codes.insert(code);
    }
    names.insert(to_string(KeyFault::temporary));
    EXPECT_EQ(names.size(), 17u);
}

}  // namespace
}  // namespace posthorn::auth::dkim
