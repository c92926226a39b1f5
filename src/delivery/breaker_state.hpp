// The inside of the breaker, shared by its source files only.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "delivery/breaker.hpp"
#include "delivery/breaker_schedule.hpp"
#include "delivery/diagnosis.hpp"
#include "smtp/protocol/stage.hpp"

namespace posthorn::delivery {

// A pair, and what is needed beyond what is shown.
struct BreakerPair {
    SuspendedPair shown;
    RefusalTerms terms;
    smtp::protocol::Stage stage = smtp::protocol::Stage::end_of_data;   // at which they refused
    std::shared_ptr<const Diagnosis> failing;   // the last one that accounts for the refusal; null: none does
    std::optional<TimePoint> clear_since;       // since when DNS shows nothing wrong any more, though not yet a repair
    bool diagnosing = false;                    // asked, not answered
    bool choosing = false;                      // the probe is being chosen
    queue::RecipientId probe = 0;               // under way
    TimePoint changed{};                        // of the phase
    std::uint32_t taken = 0;                    // deliveries since the number of connections was changed
    bool told = false;                          // the operator
};

// How often a pair was told that DNS did not answer for us (451 4.7.26).
struct SoftRefusals {
    std::uint32_t count = 0;
    TimePoint first{};
};

struct Breaker::State {
    queue::RetryOptions options;
    std::map<std::string, BreakerPair, std::less<>> pairs;
    std::map<std::string, SoftRefusals, std::less<>> soft;
    std::unordered_set<queue::RecipientId> passes;
    std::deque<queue::RecipientId> passes_in_order;
    std::uint64_t refused = 0;                  // pairs beyond kMostPairs
    std::map<std::string, std::shared_ptr<const Diagnosis>, std::less<>> early;   // loaded before their pairs

    // Not taken yet.
    std::set<std::string> gates;
    std::set<std::string> unsaved;
    std::set<std::string> turned;
    RestraintChanges said;                      // notices and alarms

    [[nodiscard]] BreakerPair* find(std::string_view key);
    [[nodiscard]] const BreakerPair* find(std::string_view key) const;
    // It is to be saved, and its gate looked at; turns: a suspension has begun or ended.
    void note(const BreakerPair& pair, bool turns);
    [[nodiscard]] SavedState saved(const std::string& key) const;
    void say(std::string_view event, bool warning, const BreakerPair& pair, std::vector<std::pair<std::string, std::string>> more);

    // Steps of the table in breaker.hpp.
    void enter(BreakerPair& pair, SuspensionPhase phase, TimePoint now);
    BreakerPair* begin(const std::string& key, std::size_t most, TimePoint now);    // null: there are that many
    void release(BreakerPair& pair, std::string_view why, TimePoint now);
    void forget(const std::string& key);
    void refused_again(BreakerPair& pair, const Flow& flow, const Judged& item, TimePoint now);
    void describe(BreakerPair& pair, const Flow& flow, const Judged& item);
    void tell(BreakerPair& pair);                                 // the operator, once
    void count_taken(BreakerPair& pair, TimePoint now);

    // breaker_answers.cpp
    [[nodiscard]] std::string refused_key(const Flow& flow, const Judged& item) const;
    void answer(BreakerPair& pair, const Judged& item, bool passed, TimePoint now);
    void refusal(const std::string& key, const Flow& flow, const Judged& item, bool passed, TimePoint now);
    // True when this one makes it class auth.
    bool count_soft(const std::string& key, TimePoint now);
    [[nodiscard]] bool is_soft(const Judged& item) const;
};

// breaker_record.cpp. Of a pair: what load() needs; the diagnosis is a record of its own, as it is large and can be made anew.
[[nodiscard]] std::string record_of(const BreakerPair& pair);
[[nodiscard]] std::optional<BreakerPair> pair_of(std::string_view key, std::string_view record);
inline constexpr std::string_view kDiagnosisRecord = "diagnosis|";

}  // namespace posthorn::delivery
