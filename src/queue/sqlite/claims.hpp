// Who has which recipient: claims with leases, kept in memory, shared by the writer and the reader.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "queue/store.hpp"

namespace posthorn::queue::sqlite {

// What the operator decided about a recipient while a delivery had it.
enum class Afterwards : std::uint8_t { nothing, hold, suspend, remove };

// Any thread.
//
// The reader decides on rows of a snapshot that a commit may have overtaken. So, between begin_read and
// end_read, rows that a commit has changed are remembered and not handed out: the snapshot's picture of them
// is old. And the writer reserves rows before it changes ones that nobody has claimed.
class ClaimTable {
public:
    // --- the writer ---
    void hold_new(std::span<const RecipientId> ids,
                  TimePoint lease_until);  // before the commit that makes them visible
    // Claims a row for the writer until changed(); false when a delivery has it.
    bool reserve(RecipientId id, TimePoint now);
    [[nodiscard]] Afterwards afterwards(RecipientId id) const;
    Afterwards set_afterwards(RecipientId id, Afterwards afterwards);  // the former; for claimed rows
    // The commit that changed these rows is done: releases them. Returns those that the operator had removed
    // meanwhile.
    std::vector<RecipientId> changed(std::span<const RecipientId> ids);
    // Nothing was changed: releases them. Returns as above.
    std::vector<RecipientId> release(std::span<const RecipientId> ids);

    // --- the reader (one) ---
    void begin_read();
    bool take(RecipientId id, TimePoint now, TimePoint lease_until);
    [[nodiscard]] bool free(RecipientId id, TimePoint now) const;
    void end_read();

private:
    struct Claim {
        TimePoint lease_until{};
        Afterwards afterwards = Afterwards::nothing;
    };
    std::vector<RecipientId> erase(std::span<const RecipientId> ids);

    mutable std::mutex mutex_;
    std::unordered_map<RecipientId, Claim> claims_;
    bool reading_ = false;
    std::unordered_set<RecipientId> overtaken_;
};

}  // namespace posthorn::queue::sqlite
