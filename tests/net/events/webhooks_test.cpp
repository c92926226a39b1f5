// Webhooks between a journal in memory and a real HTTPS server with a certificate of its own authority.
#include "events/webhooks.hpp"

#include <gtest/gtest.h>

#include <future>
#include <set>

#include <boost/json/parse.hpp>

#include "../../unit/queue/store_fixture.hpp"
#include "delivery/memory.hpp"
#include "dns/resolver.hpp"
#include "events/alarms.hpp"
#include "events/signature.hpp"
#include "queue/memory_store.hpp"
#include "receiver.hpp"
#include "support/dns_server.hpp"
#include "support/run_until.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::events {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

const std::string kSecret = "0123456789abcdef0123456789abcdef";

struct SilentAlarms : delivery::AlarmSink {
    void raise(delivery::Alarm alarm) override { raised.insert(alarm.kind + " " + alarm.subject); }
    void clear(std::string_view kind, std::string_view subject) override { raised.erase(std::string(kind) + " " + std::string(subject)); }
    std::set<std::string> raised;
};

class WebhooksTest : public testing::Test {
protected:
    WebhooksTest() : certificate_(posthorn::test::TlsCert::self_signed()), receiver_(certificate_), store_({}, {}, journal_options()) {
        certificate_.write(directory_.path() + "/ca.pem", directory_.path() + "/key.pem");
        dns::DnsOptions options;
        options.servers.push_back(dns_.endpoint());
        options.timeout = 300ms;
        options.tries = 1;
        resolver_ = dns::Resolver::create(context_.get_executor(), options).value();
        webhook_.options.name = "shop";
        webhook_.options.batch = 5;
        webhook_.options.batch_wait = 0ms;
        webhook_.options.retry_first = webhook_.options.retry_max = 20ms;
        webhook_.options.ca_file = directory_.path() + "/ca.pem";
        webhook_.address = WebAddress::parse("https://127.0.0.1:" + std::to_string(receiver_.port()) + "/hook?x=1").value();
        webhook_.secrets = {kSecret};
        memory_ = std::make_unique<delivery::DeliveryMemory>(directory_.path(), disk_);
    }
    ~WebhooksTest() override {
        end();
        disk_.join();
        memory_.reset();
    }
    static queue::JournalOptions journal_options() {
        queue::JournalOptions options;
        options.max_rows = 50;
        return options;
    }

    void begin() {
        webhooks_ = std::make_unique<Webhooks>(context_, store_, *resolver_, *memory_, disk_, alarms_);
        webhooks_->start("mail.example.test", {webhook_}, "", 1ms);
    }
    void end() {
        if (!webhooks_) return;
        webhooks_->stop();
        EXPECT_TRUE(until([&] { return webhooks_->unfinished() == 0; }));
        webhooks_.reset();
    }
    void write(int count) {
        std::vector<queue::JournalEntry> entries;
        for (int i = 0; i < count; ++i) {
            written_ += 1;
            entries.push_back(queue::test::make_entry(written_, "r" + std::to_string(written_) + "@dest.test"));
        }
        ASSERT_TRUE(queue::test::settle(store_, {{}, {}, std::move(entries), {}}));
    }
    // The numbers of all events that came, in order; every request is looked at.
    std::vector<std::uint64_t> told() {
        std::vector<std::uint64_t> numbers;
        for (const test::Receiver::Request& request : receiver_.requests()) {
            EXPECT_TRUE(request.head.starts_with("POST /hook?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")) << request.head;
            const std::string name = std::string(kSignatureField) + ": ";
            const std::size_t at = request.head.find(name);
            EXPECT_NE(at, std::string::npos);
            const std::string field = request.head.substr(at + name.size(), request.head.find("\r\n", at) - at - name.size());
            const TimePoint time(std::chrono::seconds(std::stoll(field.substr(2))));
            EXPECT_EQ(field, signature_of({kSecret}, time, request.body));
            const json::value batch = json::parse(request.body);
            for (const json::value& event : batch.at("events").as_array()) {
                numbers.push_back(event.at("id").to_number<std::uint64_t>());
                if (event.at("event").as_string() == "gap") gaps_ += 1;
            }
        }
        return numbers;
    }
    template <class Condition>
    bool until(Condition condition) {
        return posthorn::test::run_until(context_, std::move(condition));
    }
    using Numbers = std::vector<std::uint64_t>;

    net::asio::io_context context_{1};
    posthorn::test::TempDir directory_;
    posthorn::test::DnsServer dns_;
    posthorn::test::TlsCert certificate_;
    test::Receiver receiver_;
    boost::asio::thread_pool disk_{1};
    std::unique_ptr<dns::Resolver> resolver_;
    queue::MemoryStore store_;
    std::unique_ptr<delivery::DeliveryMemory> memory_;
    SilentAlarms alarms_;
    Webhook webhook_;
    std::unique_ptr<Webhooks> webhooks_;
    int written_ = 0;
    int gaps_ = 0;
};

TEST_F(WebhooksTest, TellsInBatchesAndInOrder) {
    write(3);   // before it was there
    begin();
    write(12);
    ASSERT_TRUE(until([&] { return told().size() >= 12; }));
    EXPECT_EQ(told(), (Numbers{4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
    EXPECT_EQ(receiver_.requests().size(), 3U);
    const WebhookFigures figures = webhooks_->figures().at(0);
    EXPECT_TRUE(until([&] { return webhooks_->figures().at(0).behind == 0; }));
    EXPECT_EQ(figures.gaps, 0U);
}

TEST_F(WebhooksTest, RepeatsWhatWasNotTaken) {
    for (const char* answer : {"500 Oops", "", "429 Slow\r\nRetry-After: 0"}) receiver_.answer_once(answer);
    begin();
    write(2);
    ASSERT_TRUE(until([&] { return told().size() >= 8; }));
    EXPECT_EQ(told(), (Numbers{1, 2, 1, 2, 1, 2, 1, 2}));
    EXPECT_TRUE(until([&] { return !webhooks_->figures().at(0).failing_since && alarms_.raised.empty(); }));
    EXPECT_EQ(webhooks_->figures().at(0).failures, 3U);
}

TEST_F(WebhooksTest, GoesOnWhereItWasAfterARestart) {
    begin();
    write(2);
    ASSERT_TRUE(until([&] { return webhooks_->figures().at(0).cursor == 2; }));
    end();
    write(2);
    // Another process, after this one's writes have reached the disk.
    memory_->stop();
    memory_ = std::make_unique<delivery::DeliveryMemory>(directory_.path(), disk_);
    begin();
    ASSERT_TRUE(until([&] { return told().size() >= 4; }));
    EXPECT_EQ(told(), (Numbers{1, 2, 3, 4}));
}

TEST_F(WebhooksTest, AFirstStartIsRememberedThoughNothingWasToldYet) {
    write(3);
    begin();
    end();
    write(1);   // while it was away
    memory_ = std::make_unique<delivery::DeliveryMemory>(directory_.path(), disk_);   // as after kill -9: without stop()
    begin();
    ASSERT_TRUE(until([&] { return !told().empty(); }));
    EXPECT_EQ(told(), Numbers{4});
}

TEST_F(WebhooksTest, PutsAsideWhatIsRefusedForGoodAndReplaysIt) {
    begin();
    receiver_.answer_always("400 No");
    write(2);
    ASSERT_TRUE(until([&] { return webhooks_->figures().at(0).put_aside == 1; }));
    EXPECT_EQ(receiver_.requests().size(), Courier::kTries);
    EXPECT_TRUE(alarms_.raised.contains("webhook shop 1-2"));
    const WebhookFigures figures = webhooks_->figures().at(0);
    ASSERT_EQ(figures.aside.size(), 1U);
    EXPECT_EQ(figures.aside[0].first, 1U);
    EXPECT_EQ(figures.aside[0].last, 2U);
    receiver_.answer_always("204 No Content");
    EXPECT_FALSE(webhooks_->replay("other", 1));
    EXPECT_FALSE(webhooks_->replay("shop", 9));
    ASSERT_TRUE(webhooks_->replay("shop", 2));
    const std::size_t before = told().size();
    ASSERT_TRUE(until([&] { return told().size() > before; }));
    EXPECT_EQ(told().back(), 2U);
    EXPECT_EQ(webhooks_->figures().at(0).aside.size(), 1U) << "its beginning was not told again";
}

TEST_F(WebhooksTest, TellsOfAGap) {
    receiver_.answer_always("503 Down");
    begin();
    write(1);
    ASSERT_TRUE(until([&] { return !receiver_.requests().empty(); }));
    write(60);   // the journal has room for 50
    receiver_.answer_always("204 No Content");
    ASSERT_TRUE(until([&] { return webhooks_->figures().at(0).behind == 0; }));
    told();
    EXPECT_GE(gaps_, 1);
    EXPECT_EQ(webhooks_->figures().at(0).gaps, 11U);
    EXPECT_TRUE(alarms_.raised.contains("webhook shop gap 1-11"));
    EXPECT_EQ(told().back(), 61U);
}

TEST_F(WebhooksTest, IsNotTalkedToWithoutAValidCertificate) {
    const posthorn::test::TlsCert other = posthorn::test::TlsCert::self_signed();
    other.write(directory_.path() + "/other.pem", directory_.path() + "/other.key");
    webhook_.options.ca_file = directory_.path() + "/other.pem";
    begin();
    write(1);
    ASSERT_TRUE(until([&] { return webhooks_->figures().at(0).failures >= 2; }));
    EXPECT_TRUE(receiver_.requests().empty());
    EXPECT_NE(webhooks_->figures().at(0).words.find("certificate"), std::string::npos);
    webhook_.options.ca_file = directory_.path() + "/ca.pem";
    webhooks_->reload("mail.example.test", {webhook_}, "", 1ms);
    ASSERT_TRUE(until([&] { return !told().empty(); }));
}

TEST_F(WebhooksTest, OneThatIsTakenOutOfTheSettingsEnds) {
    begin();
    webhooks_->reload("mail.example.test", {}, "", 1ms);
    EXPECT_TRUE(until([&] { return webhooks_->unfinished() == 0; }));
    EXPECT_TRUE(webhooks_->figures().empty());
    write(1);
    webhooks_->reload("mail.example.test", {webhook_}, "", 1ms);
    write(1);
    ASSERT_TRUE(until([&] { return told().size() >= 2; }));
    EXPECT_EQ(told(), (Numbers{1, 2})) << "its place is its name's";
}

// Its place is looked for on the disk's thread: what the operator says meanwhile counts, and figures are no race with it
// (for ThreadSanitizer).
TEST_F(WebhooksTest, AReplayStandsThoughTheDiskIsSlowToTellWhereItWas) {
    webhooks_ = std::make_unique<Webhooks>(context_, store_, *resolver_, *memory_, disk_, alarms_);
    webhooks_->start("mail.example.test", {}, "", 1ms);
    write(3);
    std::promise<void> go_on;
    boost::asio::post(disk_, [wait = go_on.get_future().share()] { wait.wait(); });
    webhooks_->reload("mail.example.test", {webhook_}, "", 1ms);
    context_.restart();
    context_.poll();
    EXPECT_TRUE(webhooks_->replay("shop", 2));
    EXPECT_EQ(webhooks_->figures().at(0).cursor, 1U);
    go_on.set_value();
    ASSERT_TRUE(until([&] { return webhooks_->figures().at(0).cursor == 3; }));
    EXPECT_EQ(told(), (Numbers{2, 3}));
}

}  // namespace
}  // namespace posthorn::events
