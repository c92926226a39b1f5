// The key in DNS beside the one we sign with: the same, missing, another, revoked, or spoiled on the way into the zone.
#include "auth/dkim/published_key.hpp"

#include <gtest/gtest.h>

#include "auth/dkim/record.hpp"
#include "base/base64.hpp"

namespace posthorn::auth::dkim {
namespace {

const PrivateKey& rsa() {
    static const PrivateKeyPtr key = PrivateKey::generate(Algorithm::rsa, 2048).value();
    return *key;
}
const PrivateKey& ed25519() {
    static const PrivateKeyPtr key = PrivateKey::generate(Algorithm::ed25519).value();
    return *key;
}

KeyFinding found(const std::string& record, const PrivateKey& key = rsa()) {
    const std::vector<std::string> records = {record};
    return compare(records, key);
}

std::string ours(const PrivateKey& key = rsa()) {
    return key_record("example.com", "s1", key).value;
}

bool says(const KeyFinding& finding, std::string_view words) {
    return finding.words.find(words) != std::string::npos;
}

TEST(PublishedKey, OursIsTheSame) {
    EXPECT_EQ(found(ours()).state, KeyState::same);
    EXPECT_EQ(found(ours(ed25519()), ed25519()).state, KeyState::same);
    EXPECT_EQ(found("k=rsa; t=s; h=sha1:sha256; s=email:other; n=a note; x=y; p=" + rsa().public_base64()).state, KeyState::same);
    EXPECT_EQ(found("p=" + rsa().public_base64().substr(0, 70) + " \t" + rsa().public_base64().substr(70)).state, KeyState::same);   // folded (s3.2)
    EXPECT_EQ(found("v=DKIM1; p=" + rsa().public_base64() + ";").state, KeyState::same);
}

// RFC 6376 s3.6.1 speaks of RSAPublicKey, the end of what is in use.
TEST(PublishedKey, TheBareKeyIsTheSame) {
    const std::string whole = base64_decode(rsa().public_base64()).value();
    EXPECT_EQ(found("v=DKIM1; p=" + base64_encode(whole.substr(24))).state, KeyState::same);
}

TEST(PublishedKey, TestingIsToldButPasses) {
    const KeyFinding finding = found("v=DKIM1; t=y:s; p=" + rsa().public_base64());
    EXPECT_EQ(finding.state, KeyState::same);
    EXPECT_TRUE(says(finding, "t=y")) << finding.words;
}

TEST(PublishedKey, MissingOtherRevoked) {
    EXPECT_EQ(compare({}, rsa()).state, KeyState::missing);
    EXPECT_EQ(found("v=DKIM1; k=rsa; p=" + PrivateKey::generate(Algorithm::rsa, 2048).value()->public_base64()).state, KeyState::other);
    EXPECT_EQ(found("v=DKIM1; p=").state, KeyState::revoked);
}

TEST(PublishedKey, CutShortAtTheFirstString) {
    const KeyFinding finding = found(ours().substr(0, 255));
    EXPECT_EQ(finding.state, KeyState::other);
    EXPECT_TRUE(says(finding, "cut short")) << finding.words;
}

TEST(PublishedKey, WhatAVerifierCannotUse) {
    struct Case {
        std::string record;
        const char* words;
    };
    for (const Case& one : std::vector<Case>{{"\"" + ours() + "\"", "quotes"},
                                             {"v=DKIM1\\; p=" + rsa().public_base64(), "backslashes"},
                                             {"k=rsa; v=DKIM1; p=" + rsa().public_base64(), "not the first"},
                                             {"v=DKIM2; p=" + rsa().public_base64(), "DKIM2"},
                                             {"v=DKIM1; k=ed25519; p=" + rsa().public_base64(), "k=ed25519"},
                                             {"v=DKIM1; h=sha1; p=" + rsa().public_base64(), "sha256"},
                                             {"v=DKIM1; s=other; p=" + rsa().public_base64(), "e-mail"},
                                             {"v=DKIM1; k=rsa", "no p="},
                                             {"v=DKIM1; p=#!?", "base64"},
                                             {"v=spf1 include:example.net -all", "not v=DKIM1"},
                                             {"v=DKIM1; p=" + rsa().public_base64() + "; p=", "twice"}}) {
        const KeyFinding finding = found(one.record);
        EXPECT_EQ(finding.state, KeyState::unusable) << one.record;
        EXPECT_TRUE(says(finding, one.words)) << finding.words;
    }
}

TEST(PublishedKey, TwoRecordsAreOneTooMany) {   // s3.6.2.2: verifiers take any one of them
    const std::vector<std::string> records = {ours(), "v=DKIM1; p="};
    const KeyFinding finding = compare(records, rsa());
    EXPECT_EQ(finding.state, KeyState::unusable);
    EXPECT_TRUE(says(finding, "2 records")) << finding.words;
    const std::vector<std::string> twice = {ours(), ours()};
    EXPECT_EQ(compare(twice, rsa()).state, KeyState::same);
}

}  // namespace
}  // namespace posthorn::auth::dkim
