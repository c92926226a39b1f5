// Claims in memory.
#include "queue/sqlite/claims.hpp"

#include <utility>

namespace posthorn::queue::sqlite {

void ClaimTable::hold_new(std::span<const RecipientId> ids, TimePoint lease_until) {
    const std::lock_guard lock(mutex_);
    for (const RecipientId id : ids) {
        claims_.insert_or_assign(id, Claim{lease_until, Afterwards::nothing});
    }
}

bool ClaimTable::reserve(RecipientId id, TimePoint now) {
    const std::lock_guard lock(mutex_);
    const auto [it, inserted] = claims_.try_emplace(id, Claim{TimePoint::max(), Afterwards::nothing});
    if (!inserted && it->second.lease_until > now) {
        return false;
    }
    it->second = Claim{TimePoint::max(), Afterwards::nothing};
    return true;
}

Afterwards ClaimTable::afterwards(RecipientId id) const {
    const std::lock_guard lock(mutex_);
    const auto it = claims_.find(id);
    return it == claims_.end() ? Afterwards::nothing : it->second.afterwards;
}

Afterwards ClaimTable::set_afterwards(RecipientId id, Afterwards afterwards) {
    const std::lock_guard lock(mutex_);
    const auto it = claims_.find(id);
    return it == claims_.end() ? Afterwards::nothing : std::exchange(it->second.afterwards, afterwards);
}

std::vector<RecipientId> ClaimTable::erase(std::span<const RecipientId> ids) {
    std::vector<RecipientId> removed;
    for (const RecipientId id : ids) {
        const auto it = claims_.find(id);
        if (it == claims_.end()) {
            continue;
        }
        if (it->second.afterwards == Afterwards::remove) {
            removed.push_back(id);
        }
        claims_.erase(it);
    }
    return removed;
}

std::vector<RecipientId> ClaimTable::changed(std::span<const RecipientId> ids) {
    const std::lock_guard lock(mutex_);
    if (reading_) {
        overtaken_.insert(ids.begin(), ids.end());
    }
    return erase(ids);
}

std::vector<RecipientId> ClaimTable::release(std::span<const RecipientId> ids) {
    const std::lock_guard lock(mutex_);
    return erase(ids);
}

void ClaimTable::begin_read() {
    const std::lock_guard lock(mutex_);
    reading_ = true;
    overtaken_.clear();
}

bool ClaimTable::take(RecipientId id, TimePoint now, TimePoint lease_until) {
    const std::lock_guard lock(mutex_);
    if (overtaken_.contains(id)) {
        return false;
    }
    const auto [it, inserted] = claims_.try_emplace(id, Claim{lease_until, Afterwards::nothing});
    if (!inserted) {
        // What the operator has removed is not given to anybody else when its lease runs out.
        if (it->second.lease_until > now || it->second.afterwards == Afterwards::remove) {
            return false;
        }
        it->second = Claim{lease_until, it->second.afterwards};
    }
    return true;
}

bool ClaimTable::free(RecipientId id, TimePoint now) const {
    const std::lock_guard lock(mutex_);
    const auto it = claims_.find(id);
    return it == claims_.end() || it->second.lease_until <= now;
}

void ClaimTable::end_read() {
    const std::lock_guard lock(mutex_);
    reading_ = false;
    overtaken_.clear();
}

}  // namespace posthorn::queue::sqlite
