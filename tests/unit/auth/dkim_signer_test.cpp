// DKIM-Signature fields: their tags, what they cover, and that a plain second reading finds them right.
#include <gtest/gtest.h>

#include <array>

#include "auth/dkim/signer.hpp"
#include "naive_dkim.hpp"
#include "rfc8463_example.hpp"

namespace posthorn::auth::dkim {
namespace {

using namespace std::chrono_literals;
using testing::tags_of;
using testing::verify_signature;

const TimePoint kNow{1700000000123ms};

const PrivateKeyPtr& rsa_key() {
    static const PrivateKeyPtr key = *PrivateKey::generate(Algorithm::rsa);
    return key;
}

const PrivateKeyPtr& ed25519_key() {
    static const PrivateKeyPtr key = *PrivateKey::parse(testing::rfc8463::kEd25519Key, "ed");
    return key;
}

SigningIdentity identity(PrivateKeyPtr key = rsa_key(), Canonical header = Canonical::relaxed,
                         Canonical body = Canonical::relaxed) {
    return {"example.com", "mail", std::move(key), header, body, {}};
}

std::string sign_text(const std::string& header, std::string_view body, const SigningIdentity& by) {
    const std::string_view part = header;
    auto field = sign({&part, 1}, hash_body(body, by.body), by, kNow);
    EXPECT_TRUE(field) << field.error().what;
    return field ? *field : std::string();
}

const std::string kHeader =
    "Received: from a by b; Fri, 1 Jan 2027 00:00:00 +0000\r\n"
    "From: Joe <joe@example.com>\r\n"
    "to: one@example.net\r\n"
    "Subject: a  folded\r\n\tone \r\n"
    "To: two@example.net\r\n"
    "X-Mailer: y\r\n"
    "List-Unsubscribe: <https://example.com/u/1>\r\n"
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
const std::string kBody = "Hello  \r\nworld\t.\r\n\r\n\r\n";

TEST(Signer, EachFormAndAlgorithmVerifies) {  // SD-39
    for (const auto& key : {rsa_key(), ed25519_key()}) {
        for (const auto header_form : {Canonical::simple, Canonical::relaxed}) {
            for (const auto body_form : {Canonical::simple, Canonical::relaxed}) {
                const auto field = sign_text(kHeader, kBody, identity(key, header_form, body_form));
                EXPECT_EQ(verify_signature(field, kHeader, kBody, key->public_base64()), "") << field;
                EXPECT_EQ(verify_signature(field, kHeader, kBody + "more\r\n", key->public_base64()),
                          "body hash");
                EXPECT_EQ(verify_signature(field, "From: other@example.com\r\n" + kHeader, kBody,
                                           key->public_base64()),
                          "signature");
            }
        }
    }
}

TEST(Signer, WritesTheTagsOfTheRfcAndNeverALength) {
    auto tags = tags_of(sign_text(kHeader, kBody, identity()));
    EXPECT_EQ(tags["v"], "1");
    EXPECT_EQ(tags["a"], "rsa-sha256");
    EXPECT_EQ(tags["c"], "relaxed/relaxed");
    EXPECT_EQ(tags["d"], "example.com");
    EXPECT_EQ(tags["s"], "mail");
    EXPECT_EQ(tags["t"], "1700000000");
    for (const auto absent : {"l", "x", "z", "i"}) EXPECT_EQ(tags.count(absent), 0U) << absent;
    EXPECT_EQ(tags_of(sign_text(kHeader, kBody,
                                identity(ed25519_key(), Canonical::simple, Canonical::relaxed)))["c"],
              "simple/relaxed");
    EXPECT_EQ(tags_of(sign_text(kHeader, kBody, identity(ed25519_key())))["a"], "ed25519-sha256");

    auto expiring = identity();
    expiring.expire_after = 14 * 24h;
    EXPECT_EQ(tags_of(sign_text(kHeader, kBody, expiring))["x"], std::to_string(1700000000 + 14 * 86400));
}

TEST(Signer, NamesEachInstanceAndOverSigns) {  // SD-40
    const auto h = ":" + tags_of(sign_text(kHeader, kBody, identity()))["h"] + ":";
    const auto count = [&](std::string_view name) {
        std::size_t n = 0;
        const auto needle = ":" + std::string(name) + ":";
        for (auto at = h.find(needle); at != std::string::npos; at = h.find(needle, at + 1)) ++n;
        return n;
    };
    EXPECT_EQ(count("from"), 2U);
    EXPECT_EQ(count("to"), 3U);  // two instances, one more
    EXPECT_EQ(count("subject"), 2U);
    EXPECT_EQ(count("list-unsubscribe"), 2U);  // LU-25
    EXPECT_EQ(count("list-unsubscribe-post"), 2U);
    for (const auto absent : {"cc", "date", "reply-to", "message-id", "mime-version", "content-type"})
        EXPECT_EQ(count(absent), 1U) << absent;
    for (const auto never : {"received", "x-mailer", "return-path", "bcc", "dkim-signature", "list-id"})
        EXPECT_EQ(count(never), 0U) << never;
}

TEST(Signer, AnAddedFieldBreaksTheSignature) {
    const auto field = sign_text(kHeader, kBody, identity());
    for (const auto name : {"From", "Subject", "To", "Cc", "Date", "Reply-To", "Message-ID", "MIME-Version",
                            "Content-Type", "List-Unsubscribe", "List-Unsubscribe-Post", "Sender"}) {
        const auto added = std::string(name) + ": evil\r\n";
        EXPECT_EQ(verify_signature(field, added + kHeader, kBody, rsa_key()->public_base64()), "signature")
            << name;
        EXPECT_EQ(verify_signature(field, kHeader + added, kBody, rsa_key()->public_base64()), "signature")
            << name;
    }
    EXPECT_EQ(verify_signature(field, "Received: by relay\r\n" + kHeader, kBody, rsa_key()->public_base64()),
              "");
}

TEST(Signer, IsFoldedTo78Columns) {
    std::string header = kHeader;
    for (int i = 0; i < 40; ++i) header += "References: <" + std::to_string(i) + "@example.com>\r\n";
    auto long_names = identity();
    long_names.domain = std::string(60, 'a') + ".example.com";
    for (const auto& by : {identity(), identity(ed25519_key()), long_names}) {
        const auto field = sign_text(header, kBody, by);
        ASSERT_TRUE(field.ends_with("\r\n"));
        for (const auto& line : testing::lines_of(field)) {
            EXPECT_LE(line.size(), 78U) << field;
            EXPECT_NE(line.find_first_not_of(" "), std::string::npos)
                << "a line of blanks only (RFC 5322 s3.2.2)";
        }
        EXPECT_EQ(verify_signature(field, header, kBody, by.key->public_base64()), "");
    }
}

TEST(Signer, TakesTheHeaderInParts) {
    const std::string list = "List-Unsubscribe: <https://example.com/u/2>\r\nTo: three@example.net\r\n",
                      rest = kHeader;
    const std::array<std::string_view, 3> parts = {list, "", rest};
    const auto field = sign(parts, hash_body(kBody, Canonical::relaxed), identity(), kNow);
    EXPECT_EQ(*field, sign_text(list + rest, kBody, identity()));
    EXPECT_EQ(verify_signature(*field, list + rest, kBody, rsa_key()->public_base64()), "");
}

TEST(Signer, CannotSignWithoutFrom) {
    const std::string_view header = "To: a@example.net\r\n";
    const auto field = sign({&header, 1}, {}, identity(), kNow);
    ASSERT_FALSE(field);
    EXPECT_NE(field.error().what.find("no From field"), std::string::npos);
}

TEST(Signer, PutsRsaOnTopAndUsesTheRightBodyHash) {
    const SigningIdentity both[] = {identity(ed25519_key(), Canonical::relaxed, Canonical::simple),
                                    identity()};
    const std::string_view header = kHeader;
    const BodyHashes hashes{hash_body(kBody, Canonical::relaxed), hash_body(kBody, Canonical::simple)};
    const auto text = sign_all({&header, 1}, hashes, both, kNow);
    ASSERT_TRUE(text);
    const auto fields = testing::fields_of(*text);
    ASSERT_EQ(fields.size(), 2U);
    EXPECT_EQ(tags_of(fields[0])["a"], "rsa-sha256");
    EXPECT_EQ(tags_of(fields[1])["a"], "ed25519-sha256");
    EXPECT_EQ(verify_signature(fields[0], kHeader, kBody, rsa_key()->public_base64()), "");
    EXPECT_EQ(verify_signature(fields[1], kHeader, kBody, ed25519_key()->public_base64()), "");
    EXPECT_EQ(*sign_all({&header, 1}, hashes, {}, kNow), "");
}

// The plain reading itself, on signatures that others made (RFC 8463 A.3).
TEST(NaiveVerifier, FindsTheExampleOfRfc8463Right) {
    namespace example = testing::rfc8463;
    const auto rsa = *PrivateKey::parse(example::kRsaKey, "rsa");
    EXPECT_EQ(verify_signature(example::kEd25519Signature, example::kHeader, example::kBody,
                               std::string(example::kEd25519Public)),
              "");
    EXPECT_EQ(
        verify_signature(example::kRsaSignature, example::kHeader, example::kBody, rsa->public_base64()), "");
}

}  // namespace
}  // namespace posthorn::auth::dkim
