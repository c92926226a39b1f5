// A week by a clock of our own: a newsletter to a provider that limits rates, while letters come and go; the scheduler's gates,
// throttling by what the provider says, and the store in memory. Nothing here waits for a clock on the wall.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "delivery/breaker.hpp"
#include "delivery/shaping.hpp"
#include "delivery/throttles.hpp"
#include "delivery/verdict.hpp"
#include "queue/memory_store.hpp"
#include "queue/scheduler.hpp"

namespace posthorn::delivery {
namespace {

using namespace std::chrono_literals;
using queue::DeliveryFeedback;

constexpr Duration kDelivery = 500ms;

// Takes `per_hour` recipients in any hour and `burst` in any ten seconds; who brings more is told 4.7.28, and after a burst
// for ten minutes whatever he brings.
class StrictProvider {
public:
    StrictProvider(std::size_t per_hour, std::size_t burst) : per_hour_(per_hour), burst_(burst) {}

    bool takes(TimePoint now) {
        asked_ += 1;
        asked_lately_.push_back(now);
        while (asked_lately_.front() <= now - 1h) {
            asked_lately_.pop_front();
        }
        busiest_ = std::max(busiest_, asked_lately_.size());
        while (!accepted_.empty() && accepted_.front() <= now - 1h) {
            accepted_.pop_front();
        }
        const auto recent = std::count_if(accepted_.rbegin(), accepted_.rbegin() + static_cast<std::ptrdiff_t>(std::min(accepted_.size(), burst_)),
                                          [&](TimePoint at) { return at > now - 10s; });
        if (static_cast<std::size_t>(recent) >= burst_) {
            angry_until_ = now + 10min;
        }
        if (now < angry_until_ || accepted_.size() >= per_hour_) {
            refused_ += 1;
            return false;
        }
        accepted_.push_back(now);
        return true;
    }
    [[nodiscard]] std::size_t asked() const { return asked_; }
    [[nodiscard]] std::size_t refused() const { return refused_; }
    [[nodiscard]] std::size_t busiest() const { return busiest_; }  // asked to take within an hour, refused ones too

private:
    std::size_t per_hour_, burst_;
    std::deque<TimePoint> accepted_, asked_lately_;
    TimePoint angry_until_{};
    std::size_t asked_ = 0, refused_ = 0, busiest_ = 0;
};

// Letters and a newsletter to two places: "google", which is strict, and "mx.quick.example", which takes all.
class Week : public testing::Test {
protected:
    Week() {
        ShapingOutlets outlets;
        outlets.set_gate = [this](const std::string& key, const queue::GateSettings& settings) {
            scheduler_.set_gate(key, settings, now_);
        };
        shaping_.use(std::move(outlets));
        shaping_.add(throttles_);
        ProviderOptions google;
        google.name = "google";
        google.connections = 5;
        throttles_.limits({google}, 5);
    }

    static Flow flow_to(const std::string& domain, const std::string& sender) {
        Flow flow;
        const bool google = domain != "quick.example";
        flow.group = google ? "google" : "mx.quick.example";
        flow.provider = google ? "google" : "";
        flow.site_key = google ? "gmail-smtp-in.l.google.com" : "mx.quick.example";
        flow.sender_org = flow.dkim_domain = flow.spf_domain = sender;
        flow.source = "192.0.2.1";
        return flow;
    }

    // Mail to so many recipients of the domain, now. Of a stream where it is bulk mail.
    void send(const std::string& domain, const std::string& sender, int recipients, bool bulk) {
        auto message = std::make_shared<mail::Message>();
        message->id = QueueId(++last_message_);
        message->accepted_at = now_;
        message->expires_at = now_ + 120h;
        message->reverse_path = "from@" + sender;
        message->stream = bulk ? "news" : "";
        message->header = "From: a@" + sender + "\r\n";
        message->body.bytes = std::make_shared<const std::string>("Hello\r\n");
        message->body.facts.size = 7;
        const std::string lane = (bulk ? "~" : "") + sender;
        queue::NewMessage stored{message, {}, {}};
        const bool hot = scheduler_.wants_hot(domain, lane, message->size(), now_);
        for (int i = 0; i < recipients; ++i) {
            queue::NewRecipient recipient;
            recipient.recipient.address = "r" + std::to_string(i) + "@" + domain;
            recipient.domain = domain;
            recipient.lane = lane;
            recipient.due_at = now_;
            recipient.claim = hot;
            stored.recipients.push_back(recipient);
        }
        const std::vector<queue::NewRecipient> recipients_of = stored.recipients;
        store_.add(std::move(stored), SteadyTime::max(), [&](queue::StoreResult<queue::Added> added) {
            const queue::DestinationId destination = added->recipients[0].destination;
            if (!hot) {
                scheduler_.on_due(destination, domain, lane, now_);
                return;
            }
            std::vector<queue::ReadyRecipient> ready;
            for (std::size_t i = 0; i < added->recipients.size(); ++i) {
                queue::Recipient row;
                row.id = added->recipients[i].id;
                row.message = message->id;
                row.destination = destination;
                row.lane = lane;
                row.address = recipients_of[i].recipient.address;
                row.due_at = now_;
                row.expires_at = message->expires_at;
                row.personal = bulk;
                ready.push_back({std::move(row), message});
            }
            scheduler_.on_added(destination, domain, lane, std::move(ready), message->size(), now_);
        });
        left_ += static_cast<std::size_t>(recipients);
        accepted_[message->id] = now_;
    }

    void at(TimePoint when, std::function<void()> what) { events_.push({when, ++last_event_, std::move(what)}); }

    // Until nothing is left to happen before `end`.
    void run(TimePoint end) {
        for (;;) {
            queue::SchedulerAction action = scheduler_.next(now_);
            if (auto* start = std::get_if<queue::StartDelivery>(&action)) {
                begin(std::move(*start));
            } else if (const auto* due = std::get_if<queue::ClaimDue>(&action)) {
                store_.claim(due->destination, now_, due->limit, now_ + 24h, [&](queue::StoreResult<queue::Claimed> claimed) {
                    scheduler_.claimed(due->destination, std::move(claimed->rows), claimed->next_due, now_);
                });
            } else if (const auto* resolve = std::get_if<queue::ResolveSite>(&action)) {
                resolved(*resolve);
            } else if (auto* back = std::get_if<queue::GiveBack>(&action)) {
                store_.unclaim(std::move(back->recipients));
            } else {
                std::optional<TimePoint> next = std::get<queue::WaitUntil>(action).when;
                // The agent lets shaping look at the clock each second.
                if (const auto change = shaping_.next_change(); change && (!next || *change < *next)) {
                    next = std::min(std::max(*change, now_ + 1s), next.value_or(TimePoint::max()));
                }
                if (!events_.empty() && (!next || events_.top().when <= *next)) {
                    next = events_.top().when;
                }
                if (!next || *next > end) {
                    now_ = end;
                    return;
                }
                now_ = std::max(now_ + 1ms, *next);
                shaping_.tick(now_);
                while (!events_.empty() && events_.top().when <= now_) {
                    const auto what = events_.top().what;
                    events_.pop();
                    what();
                }
            }
        }
    }

    struct Delays {
        std::vector<Duration> all;
        Duration quantile(double part) {
            std::sort(all.begin(), all.end());
            return all.at(static_cast<std::size_t>(static_cast<double>(all.size() - 1) * part));
        }
    };
    static double seconds(Duration duration) { return static_cast<double>(duration.count()) / 1000; }
    static void tell(const char* what, Delays& delays) {
        std::printf("  %-28s %5zu delivered, delay median %.1f s, p99 %.1f s, max %.1f s\n", what, delays.all.size(),
                    seconds(delays.quantile(0.5)), seconds(delays.quantile(0.99)), seconds(delays.quantile(1)));
    }

    const TimePoint monday_{std::chrono::hours(24 * 365 * 50)};
    TimePoint now_ = monday_;
    queue::MemoryStore store_{"/nonexistent"};
    queue::Scheduler scheduler_{queue::SchedulerOptions{}};
    Throttles throttles_;
    Breaker breaker_;
    Shaping shaping_;
    StrictProvider google_{1000, 60};
    queue::RetryOptions retry_;
    std::size_t left_ = 0;
    std::size_t under_way_ = 0, most_under_way_ = 0;
    std::map<std::string, Delays> delays_;  // by lane and domain
    std::vector<TimePoint> taken_;          // newsletter's recipients
    std::minstd_rand random_{7};

private:
    struct Event {
        TimePoint when;
        std::uint64_t order;
        std::function<void()> what;
        bool operator<(const Event& other) const { return std::pair(when, order) > std::pair(other.when, other.order); }
    };

    void resolved(const queue::ResolveSite& resolve) {
        const std::string sender = resolve.lane.substr(resolve.lane.find_first_not_of('~'));
        const Flow flow = flow_to(resolve.domain, sender);
        shaping_.meet(flow, now_);
        const std::vector<std::string> gates = gate_keys(flow);
        queue::SitePlace place;
        place.key = flow.site_key;
        place.provider = flow.provider;
        place.connections = flow.provider.empty() ? 0 : 5;
        place.gates = gates;
        scheduler_.resolved(resolve.destination, place, now_ + 1h, now_);
    }

    void begin(queue::StartDelivery start) {
        auto shared = std::make_shared<queue::StartDelivery>(std::move(start));
        under_way_ += shared->domain == "quick.example" ? 0 : 1;
        most_under_way_ = std::max(most_under_way_, under_way_);
        at(now_ + kDelivery, [this, shared] { end(*shared); });
    }

    void end(const queue::StartDelivery& start) {
        const bool google = start.domain != "quick.example";
        under_way_ -= google ? 1 : 0;
        std::vector<queue::Recipient> rows;
        std::vector<smtp::protocol::RecipientResult> results;
        for (const queue::ReadyRecipient& ready : start.recipients) {
            rows.push_back(ready.recipient);
            smtp::protocol::RecipientResult result;
            if (!google || google_.takes(now_)) {
                result.fate = smtp::protocol::Fate::delivered;
                result.reply.code = 250;
                result.reply.lines = {"2.0.0 OK"};
            } else {
                result.fate = smtp::protocol::Fate::refused;
                result.reply.code = 421;
                result.reply.enhanced = {4, 7, 28};
                result.reply.lines = {"4.7.28 Gmail has detected an unusual rate of email originating from your IP",
                                      "4.7.28 address. To protect our users from spam, mail sent from your IP address has been",
                                      "4.7.28 temporarily rate limited. - gsmtp"};
            }
            results.push_back(std::move(result));
        }
        Peer peer;
        peer.host = google ? "gmail-smtp-in.l.google.com[192.0.2.25]" : "mx.quick.example[192.0.2.26]";
        peer.provider = google ? "google" : "";
        const std::vector<Judged> judged = judge(rows, results, peer);
        const std::string sender = start.lane.substr(start.lane.find_first_not_of('~'));
        shaping_.heed(flow_to(start.domain, sender), judged, now_);
        const TimePoint accepted_at = accepted_.at(start.message);
        queue::Settlement settlement;
        std::optional<TimePoint> due;
        for (const Judged& item : judged) {
            settlement.verdicts.push_back(verdict_of(item, accepted_at, retry_, now_, std::uniform_real_distribution<double>(0, 1)(random_)));
            if (item.outcome.result == Disposition::deferred) {
                due = std::min(due.value_or(TimePoint::max()), settlement.verdicts.back().due_at);
                continue;
            }
            EXPECT_EQ(item.outcome.result, Disposition::delivered);
            left_ -= 1;
            delays_[start.lane + " to " + (google ? "google" : "quick")].all.push_back(now_ - accepted_at);
            if (queue::is_bulk(start.lane)) {
                taken_.push_back(now_);
            }
        }
        store_.settle(std::move(settlement), [](queue::StoreResult<queue::Settled> settled) { EXPECT_TRUE(settled); });
        DeliveryFeedback feedback;
        feedback.passage = start.passage;
        feedback.reach = reach_of(judged);
        feedback.took = kDelivery;
        store_.unclaim(scheduler_.finished(start.site, start.destination, feedback, now_));
        if (due) {
            scheduler_.on_due(start.destination, start.domain, start.lane, *due);
        }
    }

    std::priority_queue<Event> events_;
    std::uint64_t last_event_ = 0;
    std::int64_t last_message_ = 0;
    std::map<QueueId, TimePoint> accepted_;
};

// PR-13, PR-14: 5,000 recipients on Monday at nine, and all week a letter every five minutes to the same provider and one to another.
TEST_F(Week, ANewsletterIsSlowedDownAndLettersAreNot) {
    for (Duration when = 0min; when < 168h; when += 5min) {
        at(monday_ + when + 13s, [this] { send("gmail.example", "shop.example", 1, false); });
        at(monday_ + when + 29s, [this] { send("quick.example", "shop.example", 1, false); });
    }
    at(monday_ + 9h, [this] {
        for (int i = 0; i < 50; ++i) {
            send("gmail.example", "news.example", 100, true);
        }
    });
    run(monday_ + 168h);
    EXPECT_EQ(left_, 0U) << "all mail is delivered";
    ASSERT_FALSE(taken_.empty());
    Delays& letters = delays_["shop.example to google"];
    Delays& elsewhere = delays_["shop.example to quick"];
    std::printf("  newsletter done after %.1f h; the provider was asked %zu times for %zu recipients, %zu refusals; busiest hour %zu\n",
                seconds(taken_.back() - (monday_ + 9h)) / 3600, google_.asked(), google_.asked() - google_.refused(),
                google_.refused(), google_.busiest());
    tell("letters to the provider", letters);
    tell("letters elsewhere", elsewhere);
    // What it takes to learn the limit: each time no more than there were connections, and then ten minutes of silence (PR-13).
    EXPECT_LE(google_.refused(), 50U) << "one in a hundred of the newsletter's";
    EXPECT_LE(google_.busiest(), 1050U) << "nor is it asked for more than its limit in any hour, but for what finds the limit out";
    EXPECT_LE(seconds(taken_.back() - (monday_ + 9h)), 12 * 3600.0) << "at 1,000 an hour it takes five";
    EXPECT_EQ(letters.all.size(), 2016U);
    EXPECT_LE(seconds(letters.quantile(0.5)), 1.0);
    EXPECT_LE(seconds(letters.quantile(0.99)), 600.0);
    EXPECT_LE(seconds(letters.quantile(1)), 1800.0) << "the provider's own silence, and no queue behind the newsletter";
    EXPECT_LE(seconds(elsewhere.quantile(1)), 1.0) << "other providers' mail knows nothing of it";
}

// PR-14, PR-41: the same where the provider's limit is known (`rate`): it is never exceeded, so there is nothing to refuse.
TEST_F(Week, ALimitThatIsKnownIsKept) {
    ProviderOptions google;
    google.name = "google";
    google.connections = 5;
    google.rate = Rate{1000, 1h};
    throttles_.limits({google}, 5);
    shaping_.settle();
    for (Duration when = 0min; when < 48h; when += 5min) {
        at(monday_ + when + 13s, [this] { send("gmail.example", "shop.example", 1, false); });
    }
    at(monday_ + 9h, [this] {
        for (int i = 0; i < 50; ++i) {
            send("gmail.example", "news.example", 100, true);
        }
    });
    run(monday_ + 48h);
    EXPECT_EQ(left_, 0U);
    EXPECT_EQ(google_.refused(), 0U);
    EXPECT_LE(google_.busiest(), 1000U);
    EXPECT_LE(seconds(taken_.back() - (monday_ + 9h)), 6 * 3600.0);
    Delays& letters = delays_["shop.example to google"];
    std::printf("  newsletter done after %.1f h, busiest hour %zu\n", seconds(taken_.back() - (monday_ + 9h)) / 3600, google_.busiest());
    tell("letters to the provider", letters);
    EXPECT_LE(seconds(letters.quantile(1)), 10.0) << "the next place is a letter's";
}

// PR-14, PR-45: a sender is suspended towards the provider for two days; then the operator lets it go on: one connection first, then two, ...
TEST_F(Week, ASuspendedPairIsReleasedWithoutAHerd) {
    google_ = StrictProvider(1'000'000, 1'000'000);
    breaker_.configure(retry_, now_);
    shaping_.add(breaker_);
    breaker_.suspend("news.example", "", "google", std::nullopt, "a test", now_);
    shaping_.settle();
    for (Duration when = 1min; when < 72h; when += 5min) {
        at(monday_ + when, [this] { send("gmail.example", "shop.example", 1, false); });
    }
    at(monday_ + 1h, [this] {
        for (int i = 0; i < 20; ++i) {
            send("gmail.example", "news.example", 100, true);
        }
    });
    run(monday_ + 48h);
    EXPECT_TRUE(taken_.empty()) << "nothing leaves while the pair is suspended";
    EXPECT_EQ(google_.asked(), delays_["shop.example to google"].all.size());
    EXPECT_EQ(scheduler_.behind("sender|news.example|google", 10).size(), 1U);
    EXPECT_EQ(scheduler_.figures().ready, 0U) << "nor waits in memory";
    most_under_way_ = 0;
    EXPECT_EQ(breaker_.resume("news.example", "", "google", now_), 1U);
    shaping_.settle();
    run(now_ + kDelivery - 1ms);
    EXPECT_EQ(most_under_way_, 1U) << "one connection";
    run(now_ + kDelivery);
    EXPECT_LE(most_under_way_, 2U) << "then two";
    run(monday_ + 73h);
    EXPECT_EQ(left_, 0U);
    EXPECT_LE(most_under_way_, 5U);
    Delays& letters = delays_["shop.example to google"];
    std::printf("  2,000 recipients left within %.0f s of the release, with %zu connections at most\n",
                seconds(taken_.back() - (monday_ + 48h)), most_under_way_);
    tell("another sender's letters", letters);
    EXPECT_LE(seconds(letters.quantile(1)), 2.0);
}

}  // namespace
}  // namespace posthorn::delivery
