// Tests of delivery/delivery_tally.hpp.
#include "delivery/delivery_tally.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace posthorn::delivery {
namespace {

using namespace std::chrono_literals;

Outcome outcome(Disposition result, Class failure_class) {
    Outcome made;
    made.result = result;
    made.failure_class = failure_class;
    return made;
}

std::uint64_t count(const DeliveryTally& tally, std::string_view provider, Disposition result, Class failure_class) {
    const auto found = tally.providers().find(provider);
    if (found == tally.providers().end()) return 0;
    return found->second.outcomes[static_cast<std::size_t>(result)][static_cast<std::size_t>(failure_class)];
}

TEST(DeliveryTally, CountsByProviderResultAndClass) {
    DeliveryTally tally;
    tally.settled("google", outcome(Disposition::delivered, Class::none));
    tally.settled("google", outcome(Disposition::delivered, Class::none));
    tally.settled("google", outcome(Disposition::failed, Class::rcpt_perm));
    tally.settled("relay:smart", outcome(Disposition::deferred, Class::permanent));
    EXPECT_EQ(count(tally, "google", Disposition::delivered, Class::none), 2U);
    EXPECT_EQ(count(tally, "google", Disposition::failed, Class::rcpt_perm), 1U);
    EXPECT_EQ(count(tally, "relay:smart", Disposition::deferred, Class::permanent), 1U);
    EXPECT_EQ(tally.providers().size(), 2U);
}

// A label must not be what strangers call their hosts: anybody could make a million series, and put his words into our figures.
TEST(DeliveryTally, StrangersAreOneAndNoWayIsNone) {
    DeliveryTally tally;
    for (int i = 0; i < 1000; ++i) tally.settled("mx" + std::to_string(i) + ".evil.test", outcome(Disposition::failed, Class::permanent));
    tally.settled("", outcome(Disposition::deferred, Class::dns));
    EXPECT_EQ(count(tally, "other", Disposition::failed, Class::permanent), 1000U);
    EXPECT_EQ(count(tally, "none", Disposition::deferred, Class::dns), 1U);
    EXPECT_EQ(tally.providers().size(), 2U);
}

// Reloads can bring providers for ever.
TEST(DeliveryTally, NamesAreBounded) {
    DeliveryTally tally;
    for (std::size_t i = 0; i < DeliveryTally::kMostProviders + 50; ++i)
        tally.concluded("provider" + std::to_string(i), 10ms);
    EXPECT_LE(tally.providers().size(), DeliveryTally::kMostProviders + 1);
    std::uint64_t all = 0;
    for (const auto& [name, provider] : tally.providers()) all += provider.attempt_seconds.count();
    EXPECT_EQ(all, DeliveryTally::kMostProviders + 50);
    EXPECT_EQ(tally.providers().at("other").attempt_seconds.count(), 50U);
}

TEST(DeliveryTally, ConnectionsByVersionOfTls) {
    DeliveryTally tally;
    tally.opened("TLSv1.3", 20ms);
    tally.opened("", 10ms);
    tally.opened("", 10ms);
    tally.not_opened(30s);
    EXPECT_EQ(tally.connections().at("TLSv1.3"), 1U);
    EXPECT_EQ(tally.connections().at("none"), 2U);
    EXPECT_EQ(tally.opened_seconds().count(), 3U);
    EXPECT_DOUBLE_EQ(tally.not_opened_seconds().sum(), 30.0);
}

}  // namespace
}  // namespace posthorn::delivery
