// The stages of a domain's keys: which keys there are, and what may be done next by what DNS shows (SD-32).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/dkim/key.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::auth::dkim {

// pending: made, its record is not (yet) at all servers of the zone. published: it is, and waits until nobody can remember that it was not.
// active: signs. retiring: signs no more; its record stays, as mail signed by it is still under way. gone: nothing needs the record any more,
// and the private key is deleted.
enum class KeyStage : std::uint8_t { pending, published, active, retiring, gone };

[[nodiscard]] std::string_view to_string(KeyStage stage);
[[nodiscard]] std::optional<KeyStage> key_stage_of(std::string_view name);

struct StagedKey {
    std::string selector;
    KeyStage stage = KeyStage::pending;
    TimePoint since{};  // in this stage
    Algorithm algorithm = Algorithm::rsa;
    int bits = 0;

    StagedKey() = default;
};

// stages.json of a key directory. Order: as they were made. At most one key an algorithm is active, and at most one is pending or published.
struct KeyStages {
    std::vector<StagedKey> keys;

    [[nodiscard]] const StagedKey* find(std::string_view selector) const;
    [[nodiscard]] StagedKey* find(std::string_view selector);
    [[nodiscard]] const StagedKey* at(KeyStage stage, Algorithm algorithm) const;  // the newest
    [[nodiscard]] const StagedKey* coming(Algorithm algorithm) const;              // pending or published

    [[nodiscard]] static Result<KeyStages> parse(std::string_view json, const std::string& source);
    [[nodiscard]] std::string to_json() const;
};

struct RotationOptions {
    Duration every{};   // a key signs so long, then a new one is made; 0: only by hand
    Duration settle = std::chrono::hours(1);     // a record has been at all servers so long, and its TTL, before its key signs
    Duration keep = std::chrono::hours(24 * 12);  // a retiring key's record stays so long: the queue's longest life and seven days
    bool make_first = true;   // SD-45: a directory without a key gets one
};

// What DNS shows of one key now.
struct KeySeen {
    bool everywhere = false;   // all servers of its zone answered, and each has the key, usable
    bool at_resolver = false;
    std::chrono::seconds ttl{0};   // of the record, at the servers
    std::string words;         // what is not so, and where

    KeySeen() = default;
};

// The one step that is due for a domain, or the reason why none is.
struct RotationStep {
    // lose: a published record is not at all servers any more, the key is pending again. retire: only by hand. bury: retiring to gone.
    enum class Kind : std::uint8_t { wait, make, publish, lose, activate, retire, bury } kind = Kind::wait;
    std::string selector;      // of the key that it is about; of make: the new one's
    Algorithm algorithm = Algorithm::rsa;
    int bits = 0;              // of make
    std::string words;         // for log and people
    TimePoint not_before{};    // of wait: when time alone brings a step; TimePoint{}: it does not

    RotationStep() = default;
};

// Whose records must be looked for in DNS before next_step: pending and published ones.
[[nodiscard]] std::vector<std::string> to_be_seen(const KeyStages& stages);
// seen: by selector; a missing one counts as not seen.
using KeysSeen = std::vector<std::pair<std::string, KeySeen>>;
[[nodiscard]] RotationStep next_step(const KeyStages& stages, const KeysSeen& seen, const RotationOptions& options, TimePoint now);

// Carries a step out on the list; make adds a pending key. activate: the one that was active for that algorithm retires; a retiring key may come
// back so, its record is still there. Error, and nothing is changed: the key is not in a stage from which that goes, or nothing would sign any more.
[[nodiscard]] Result<void> take_step(KeyStages& stages, const RotationStep& step, TimePoint now);

// What a key of the list waits for, for people: "signs since 2026-11-22...", "its record is not at all servers: ...".
[[nodiscard]] std::string outlook(const StagedKey& key, const KeyStages& stages, const KeysSeen& seen, const RotationOptions& options, TimePoint now);

// SD-32: "mta-202611", or "mta-202611-2" where that is taken.
[[nodiscard]] std::string default_selector(TimePoint now, const KeyStages& taken);

}  // namespace posthorn::auth::dkim
