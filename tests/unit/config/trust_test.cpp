// Networks that clients are trusted by: what would make an open relay is a mistake, unless the risk is spelled out.
#include <gtest/gtest.h>

#include "config/config.hpp"

namespace posthorn::config {
namespace {

TEST(Trust, WhoeverSpellsOutTheRiskMayTrustWholeNetworks) {  // DO-1, DO-2
    const std::string risk = R"(hostname = "mail.example.com"
[[listener]]
address = "*:25"
tls = "none"
[[domain]]
name = "example.com"
dkim = [{ selector = "m1", key_file = "m1.pem" }]
[submission]
trusted_networks = ["10.0.0.0/8"]
)";
    const Loaded refused = parse(risk, "p.toml", {});
    ASSERT_EQ(refused.mistakes.size(), 1U);
    const Loaded loaded = parse(risk + "accept_open_relay_risk = true\n", "p.toml", {});
    EXPECT_TRUE(loaded.mistakes.empty());
    ASSERT_EQ(loaded.warnings.size(), 1U);
    EXPECT_EQ(loaded.warnings[0].what, refused.mistakes[0].what + " (submission.accept_open_relay_risk is true)");
}

}  // namespace
}  // namespace posthorn::config
