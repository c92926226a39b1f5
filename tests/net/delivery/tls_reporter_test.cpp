// The reporter of TLS results between a DNS server, the queue's front door and a memory on disk: no report twice, none lost silently.
#include "delivery/tls_reporter.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>

#include "delivery/memory.hpp"
#include "dns/resolver.hpp"
#include "support/dns_server.hpp"
#include "support/run_until.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::delivery {
namespace {

using namespace std::chrono_literals;

class TlsReporterTest : public testing::Test {
protected:
    TlsReporterTest() {
        dns::DnsOptions options;
        options.servers.push_back(dns_.endpoint());
        options.timeout = 300ms;
        options.tries = 1;
        options.cache_entries = 0;
        resolver_ = dns::Resolver::create(context_.get_executor(), options).value();
        options_.tls_report.contact = "tls@example.test";
        options_.tls_report.delay = 24h * 36500;   // nothing goes out by itself
        record("mailto:reports@receiver.test");
        begin();
    }
    ~TlsReporterTest() override {
        end();
        disk_.join();
    }

    void record(const std::string& addresses) {
        dns_.remove("_smtp._tls.dest.test").txt("_smtp._tls.dest.test", {"v=TLSRPTv1;rua=" + addresses});
    }
    // A process begins, and ends.
    void begin() {
        memory_ = std::make_unique<DeliveryMemory>(directory_.path(), disk_);
        results_ = std::make_unique<TlsResults>();
        reporter_ = std::make_unique<TlsReporter>(context_, *resolver_, disk_, *memory_, *results_,
                                                  [this](queue::NewMessage message, queue::Done<queue::Added> done) {
                                                      put(std::move(message), std::move(done));
                                                  });
        reporter_->start("mail.example.test", options_);
    }
    void end() {
        reporter_->stop();
        until([&] { return reporter_->unfinished() == 0; });
        reporter_.reset();
        results_.reset();
        memory_.reset();
    }
    void put(queue::NewMessage message, queue::Done<queue::Added> done) {
        const std::string to = message.recipients.at(0).recipient.address;
        marks_at_put_ = marks_on_disk();
        if (refuses_ == to) {
            done(queue::StoreError{queue::StoreFault::disk_full, "no space"});
            return;
        }
        put_.push_back(to);
        queue::Added added;
        added.recipients.resize(message.recipients.size());
        done(std::move(added));
    }
    // As a process after kill -9 would find them.
    std::vector<std::string> marks_on_disk() {
        DeliveryMemory another(directory_.path(), disk_);
        std::vector<std::string> keys;
        for (const Remembered& one : another.load(TlsReporter::kSentKind)) keys.push_back(one.key);
        return keys;
    }
    void run(const char* sql) {
        sqlite3* db = nullptr;
        ASSERT_EQ(sqlite3_open((directory_.path() + "/delivery.sqlite").c_str(), &db), SQLITE_OK);
        sqlite3_busy_timeout(db, 10'000);   // the memory may be writing
        ASSERT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
        sqlite3_close(db);
    }
    void count(TimePoint when, const std::string& domain = "dest.test") {
        TlsResult result;
        result.policy_domain = domain;
        results_->note(std::move(result), when);
    }
    ReportRun send() {
        std::optional<ReportRun> ran;
        reporter_->send_now(std::nullopt, [&](Result<ReportRun> result) { ran = result.value(); });
        EXPECT_TRUE(until([&] { return ran.has_value(); }));
        // The run has ended for itself, too.
        EXPECT_TRUE(until([&] { return reporter_->unfinished() == 1; }));   // the rounds
        return ran.value_or(ReportRun());
    }
    template <class Condition>
    bool until(Condition condition) {
        return posthorn::test::run_until(context_, std::move(condition));
    }

    net::asio::io_context context_{1};
    test::DnsServer dns_;
    test::TempDir directory_;
    boost::asio::thread_pool disk_{1};
    std::unique_ptr<dns::Resolver> resolver_;
    DeliveryOptions options_;
    std::unique_ptr<DeliveryMemory> memory_;
    std::unique_ptr<TlsResults> results_;
    std::unique_ptr<TlsReporter> reporter_;
    std::string refuses_;                  // whose report the queue does not take
    std::vector<std::string> put_;         // whose it took
    std::vector<std::string> marks_at_put_;
    const TimePoint yesterday_ = wall_now() - 24h;
    const std::string day_ = to_string(day_of(yesterday_));
};

TEST_F(TlsReporterTest, TheMarkIsOnDiskBeforeTheReportLeaves) {
    count(yesterday_);
    EXPECT_EQ(send().sent, 1U);
    EXPECT_EQ(put_, std::vector<std::string>{"reports@receiver.test"});
    EXPECT_EQ(marks_at_put_, std::vector<std::string>{day_ + " dest.test mailto:reports@receiver.test"});
    EXPECT_TRUE(results_->days().empty());
}

// Without a mark a report might go out twice: so it waits for a disk that takes one.
TEST_F(TlsReporterTest, WithoutAMarkNothingLeaves) {
    count(yesterday_);
    run("CREATE TRIGGER broken BEFORE INSERT ON remembered BEGIN SELECT RAISE(ABORT, 'the disk is gone'); END");
    EXPECT_EQ(send().later, 1U);
    EXPECT_TRUE(put_.empty());
    run("DROP TRIGGER broken");
    EXPECT_EQ(send().sent, 1U);
    EXPECT_EQ(put_.size(), 1U);
    EXPECT_EQ(marks_at_put_.size(), 1U);
}

// Killed between the mark and the receiver: that one report is lost, and none goes out twice.
TEST_F(TlsReporterTest, WhatIsMarkedIsNeverSentAgain) {
    count(yesterday_);
    memory_->put(TlsReporter::kSentKind, day_ + " dest.test mailto:reports@receiver.test", std::string(), wall_now() + 72h);
    end();
    begin();
    ASSERT_EQ(results_->domains(day_of(yesterday_)).size(), 1U);   // was written down
    EXPECT_EQ(send().sent, 0U);
    EXPECT_TRUE(put_.empty());
    EXPECT_TRUE(results_->days().empty());
}

// What a receiver did not get is tried again, also by the next process; others do not get theirs twice.
TEST_F(TlsReporterTest, ARefusedReportIsTriedAgainAlone) {
    record("mailto:one@receiver.test,mailto:two@other.test");
    count(yesterday_);
    refuses_ = "one@receiver.test";
    ReportRun ran = send();
    EXPECT_EQ(ran.sent, 1U);
    EXPECT_EQ(ran.later, 1U);
    EXPECT_EQ(put_, std::vector<std::string>{"two@other.test"});
    ASSERT_FALSE(results_->days().empty());
    (void)memory_->load(TlsReporter::kSentKind);   // what is on its way is written first
    EXPECT_EQ(marks_on_disk(), std::vector<std::string>{day_ + " dest.test mailto:two@other.test"});
    end();
    begin();
    refuses_.clear();
    ran = send();
    EXPECT_EQ(ran.sent, 1U);
    EXPECT_EQ(put_, (std::vector<std::string>{"two@other.test", "one@receiver.test"}));
    EXPECT_TRUE(results_->days().empty());
}

TEST_F(TlsReporterTest, SilenceOfDnsIsNoNo) {   // RPT-1
    count(yesterday_);
    dns_.behave("_smtp._tls.dest.test", test::DnsServer::Behaviour::servfail);
    EXPECT_EQ(send().later, 1U);
    EXPECT_FALSE(results_->days().empty());
    dns_.behave("_smtp._tls.dest.test", test::DnsServer::Behaviour::normal);
    EXPECT_EQ(send().sent, 1U);
    count(yesterday_, "elsewhere.test");
    EXPECT_EQ(send().unwanted, 1U);
    EXPECT_TRUE(results_->days().empty());
    EXPECT_EQ(put_.size(), 1U);
}

TEST_F(TlsReporterTest, TodayIsNotOver) {   // RPT-2
    count(wall_now());
    EXPECT_EQ(send().sent, 0U);
    std::string why;
    reporter_->send_now(day_of(wall_now()), [&](Result<ReportRun> result) { why = result.error().what; });
    EXPECT_NE(why.find("is not over"), std::string::npos) << why;
    EXPECT_FALSE(results_->days().empty());
}

}  // namespace
}  // namespace posthorn::delivery
