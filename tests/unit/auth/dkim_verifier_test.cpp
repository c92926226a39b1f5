// The verifier: the RFCs' own messages, our signatures in all forms, and what was done to a message on its way, found and named.
#include "auth/dkim/verifier.hpp"

#include <gtest/gtest.h>

#include "auth/dkim/canonical.hpp"
#include "auth/dkim/signer.hpp"
#include "base/base64.hpp"
#include "unit/auth/rfc8463_example.hpp"

namespace posthorn::auth::dkim {
namespace {

using Reports = std::vector<SignatureReport>;

constexpr TimePoint kNow{std::chrono::seconds(1'800'000'000)};

DnsAnswers zone(std::initializer_list<std::pair<std::string, std::string>> records) {
    DnsAnswers known;
    for (const auto& [name, text] : records) {
        DnsAnswer answer(DnsStatus::ok);
        answer.texts = {text};
        known.add({DnsType::txt, name}, answer);
    }
    return known;
}

Reports reports(const std::string& message, const DnsAnswers& known, TimePoint now = kNow) {
    const VerifyStep step = verify(message, known, now);
    EXPECT_TRUE(std::holds_alternative<Reports>(step)) << "asks for more";
    return std::holds_alternative<Reports>(step) ? std::get<Reports>(step) : Reports{};
}

SignatureReport only(const std::string& message, const DnsAnswers& known, TimePoint now = kNow) {
    const Reports all = reports(message, known, now);
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? SignatureReport() : all.front();
}

const PrivateKeyPtr& rsa() {
    static const PrivateKeyPtr key = PrivateKey::generate(Algorithm::rsa, 2048).value();
    return key;
}
const PrivateKeyPtr& ed25519() {
    static const PrivateKeyPtr key = PrivateKey::generate(Algorithm::ed25519).value();
    return key;
}

std::string record_of(const PrivateKey& key) {
    return std::string("v=DKIM1; k=") + (key.algorithm() == Algorithm::rsa ? "rsa" : "ed25519") + "; p=" + key.public_base64();
}

const std::string kHeader =
    "Received: from a by b; Fri, 15 Jan 2027 08:00:00 +0000\r\n"
    "From:  Alice <alice@example.com>\r\n"
    "To: bob@example.net,\r\n carol@example.net\r\n"
    "Subject: Dinner  tonight\r\n"
    "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n";
const std::string kBody = "Hello Bob, \r\n\r\nare you  hungry?\r\n.dot\r\n\r\n\r\n";

std::string signed_message(const PrivateKeyPtr& key = rsa(), Canonical header = Canonical::relaxed, Canonical body = Canonical::relaxed,
                           const std::string& text = kBody) {
    SigningIdentity identity{"example.com", "s1", key, header, body, {}};
    const std::string_view part = kHeader;
    return sign({&part, 1}, hash_body(text, body), identity, kNow).value() + kHeader + "\r\n" + text;
}

DnsAnswers ours(const PrivateKeyPtr& key = rsa()) { return zone({{"s1._domainkey.example.com", record_of(*key)}}); }

std::string replaced(std::string text, std::string_view what, std::string_view with) {
    const std::size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), with);
}

bool says(const SignatureReport& report, std::string_view words) { return report.words.find(words) != std::string::npos; }

// RFC 6376 appendix A.2, with the key of appendix C.
const std::string kRfc6376 =
    "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n"
    "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n"
    "      h=Received : From : To : Subject : Date : Message-ID;\r\n"
    "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    "      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\r\n"
    "        4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\r\n"
    "        KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\r\n"
    "        4bmp/YzhwvcubU4=;\r\n"
    "Received: from client1.football.example.com  [192.0.2.1]\r\n"
    "      by submitserver.example.com with SUBMISSION;\r\n"
    "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n"
    "From: Joe SixPack <joe@football.example.com>\r\n"
    "To: Suzie Q <suzie@shopping.example.net>\r\n"
    "Subject: Is dinner ready?\r\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
    "\r\n"
    "Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n";
const std::string kRfc6376Key =
    "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ"
    "DwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
    "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7"
    "od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfV"
    "jH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB";

// Who publishes hundreds of keys at one name wants verifiers to work.
TEST(DkimVerifier, OfManyRecordsOnlyTheFirstTenAreTried) {
    const std::string other = record_of(*PrivateKey::generate(Algorithm::rsa, 2048).value());
    const auto published = [&other](std::size_t before) {
        DnsAnswer answer(DnsStatus::ok);
        answer.texts.assign(before, other);
        answer.texts.push_back(record_of(*rsa()));
        DnsAnswers known;
        known.add({DnsType::txt, "s1._domainkey.example.com"}, answer);
        return known;
    };
    EXPECT_EQ(only(signed_message(), published(9)).result, SignatureResult::pass);
    const SignatureReport many = only(signed_message(), published(10));
    EXPECT_EQ(many.result, SignatureResult::fail);
    EXPECT_TRUE(says(many, "b= was not made with the key that DNS has")) << many.words;
    EXPECT_TRUE(says(many, "only the first 10 of the 11 records")) << many.words;
}

TEST(DkimVerifier, Rfc6376AppendixA) {
    const DnsAnswers known = zone({{"brisbane._domainkey.example.com", kRfc6376Key}});
    const SignatureReport report = only(kRfc6376, known);
    EXPECT_EQ(report.result, SignatureResult::pass) << report.words;
    EXPECT_EQ(report.canonicalisation, "simple/simple");
    EXPECT_EQ(report.identity, "joe@football.example.com");
    EXPECT_EQ(report.key_bits, 1024);
    const SignatureReport changed = only(replaced(kRfc6376, "game. Are", "game.  Are"), known);
    EXPECT_EQ(changed.result, SignatureResult::fail);
    EXPECT_TRUE(says(changed, "holds in its relaxed form")) << changed.words;
}

TEST(DkimVerifier, Rfc8463AppendixA) {
    namespace example = auth::testing::rfc8463;
    const PrivateKeyPtr key = PrivateKey::parse(example::kRsaKey, "rsa").value();
    const DnsAnswers known = zone({{"brisbane._domainkey.football.example.com", "v=DKIM1; k=ed25519; p=" + std::string(example::kEd25519Public)},
                                   {"test._domainkey.football.example.com", "v=DKIM1; k=rsa; p=" + key->public_base64()}});
    const Reports all = reports(example::kEd25519Signature + example::kRsaSignature + example::kHeader + "\r\n" + example::kBody, known);
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].result, SignatureResult::pass) << all[0].words;
    EXPECT_EQ(all[0].algorithm, "ed25519-sha256");
    EXPECT_EQ(all[1].result, SignatureResult::pass) << all[1].words;
    EXPECT_TRUE(says(all[1], "only 1024 bits")) << all[1].words;
}

TEST(DkimVerifier, AsksForTheKeysItNeedsOnce) {
    const std::string message = signed_message();
    const VerifyStep step = verify(message.substr(0, message.find("Received")) + message, {}, kNow);
    const auto* wanted = std::get_if<std::vector<DnsQuestion>>(&step);
    ASSERT_NE(wanted, nullptr);
    EXPECT_EQ(*wanted, (std::vector<DnsQuestion>{{DnsType::txt, "s1._domainkey.example.com"}}));
    EXPECT_TRUE(reports("From: a@b.example\r\n\r\nhi\r\n", {}).empty());
}

TEST(DkimVerifier, OurSignaturesInAllForms) {
    for (const PrivateKeyPtr& key : {rsa(), ed25519()})
        for (const Canonical header : {Canonical::simple, Canonical::relaxed})
            for (const Canonical body : {Canonical::simple, Canonical::relaxed})
                for (const std::string& text : {kBody, std::string(), std::string("\r\n\r\n"), std::string("no end")}) {
                    const SignatureReport report = only(signed_message(key, header, body, text), ours(key));
                    EXPECT_EQ(report.result, SignatureResult::pass) << report.canonicalisation << ": " << report.words;
                    EXPECT_EQ(report.words, "");
                }
}

TEST(DkimVerifier, FilesOfUnix) {
    std::string message;
    for (const char c : signed_message())
        if (c != '\r') message += c;
    EXPECT_EQ(only(message, ours()).result, SignatureResult::pass);
}

TEST(DkimVerifier, WhatHappenedToTheBody) {
    const std::string message = signed_message();
    const auto after = [&](const std::string& changed) { return only(changed, ours()); };
    const SignatureReport footer = after(message + "-- \r\nA list's footer\r\n");
    EXPECT_EQ(footer.result, SignatureResult::fail);
    // relaxed: "Hello Bob,", "", "are you hungry?", ".dot"
    EXPECT_TRUE(says(footer, "its first 37 of 62 octets")) << footer.words;
    EXPECT_TRUE(says(after(replaced(message, "hungry", "angry")), "the body was changed")) << "";
    EXPECT_TRUE(says(after(replaced(message, ".dot", "..dot")), "dots of SMTP")) << "";
    EXPECT_TRUE(says(after(message.substr(0, message.find("\r\n\r\n") + 4)), "the body is missing")) << "";
    EXPECT_TRUE(says(only(signed_message(rsa(), Canonical::relaxed, Canonical::relaxed, "") + "spam\r\n", ours()), "an empty one was signed"));
    // Blanks at the end of lines: the simple form does not bear that.
    EXPECT_EQ(after(replaced(message, "Hello Bob, ", "Hello Bob,")).result, SignatureResult::pass);
    EXPECT_EQ(only(replaced(signed_message(rsa(), Canonical::relaxed, Canonical::simple), "Bob, ", "Bob,"), ours()).result, SignatureResult::fail);
}

TEST(DkimVerifier, WhatHappenedToTheHeader) {
    const std::string message = signed_message();
    const auto after = [&](const std::string& changed) {
        SignatureReport report = only(changed, ours());
        EXPECT_EQ(report.result, SignatureResult::fail);
        return report;
    };
    EXPECT_TRUE(says(after(replaced(message, "Subject: Dinner", "Subject: [friends] Dinner")), "\"[friends]\" was put into the field Subject"));
    EXPECT_TRUE(says(after(replaced(message, "Date:", "Reply-To: x@example.org\r\nDate:")), "the field Reply-To was added"));
    EXPECT_TRUE(says(after(replaced(message, "From:", "From: mallory@example.org\r\nFrom:")), "the field From was added"));
    EXPECT_TRUE(says(after(replaced(message, "tonight", "tomorrow")), "changed or removed"));
    EXPECT_TRUE(says(after(replaced(message, "Subject: Dinner  tonight\r\n", "")), "none of subject"));
    const std::string simple = signed_message(rsa(), Canonical::simple, Canonical::simple);
    EXPECT_TRUE(says(after(replaced(simple, "example.net,\r\n carol", "example.net, carol")), "changed or removed"));
    EXPECT_TRUE(says(after(replaced(simple, "From:  Alice", "From:    Alice")), "blanks, folding or case of the field From"));
    EXPECT_TRUE(says(after(replaced(simple, "Date: Fri", "date:  Fri")), "blanks, folding or case") ||
                says(after(replaced(simple, "Date: Fri", "date:  Fri")), "changed or removed"));
    EXPECT_TRUE(says(after(replaced(message, "c=relaxed/relaxed", "c=simple/relaxed")), "changed"));
    // What no signature covers may change.
    EXPECT_EQ(only("X-Spam: no\r\n" + replaced(message, "from a by b", "from x by y"), ours()).result, SignatureResult::pass);
}

TEST(DkimVerifier, AnotherKeyIsToldFromAnotherHeader) {
    const PrivateKeyPtr other = PrivateKey::generate(Algorithm::rsa, 2048).value();
    const SignatureReport report = only(signed_message(), ours(other));
    EXPECT_EQ(report.result, SignatureResult::fail);
    EXPECT_TRUE(says(report, "not made with the key that DNS has")) << report.words;
}

TEST(DkimVerifier, TheKeyRecord) {
    struct Case {
        std::string record;
        SignatureResult result;
        const char* words;
    };
    const std::string p = "; p=" + rsa()->public_base64();
    for (const Case& one : std::vector<Case>{
             {"v=DKIM1; p=", SignatureResult::permerror, "revoked"},
             {"v=DKIM1; k=ed25519" + p, SignatureResult::permerror, "k=ed25519"},
             {"v=DKIM1; h=sha1" + p, SignatureResult::permerror, "sha256"},
             {"v=DKIM1; s=other" + p, SignatureResult::permerror, "e-mail"},
             {"v=DKIM1; p=AAAA", SignatureResult::permerror, "no RSA key"},
             {"v=spf1 -all", SignatureResult::permerror, "unusable"},
             {"v=DKIM1; t=y" + p, SignatureResult::pass, "testing"},
             {"v=DKIM1; t=s" + p, SignatureResult::pass, ""},
             {"n=a note; x=unknown; h=sha1:sha256; s=email" + p, SignatureResult::pass, ""},
         }) {
        const SignatureReport report = only(signed_message(), zone({{"s1._domainkey.example.com", one.record}}));
        EXPECT_EQ(report.result, one.result) << one.record << ": " << report.words;
        EXPECT_TRUE(says(report, one.words)) << report.words;
    }
}

TEST(DkimVerifier, WhatDnsSays) {
    const std::string message = signed_message();
    const auto with = [&](DnsAnswer answer) {
        DnsAnswers known;
        known.add({DnsType::txt, "s1._domainkey.example.com"}, std::move(answer));
        return only(message, known);
    };
    EXPECT_EQ(with(DnsAnswer(DnsStatus::nxdomain)).result, SignatureResult::permerror);
    EXPECT_EQ(with(DnsAnswer(DnsStatus::no_data)).result, SignatureResult::permerror);
    EXPECT_EQ(with(DnsAnswer(DnsStatus::temporary)).result, SignatureResult::temperror);
    DnsAnswer two(DnsStatus::ok);   // any that verifies will do (RFC 6376 s6.1.2)
    two.texts = {"v=DKIM1; p=", record_of(*rsa())};
    EXPECT_EQ(with(two).result, SignatureResult::pass);
}

TEST(DkimVerifier, TagsOfTheSignature) {
    const std::string message = signed_message();
    const auto with = [&](std::string_view what, std::string_view tag) { return only(replaced(message, what, tag), ours()); };
    const auto permerror = [&](std::string_view what, std::string_view tag, std::string_view words) {
        const SignatureReport report = with(what, tag);
        EXPECT_EQ(report.result, SignatureResult::permerror) << tag;
        EXPECT_TRUE(says(report, words)) << report.words;
    };
    permerror("v=1;", "v=2;", "version");
    permerror("v=1;", "", "no v= tag");
    permerror("a=rsa-sha256", "a=rsa-sha1", "insecure");   // RFC 8301 s3.1
    permerror("a=rsa-sha256", "a=dsa-sha256", "do not know");
    permerror("c=relaxed/relaxed", "c=relaxed/loose", "canonicalisation");
    permerror("v=1;", "v=1; i=alice@example.org;", "does not lie in d=");
    permerror("v=1;", "v=1; q=http;", "look for the key");
    permerror("v=1;", "v=1; l=many;", "number");
    permerror("v=1;", "v=1; v=1;", "twice");
    permerror("v=1;", "v=1; x=1;", "not later than t=");
    permerror("h=from:from:", "h=", "does not name From");
    permerror("d=example.com", "d=example..com", "no domain");
    permerror("v=1;", "v=1; rubbish;", "no tag");
}

// x= (s3.5): a message that is read late; t=s (s3.6.1) and i=; l= and what it leaves open.
TEST(DkimVerifier, ExpiredStrictAndCut) {
    SigningIdentity identity{"example.com", "s1", rsa(), Canonical::relaxed, Canonical::relaxed, std::chrono::hours(1)};
    const std::string_view part = kHeader;
    const std::string message = sign({&part, 1}, hash_body(kBody, Canonical::relaxed), identity, kNow).value() + kHeader + "\r\n" + kBody;
    EXPECT_EQ(only(message, ours(), kNow + std::chrono::minutes(59)).result, SignatureResult::pass);
    const SignatureReport late = only(message, ours(), kNow + std::chrono::minutes(61));
    EXPECT_EQ(late.result, SignatureResult::fail);
    EXPECT_TRUE(late.expired);
    EXPECT_TRUE(says(late, "expired")) << late.words;
}

// A signature written by hand, with tags that our signer never writes.
std::string by_hand(const std::string& tags, const std::string& body, const std::string& signed_body) {
    std::string field = "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1; c=relaxed/simple; " + tags + "; h=From;\r\n\tbh=" +
                        base64_encode(hash_body(signed_body, Canonical::simple)) + "; b=";
    std::string data;
    append_canonical_field(data, "From: alice@example.com\r\n", Canonical::relaxed);
    append_canonical_field(data, field + " ; z=From:x|To:y", Canonical::relaxed);
    const std::string canonical = replaced(data.substr(0, data.size() - 2), "b= ;", "b=;");
    return field + base64_encode(rsa()->sign(canonical).value()) + " ; z=From:x|To:y\r\nFrom: alice@example.com\r\n\r\n" + body;
}

TEST(DkimVerifier, TagsBehindTheSignatureAndLength) {
    EXPECT_EQ(only(by_hand("t=5", "one\r\n", "one\r\n"), ours()).result, SignatureResult::pass);
    const SignatureReport open = only(by_hand("l=5", "one\r\nspam\r\n", "one\r\n"), ours());
    EXPECT_EQ(open.result, SignatureResult::pass) << open.words;
    EXPECT_EQ(open.body_octets, 5u);
    EXPECT_TRUE(says(open, "first 5 of 11 octets")) << open.words;
    const SignatureReport cut = only(by_hand("l=50", "one\r\n", "one\r\n"), ours());
    EXPECT_EQ(cut.result, SignatureResult::fail);
    EXPECT_TRUE(says(cut, "cut short")) << cut.words;
    const DnsAnswers strict = zone({{"s1._domainkey.example.com", "v=DKIM1; t=s; p=" + rsa()->public_base64()}});
    EXPECT_EQ(only(by_hand("i=a@sub.example.com", "one\r\n", "one\r\n"), ours()).result, SignatureResult::pass);
    const SignatureReport below = only(by_hand("i=a@sub.example.com", "one\r\n", "one\r\n"), strict);
    EXPECT_EQ(below.result, SignatureResult::permerror);
    EXPECT_TRUE(says(below, "t=s")) << below.words;
}

TEST(DkimVerifier, TooManySignaturesAreNotLookedAt) {
    const std::string message = signed_message();
    const std::string field = message.substr(0, message.find("Received"));
    std::string many;
    for (std::size_t i = 0; i < kMostSignatures + 3; ++i) many += field;
    const Reports all = reports(many + kHeader + "\r\n" + kBody, ours());
    ASSERT_EQ(all.size(), kMostSignatures + 3);
    EXPECT_EQ(all.front().result, SignatureResult::pass);
    EXPECT_EQ(all.back().result, SignatureResult::neutral);
}

}  // namespace
}  // namespace posthorn::auth::dkim
