// Following the daemon's events: order, filters, those who are too slow, and the bounds.
#include "admin/event_feed.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

#include "base/log.hpp"

namespace posthorn::admin {
namespace {

TEST(EventRing, KeepsTheLastAndTheirNumbers) {
    EventRing ring;
    for (std::size_t i = 0; i < EventRing::kMostEvents + 10; ++i) ring.add(std::to_string(i));
    EXPECT_EQ(ring.first(), 10U);
    EXPECT_EQ(ring.end(), EventRing::kMostEvents + 10);
    EXPECT_EQ(ring.at(10), "10");
    ring.clear();
    EXPECT_EQ(ring.first(), ring.end());
    ring.add(std::string(EventRing::kMostOctets * 2, 'x'));  // one is kept, however long
    EXPECT_EQ(ring.end() - ring.first(), 1U);
    ring.add("next");
    EXPECT_EQ(ring.at(ring.end() - 1), "next");
    EXPECT_EQ(ring.end() - ring.first(), 1U);
}

TEST(EventFilter, FindsTheIdAndTheDomainInWhateverValue) {
    const std::string event = R"({"event":"delivered","id":"0abc","from":"a@Example.TEST","to":"b@mail.dest.test","host":"mx.dest.test[192.0.2.1]"})";
    EXPECT_TRUE((EventFilter{}.wants(event)));
    EXPECT_TRUE((EventFilter{"0abc", ""}.wants(event)));
    EXPECT_FALSE((EventFilter{"0ab", ""}.wants(event)));
    EXPECT_TRUE((EventFilter{"", "example.test"}.wants(event)));
    EXPECT_TRUE((EventFilter{"", "mail.dest.test"}.wants(event)));
    EXPECT_FALSE((EventFilter{"", "dest.test"}.wants(event)));
    EXPECT_FALSE((EventFilter{"0abc", "other.test"}.wants(event)));
    EXPECT_TRUE((EventFilter{"0abc", "example.test"}.wants(event)));
    EXPECT_TRUE((EventFilter{"", "dest.test"}.wants(R"({"event":"attempt","domain":"dest.test"})")));
    EXPECT_FALSE((EventFilter{"", "dest.test"}.wants("no json about dest.test")));
}

class Following : public testing::Test {
protected:
    ~Following() override {
        feed_->stop();
        log::configure({log::Level::error, log::Format::logfmt, true, false});
    }

    // The next piece of the stream; runs the loop until it is there.
    std::string next(Answer& answer) {
        std::optional<Answer> got;
        // As the server does it: gone once it was called.
        UniqueFunction<void(Respond)> more = std::move(answer.more);
        more([&](Answer piece) { got = std::move(piece); });
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!got && std::chrono::steady_clock::now() < end) {
            io_.restart();
            io_.run_one_for(std::chrono::milliseconds(100));
        }
        EXPECT_TRUE(got);
        answer = got.value_or(Answer{});
        return answer.body;
    }

    boost::asio::io_context io_;
    std::shared_ptr<EventFeed> feed_ = std::make_shared<EventFeed>(io_, "life");
};

TEST_F(Following, EventsComeInOrderFromAllThreads) {
    Answer stream = feed_->follow({});
    EXPECT_EQ(stream.body, "{\"event\":\"watching\"}\n");
    std::thread([] { log::info("first").kv("n", 1); }).join();
    log::info("second").kv("n", 2);
    const std::string lines = next(stream);
    const auto first = lines.find("\"event\":\"first\",\"n\":1}\n");
    const auto second = lines.find("\"event\":\"second\",\"n\":2}\n");
    ASSERT_NE(first, std::string::npos) << lines;
    ASSERT_NE(second, std::string::npos) << lines;
    EXPECT_LT(first, second);
    log::warning("third");
    EXPECT_NE(next(stream).find("\"event\":\"third\"}\n"), std::string::npos);
}

TEST_F(Following, WhoIsTooSlowIsToldHowMuchHeMissed) {
    Answer stream = feed_->follow({});
    for (std::size_t i = 0; i < EventRing::kMostEvents + 7; ++i) log::info("e").kv("n", static_cast<std::uint64_t>(i));
    const std::string lines = next(stream);
    EXPECT_TRUE(lines.starts_with("{\"event\":\"skipped\",\"count\":7}\n")) << lines.substr(0, 200);
    EXPECT_NE(lines.find("\"n\":7}\n"), std::string::npos);
    std::size_t octets = lines.size(), pieces = 1;
    for (; stream.body.find("\"n\":" + std::to_string(EventRing::kMostEvents + 6) + "}\n") == std::string::npos; ++pieces) {
        ASSERT_LT(pieces, 1000U);
        octets += next(stream).size();
    }
    EXPECT_GT(pieces, 3U);  // not all at once
    EXPECT_GT(octets, EventRing::kMostEvents * 20);
}

TEST_F(Following, AFilterPassesOnWhatWasAskedFor) {
    Answer stream = feed_->follow(EventFilter{"", "dest.test"});
    for (int i = 0; i < 3000; ++i) log::info("noise").kv("to", "x@other.test");
    log::info("wanted").kv("to", "x@dest.test");
    std::string lines;
    for (int pieces = 0; lines.find("wanted") == std::string::npos; ++pieces) {
        ASSERT_LT(pieces, 100);
        lines += next(stream);
    }
    EXPECT_EQ(lines.find("noise"), std::string::npos);
}

TEST_F(Following, ReadersAreBoundedAndPlacesComeFree) {
    std::vector<Answer> streams;
    for (std::size_t i = 0; i < EventFeed::kMostReaders; ++i) streams.push_back(feed_->follow({}));
    EXPECT_EQ(feed_->follow({}).status, 503U);
    streams.pop_back();
    EXPECT_EQ(feed_->follow({}).status, 200U);
}

TEST_F(Following, NothingIsWatchedWhenNobodyFollows) {
    log::configure({log::Level::error, log::Format::logfmt, true, false});
    EXPECT_FALSE(log::enabled(log::Level::info));
    {
        const Answer stream = feed_->follow({});
        EXPECT_TRUE(log::enabled(log::Level::info));
    }
    EXPECT_FALSE(log::enabled(log::Level::info));
}

// HTML s9.2: an id, the data, an empty line; and after a broken connection what was missed, as long as the ring has it.
TEST_F(Following, AsServerSentEventsWhatWasMissedIsTold) {
    const EventManner manner{true, {}};
    std::string last;
    {
        Answer stream = feed_->follow({}, manner);
        EXPECT_EQ(stream.content_type, "text/event-stream");
        EXPECT_EQ(stream.body, "data: {\"event\":\"watching\"}\n\n");
        log::info("first");
        const std::string told = next(stream);
        ASSERT_TRUE(told.starts_with("id: life-0\ndata: {")) << told;
        EXPECT_TRUE(told.ends_with("\"event\":\"first\"}\n\n")) << told;
        last = "life-0";
    }
    log::info("missed");   // nobody is there; it is kept for a while
    Answer again = feed_->follow({}, EventManner{true, last});
    const std::string told = next(again);
    EXPECT_TRUE(told.starts_with("id: life-1\n")) << told;
    EXPECT_NE(told.find("\"event\":\"missed\""), std::string::npos) << told;
    // Ids of another life of the daemon, and nonsense, are now.
    for (const char* other : {"other-0", "life-", "life-x", "0", "life-99999999999999999999"}) {
        Answer fresh = feed_->follow({}, EventManner{true, other});
        log::info("now");
        EXPECT_EQ(next(fresh).find("missed"), std::string::npos) << other;
    }
}

TEST_F(Following, TheEndOfTheServerEndsTheStreams) {
    Answer stream = feed_->follow({});
    bool answered = false;
    UniqueFunction<void(Respond)> more = std::move(stream.more);
    more([&](Answer) { answered = true; });
    feed_->stop();
    EXPECT_FALSE(log::enabled(log::Level::info));
    log::info("late");
    io_.run_for(std::chrono::milliseconds(100));
    EXPECT_FALSE(answered);
    EXPECT_EQ(feed_->follow({}).status, 503U);
}

}  // namespace
}  // namespace posthorn::admin
