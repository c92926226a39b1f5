// Signatures of requests: the form, and a value that another implementation made.
#include "events/signature.hpp"

#include <gtest/gtest.h>

namespace posthorn::events {
namespace {

using std::chrono::seconds;

// printf '1763804334.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
TEST(Signature, IsWhatOpensslSays) {
    const TimePoint now(seconds(1763804334));
    EXPECT_EQ(signature_of({"0123456789abcdef0123456789abcdef"}, now, R"({"a":1})"),
              "t=1763804334,v1=180f088f7392a6ea9f85291a514dc21a77fa5b356602679586758b598ea5f50d");
}

TEST(Signature, BothSecretsSignWhileTheyAreChanged) {
    const TimePoint now(seconds(1));
    const std::string one = signature_of({"new-new-new-new-new"}, now, "x");
    const std::string other = signature_of({"old-old-old-old-old"}, now, "x");
    EXPECT_EQ(signature_of({"new-new-new-new-new", "old-old-old-old-old"}, now, "x"), one + other.substr(3));
}

TEST(Signature, TheSecretIsTheFirstLine) {
    EXPECT_EQ(secret_of_file("  abc def \nsecond\n"), "abc def");
    EXPECT_EQ(secret_of_file("abc\r\n"), "abc");
    EXPECT_EQ(secret_of_file(""), "");
}

}  // namespace
}  // namespace posthorn::events
