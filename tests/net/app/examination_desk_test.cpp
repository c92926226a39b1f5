// The dashboard's examinations: one at a time, few that wait, answers for a minute, and an end when the daemon ends (docs/DASHBOARD.md). What a
// visit finds is not theirs: the two functions that make it are the test's own here.
#include "app/examination_desk.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>

#include "support/run_until.hpp"

namespace posthorn::app {
namespace {

using namespace std::chrono_literals;

// What the desk's thread does, as the test wants it.
class Visits {
public:
    void begin(bool shut) {
        const std::lock_guard lock(mutex_);
        shut_ = shut;
        made_.clear();
        under_way_ = most_under_way_ = 0;
    }
    void open() {
        const std::lock_guard lock(mutex_);
        shut_ = false;
        changed_.notify_all();
    }
    std::string visit(const ExaminationOrder& order) {
        std::unique_lock lock(mutex_);
        ++made_[order.domain];
        most_under_way_ = std::max(most_under_way_, ++under_way_);
        changed_.wait(lock, order.stop, [this] { return !shut_; });
        --under_way_;
        return R"({"verdict":"PASS","counts":{"FAIL":0},"domain":")" + order.domain + "\"}";
    }
    [[nodiscard]] int made(const std::string& domain) {
        const std::lock_guard lock(mutex_);
        return made_[domain];
    }
    [[nodiscard]] int most_under_way() {
        const std::lock_guard lock(mutex_);
        return most_under_way_;
    }

private:
    std::mutex mutex_;
    std::condition_variable_any changed_;
    bool shut_ = false;
    std::map<std::string, int> made_;
    int under_way_ = 0, most_under_way_ = 0;
};

Visits visits;

class Desk : public ::testing::Test {
protected:
    void SetUp() override { visits.begin(false); }

    ExaminationDesk::Done note(int number) {
        return [this, number](admin::Examined examined) { answers[number] = std::move(examined); };
    }
    [[nodiscard]] bool answered(std::size_t count) {
        return test::run_until(home, [&] { return answers.size() >= count; });
    }

    net::asio::io_context home;
    std::map<int, admin::Examined> answers;
    ExaminationDesk desk{home, "posthorn.toml", [] { return std::vector<std::string>{"one.test", "two.test"}; }, [] { return doctor::QueueFact{}; }};
};

TEST_F(Desk, LooksAtOurDomainsAlone) {
    desk.examine("stranger.test", note(1));
    desk.examine("shop.one.test", note(2));
    desk.examine("notone.test", note(3));
    EXPECT_TRUE(answers.empty());   // not within the call
    ASSERT_TRUE(answered(3));
    EXPECT_EQ(answers[1].status, 404U);
    EXPECT_EQ(answers[2].status, 200U);
    EXPECT_EQ(answers[3].status, 404U);
    EXPECT_EQ(visits.made("stranger.test"), 0);
}

TEST_F(Desk, WhoAsksForTheSameGetsTheSame) {
    visits.begin(true);
    desk.examine("one.test", note(1));
    desk.examine("one.test", note(2));
    visits.open();
    ASSERT_TRUE(answered(2));
    desk.examine("one.test", note(3));   // and for a while afterwards
    ASSERT_TRUE(answered(3));
    EXPECT_EQ(visits.made("one.test"), 1);
    EXPECT_EQ(answers[3].body, answers[1].body);
    desk.records("one.test", note(4));   // another question
    ASSERT_TRUE(answered(4));
    EXPECT_EQ(visits.made("one.test"), 2);
    EXPECT_NE(desk.domains_json().find(R"("verdict":"PASS")"), std::string::npos);
}

TEST_F(Desk, FewWaitAndOneIsUnderWay) {
    visits.begin(true);
    for (int i = 0; i < static_cast<int>(ExaminationDesk::kMostWaiting); ++i) desk.examine(std::to_string(i) + ".one.test", note(i));
    desk.examine("late.one.test", note(100));
    ASSERT_TRUE(answered(1));
    EXPECT_EQ(answers.at(100).status, 503U);
    visits.open();
    ASSERT_TRUE(answered(ExaminationDesk::kMostWaiting + 1));
    EXPECT_EQ(visits.most_under_way(), 1);
    for (int i = 0; i < static_cast<int>(ExaminationDesk::kMostWaiting); ++i) EXPECT_EQ(answers.at(i).status, 200U);
}

TEST_F(Desk, OfTheAnswersThatAreKeptTheOldestGoes) {
    const auto ask = [this](const std::string& domain) {
        const std::size_t before = answers.size();
        desk.examine(domain, note(static_cast<int>(before)));
        ASSERT_TRUE(answered(before + 1));
    };
    ask("zz.one.test");   // the oldest, and the last by name
    for (std::size_t i = 0; i < ExaminationDesk::kMostKept; ++i) ask("a" + std::to_string(i) + ".one.test");
    ask("a1.one.test");
    EXPECT_EQ(visits.made("a1.one.test"), 1);
    ask("zz.one.test");
    EXPECT_EQ(visits.made("zz.one.test"), 2);
}

TEST_F(Desk, EndsWhatIsUnderWayAndAnswersNobodyAfterwards) {
    visits.begin(true);
    desk.examine("one.test", note(1));
    desk.examine("two.test", note(2));
    ASSERT_TRUE(test::run_until(home, [] { return visits.made("one.test") == 1; }));
    desk.examine("stranger.test", note(3));   // its answer is posted already
    desk.stop();
    desk.join();   // or this test takes its whole time
    desk.examine("one.test", note(4));
    home.restart();
    home.poll();
    EXPECT_TRUE(answers.empty());
    EXPECT_EQ(visits.made("two.test"), 0);
}

}  // namespace

// In place of doctor.cpp and commands_dns.cpp.
Result<std::string> doctor_report(const ExaminationOrder& order) { return visits.visit(order); }
Result<std::string> domain_records(const ExaminationOrder& order) { return visits.visit(order); }

}  // namespace posthorn::app
