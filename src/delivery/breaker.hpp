// The breaker: which pairs of a sender and a provider are suspended, when they are diagnosed, probed and released.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/queue_id.hpp"
#include "delivery/restraint.hpp"
#include "delivery/suspended_pair.hpp"
#include "delivery/verdict.hpp"
#include "queue/gate.hpp"
#include "queue/options.hpp"

namespace posthorn::delivery {

// Pure: no clock, no I/O; owned by the agent's state and plugged into Shaping, on the home shard. Keeps at most kMostPairs; a pair
// beyond them is not suspended, and its refused mail is tried again by the schedule of its class. Hosts and From domains can be made
// up by the thousand: the last quarter is kept for known providers' refusals of what we sign and of the machine, and for operators.
//
// The table of states (providers.md 2.7 and 2.8). "Taken" and "refused" are answers to mail that passed as a probe, or by an operator's
// retry; what was under way when the suspension began is no evidence of anything.
//
//   event \ phase          held                  probing              trial                releasing
//   refused (AUTH, REP)    -                     held, next probe     held, next probe     held, next probe
//   taken                  releasing, 1 conn.    releasing, 1 conn.   releasing, 1 conn.   as often as there are connections: twice as
//                                                                                          many; at kReleased, or when nothing came
//                                                                                          for kQuietRelease x settle: forgotten
//   an answer that says    -                     held, probe after    held, probe after    -
//   nothing of it                                settle               settle
//   repaired, and settle   probing               -                    -                    -
//   over; time of a probe
//   nothing to probe with  -                     trial                -                    -
//   operator's resume      releasing             releasing            releasing            forgotten
//
// Times are those of queue::RetryOptions. Polls: at once, then after 1/15, 2/15, 5/15, 10/15 and each full auth_poll.
class Breaker : public Restraint {
public:
    static constexpr std::size_t kMostPairs = 2000;
    static constexpr std::size_t kMostOfStrangers = kMostPairs / 4 * 3;
    static constexpr std::uint32_t kReleased = 16;        // connections at which a release is over
    static constexpr int kQuietRelease = 10;
    static constexpr std::uint32_t kSoftLimit = 3;        // 451 4.7.26 "temporary DNS failures": so often in a day, and it is class auth
    static constexpr std::size_t kMostSoft = 2000;
    static constexpr std::size_t kMostPasses = 10000;     // recipients an operator has sent through

    Breaker();
    ~Breaker() override;
    Breaker(const Breaker&) = delete;
    Breaker& operator=(const Breaker&) = delete;

    // At the start, before load(), and at each reload. With strict_5xx pairs of class auth are given up (PR-52).
    void configure(const queue::RetryOptions& options, TimePoint now);

    [[nodiscard]] std::string_view kind() const override { return "breaker"; }
    void load(std::string_view key, std::string_view value, TimePoint now) override;
    void heed(const Flow& flow, const std::vector<Judged>& judged, TimePoint now) override;
    void tick(TimePoint now) override;
    [[nodiscard]] std::optional<TimePoint> next_change() const override;
    [[nodiscard]] queue::GateSettings wish(std::string_view key) const override;
    [[nodiscard]] RestraintChanges take_changes() override;
    // Suspensions that have begun or ended since the last call: to be on disk before what relies on them is settled (PR-50).
    [[nodiscard]] std::vector<SavedState> take_turns();

    // What becomes of those recipients: Judged::held where the pair is suspended; a soft refusal that came too often becomes class auth;
    // what must not be sent again fails (AfterFix, rep_hold). After heed() and before they are settled.
    void judge_held(const Flow& flow, std::vector<Judged>& judged, TimePoint now) const;

    // --- the rounds (delivery/suspending.cpp) ---
    // When a diagnosis or a probe is due.
    [[nodiscard]] std::optional<TimePoint> next_round() const;
    // A pair whose diagnosis or probe is due, each once until the answer below.
    [[nodiscard]] std::optional<std::string> take_diagnosis(TimePoint now);
    void diagnosed(std::string_view key, std::shared_ptr<const Diagnosis> diagnosis, TimePoint now);
    [[nodiscard]] std::optional<std::string> take_probe(TimePoint now);
    void probe_sent(std::string_view key, queue::RecipientId recipient, TimePoint now);
    void no_probe(std::string_view key, TimePoint now);   // no mail is behind the gate
    void probe_later(std::string_view key, TimePoint now);   // another gate is in the way: looked at again after settle
    // Recipients that pass the gates by an operator's order: what becomes of them is evidence.
    void expect(const std::vector<queue::RecipientId>& recipients);
    // Their delivery is over, in whatever way. A probe of which nothing was heard is chosen anew after settle.
    void passed(queue::RecipientId recipient, TimePoint now);
    [[nodiscard]] bool is_pass(queue::RecipientId recipient) const;

    // --- the operator ---
    // Exactly one of `sender` (an organisational domain) and `source` is given. False: kMostPairs are suspended.
    bool suspend(const std::string& sender, const std::string& source, const std::string& group, std::optional<Duration> duration,
                 const std::string& reason, TimePoint now);
    // How many pairs go on.
    std::size_t resume(std::string_view sender, std::string_view source, std::string_view group, TimePoint now);

    // --- what is so; references are good until the next change ---
    // The suspension that holds such mail back; null: none.
    [[nodiscard]] const SuspendedPair* holding(const Flow& flow) const;
    [[nodiscard]] const SuspendedPair* find(std::string_view key) const;
    [[nodiscard]] std::vector<SuspendedPair> view() const;      // by key
    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] std::uint64_t refused_pairs() const;          // beyond kMostPairs, since the start

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace posthorn::delivery
