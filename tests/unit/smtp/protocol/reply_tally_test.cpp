// Refusals are counted by code and enhanced code, and the count is bounded.
#include "smtp/protocol/reply_tally.hpp"

#include <gtest/gtest.h>

#include "smtp/protocol/server_session.hpp"

namespace posthorn::smtp::protocol {
namespace {

std::uint64_t count_of(const ReplyTally& tally, std::uint16_t code, std::string_view enhanced) {
    const auto found = tally.counts().find({code, EnhancedCode::parse(enhanced).value_or(EnhancedCode{})});
    return found == tally.counts().end() ? 0 : found->second;
}

TEST(ReplyTally, CountsWhatRefuses) {
    ReplyTally tally;
    tally.count("250 2.0.0 Ok\r\n");
    tally.count("354 Go on\r\n");
    tally.count("550 5.7.1 No\r\n");
    tally.count(make_reply(550, "5.7.1", "Not this either"));
    tally.count(make_reply(250, "2.0.0", "Ok"));
    tally.count("550 5.7.10 No\r\n");
    tally.count("421 Without an enhanced code\r\n");
    tally.count("no reply at all");
    EXPECT_EQ(count_of(tally, 550, "5.7.1"), 2U);
    EXPECT_EQ(count_of(tally, 550, "5.7.10"), 1U);
    EXPECT_EQ(count_of(tally, 421, ""), 1U);
    EXPECT_EQ(tally.counts().size(), 3U);
}

TEST(ReplyTally, IsBounded) {
    ReplyTally tally;
    for (int i = 0; i < 1000; ++i) tally.count(make_reply(550, "5.1." + std::to_string(i), "No"));
    EXPECT_EQ(tally.counts().size(), ReplyTally::kMaxKinds);
    EXPECT_EQ(tally.others(), 1000 - ReplyTally::kMaxKinds);
    tally.count(make_reply(550, "5.1.0", "No"));
    EXPECT_EQ(count_of(tally, 550, "5.1.0"), 2U);
}

TEST(ReplyTally, HearsAllThatASessionRefuses) {
    ReplyTally tally;
    ServerFacts facts;
    facts.hostname = "mx.example.org";
    facts.trusted = true;
    facts.replies = &tally;
    facts.limits.max_errors = 3;
    ServerSession session(facts);
    (void)session.start();
    (void)session.on_bytes("FOO\r\nEHLO c\r\nMAIL FROM:<a@example.org>\r\nBAR\r\nDATA\r\n");
    (void)session.on_verdict(Verdict::refuse(make_reply(550, "5.7.1", "Not you")));
    EXPECT_EQ(count_of(tally, 500, "5.5.1"), 2U);
    EXPECT_EQ(count_of(tally, 550, "5.7.1"), 1U);
    EXPECT_EQ(count_of(tally, 503, "5.5.1"), 1U);
    EXPECT_EQ(count_of(tally, 421, "4.7.0"), 1U);
    EXPECT_EQ(tally.counts().size(), 4U);
}

}  // namespace
}  // namespace posthorn::smtp::protocol
