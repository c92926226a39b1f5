// The JSON of events, and which a webhook wants.
#include "events/event_form.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace posthorn::events {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

queue::JournalEntry entry_of(std::string event, std::string from = "a@shop.example.com", std::string stream = {}) {
    queue::JournalEntry entry;
    entry.seq = 42;
    entry.at = TimePoint(1763804334s);
    entry.message = QueueId(77);
    entry.event = std::move(event);
    entry.from = std::move(from);
    entry.to = "b@Gmail.com";
    entry.stream = std::move(stream);
    entry.attempts = 2;
    entry.delay = 61s;
    return entry;
}

TEST(EventForm, ADeferralHasEverythingThatIsKnown) {
    queue::JournalEntry entry = entry_of("deferred");
    entry.group = "google";
    entry.failure_class = "auth";
    entry.reply = "421 4.7.26 rate limited";
    entry.diagnosis = R"({"spf": "fail"})";
    entry.due_at = entry.at + 15min;
    const json::object event = event_json(entry);
    EXPECT_EQ(event.at("id").to_number<int>(), 42);
    EXPECT_EQ(event.at("event").as_string(), "deferred");
    EXPECT_EQ(event.at("time").as_string(), "2025-11-22T09:38:54Z");
    EXPECT_EQ(event.at("next_attempt").as_string(), "2025-11-22T09:53:54Z");
    EXPECT_EQ(event.at("message").as_string(), QueueId(77).to_string());
    EXPECT_EQ(event.at("domain").as_string(), "gmail.com");
    EXPECT_EQ(event.at("provider").as_string(), "google");
    EXPECT_EQ(event.at("class").as_string(), "auth");
    EXPECT_EQ(event.at("attempts").to_number<int>(), 2);
    EXPECT_EQ(event.at("delay_seconds").to_number<int>(), 61);
    EXPECT_EQ(event.at("diagnosis").as_object().at("spf").as_string(), "fail");
}

TEST(EventForm, ADeliveryHasNoFieldsOfFailure) {
    const json::object event = event_json(entry_of("delivered", ""));
    EXPECT_EQ(event.at("from").as_string(), "");
    for (const char* absent : {"class", "rule", "diagnosis", "next_attempt", "stream", "transcript"}) EXPECT_FALSE(event.contains(absent)) << absent;
}

TEST(EventForm, OctetsThatAreNoTextDoNotBreakTheJson) {
    queue::JournalEntry entry = entry_of("failed");
    entry.reply = "550 caf\xe9";
    entry.diagnosis = "{not json";
    const std::string text = batch_text("mail.example.com", "shop", json::array{event_json(entry)});
    const json::value parsed = json::parse(text);
    EXPECT_EQ(parsed.at("server").as_string(), "mail.example.com");
    EXPECT_EQ(parsed.at("webhook").as_string(), "shop");
    EXPECT_EQ(parsed.at("events").as_array()[0].at("reply").as_string(), "550 caf\\xe9");
    EXPECT_EQ(parsed.at("events").as_array()[0].at("diagnosis").as_string(), "{not json");
}

TEST(EventForm, AGapNamesWhatIsMissing) {
    const json::object gap = gap_json(3, 17, TimePoint(1763804334s));
    EXPECT_EQ(gap.at("event").as_string(), "gap");
    EXPECT_EQ(gap.at("first").to_number<int>(), 3);
    EXPECT_EQ(gap.at("last").to_number<int>(), 17);
}

TEST(Wants, ByEventSenderAndStream) {
    WebhookOptions options;
    EXPECT_TRUE(wants(options, entry_of("delivered")));
    options.events = {"failed"};
    EXPECT_FALSE(wants(options, entry_of("delivered")));
    EXPECT_TRUE(wants(options, entry_of("failed")));
    options.senders = {"shop.example.com"};
    EXPECT_TRUE(wants(options, entry_of("failed", "x@SHOP.example.com")));
    EXPECT_FALSE(wants(options, entry_of("failed", "x@example.com")));
    EXPECT_FALSE(wants(options, entry_of("failed", "")));
    options.senders = {"*.example.com"};
    EXPECT_TRUE(wants(options, entry_of("failed", "x@a.shop.example.com")));
    EXPECT_FALSE(wants(options, entry_of("failed", "x@example.com")));
    EXPECT_FALSE(wants(options, entry_of("failed", "x@notexample.com")));
    options.streams = {"news"};
    EXPECT_FALSE(wants(options, entry_of("failed", "x@a.example.com")));
    EXPECT_TRUE(wants(options, entry_of("failed", "x@a.example.com", "news")));
}

TEST(AlarmText, IsJsonOfTheNotice) {
    Notice notice;
    notice.alarm.kind = "suspended";
    notice.alarm.subject = "example.com at google";
    notice.alarm.text = "why";
    notice.alarm.detail = R"({"a": 1})";
    notice.state = NoticeState::cleared;
    notice.since = notice.at = TimePoint(1763804334s);
    const json::value alarm = json::parse(alarm_text("mail.example.com", notice));
    EXPECT_EQ(alarm.at("alarm").as_string(), "suspended");
    EXPECT_EQ(alarm.at("state").as_string(), "cleared");
    EXPECT_EQ(alarm.at("since").as_string(), "2025-11-22T09:38:54Z");
    EXPECT_EQ(alarm.at("detail").at("a").to_number<int>(), 1);
    EXPECT_FALSE(alarm.as_object().contains("advice"));
}

}  // namespace
}  // namespace posthorn::events
