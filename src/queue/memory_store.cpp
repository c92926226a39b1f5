// The contract in memory: changes and claims.
#include "queue/memory_store_state.hpp"

namespace posthorn::queue {

MemoryStore::MemoryStore(std::string spool_directory, Executor executor, const JournalOptions& journal)
    : spool_directory_(std::move(spool_directory)),
      executor_(std::move(executor)),
      state_(std::make_unique<State>()) {
    state_->journal_options = journal;
}

MemoryStore::~MemoryStore() = default;

void MemoryStore::add(NewMessage message, SteadyTime deadline, Done<Added> done) {
    auto result = [&]() -> StoreResult<Added> {
        const std::lock_guard lock(state_->mutex);
        if (auto refusal = state_->refusal()) {
            return *std::move(refusal);
        }
        if (deadline <= std::chrono::steady_clock::now()) {
            return StoreError{StoreFault::busy, "the deadline has passed"};
        }
        if (auto error = state_->unacceptable(message, spool_directory_)) {
            return *std::move(error);
        }
        state_->operations += 1;
        return state_->add(message, wall_now());
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::settle(Settlement settlement, Done<Settled> done) {
    auto result = [&]() -> StoreResult<Settled> {
        const std::lock_guard lock(state_->mutex);
        if (auto refusal = state_->refusal()) {
            return *std::move(refusal);
        }
        for (const NewMessage& message : settlement.messages) {
            if (auto error = state_->unacceptable(message, spool_directory_)) {
                return *std::move(error);
            }
        }
        Settled settled;
        for (const Verdict& verdict : settlement.verdicts) {
            state_->apply(verdict, spool_directory_);
        }
        for (JournalEntry& entry : settlement.journal) {
            state_->write(std::move(entry), wall_now());
        }
        state_->suppress(settlement.suppressions);
        for (const NewMessage& message : settlement.messages) {
            settled.messages.push_back(state_->add(message, wall_now()));
        }
        state_->operations += 1;
        return settled;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::revise(QueueId message, Revision revision, TimePoint now, Done<Revised> done) {
    auto result = [&]() -> StoreResult<Revised> {
        const std::lock_guard lock(state_->mutex);
        if (auto refusal = state_->refusal()) {
            return *std::move(refusal);
        }
        state_->operations += 1;
        return state_->revise(message, revision, now, spool_directory_);
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::forget_pickups(std::vector<std::string> keys, Done<std::uint64_t> done) {
    auto result = [&]() -> StoreResult<std::uint64_t> {
        const std::lock_guard lock(state_->mutex);
        if (auto refusal = state_->refusal()) {
            return *std::move(refusal);
        }
        std::uint64_t forgotten = 0;
        for (const std::string& key : keys) {
            forgotten += state_->pickups.erase(key);
        }
        state_->operations += 1;
        return forgotten;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::suppress(std::vector<Suppression> suppressions, Done<std::uint64_t> done) {
    auto result = [&]() -> StoreResult<std::uint64_t> {
        const std::lock_guard lock(state_->mutex);
        if (auto refusal = state_->refusal()) {
            return *std::move(refusal);
        }
        state_->operations += 1;
        return state_->suppress(suppressions);
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::unsuppress(std::vector<std::string> addresses, Done<std::uint64_t> done) {
    auto result = [&]() -> StoreResult<std::uint64_t> {
        const std::lock_guard lock(state_->mutex);
        if (auto refusal = state_->refusal()) {
            return *std::move(refusal);
        }
        std::uint64_t found = 0;
        for (const std::string& address : addresses) {
            found += state_->suppressed.erase(address);
        }
        state_->operations += 1;
        return found;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::claim(DestinationId destination, TimePoint now, std::size_t limit, TimePoint lease_until,
                        Done<Claimed> done) {
    auto result = [&]() -> StoreResult<Claimed> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        Claimed claimed;
        for (auto it = state_->due.lower_bound({destination, TimePoint::min()});
             it != state_->due.end() && it->first.first == destination && it->first.second <= now; ++it) {
            for (const RecipientId id : it->second) {
                Row& row = state_->rows.at(id);
                if (claimed.rows.size() < limit && row.free(now)) {
                    row.claimed = true;
                    row.lease_until = lease_until;
                    claimed.rows.push_back(row.recipient);
                }
            }
        }
        claimed.next_due = state_->first_free(destination, now);
        return claimed;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::claim_message(QueueId message, TimePoint now, TimePoint lease_until,
                                Done<std::vector<Recipient>> done) {
    auto result = [&]() -> StoreResult<std::vector<Recipient>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        std::vector<Recipient> claimed;
        const auto kept = state_->messages.find(message);
        if (kept == state_->messages.end()) {
            return claimed;
        }
        for (const RecipientId id : kept->second.rows) {
            Row& row = state_->rows.at(id);
            if (row.recipient.state == RecipientState::waiting && row.free(now)) {
                row.claimed = true;
                row.lease_until = lease_until;
                claimed.push_back(row.recipient);
            }
        }
        return claimed;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::claim_expired(TimePoint now, std::size_t limit, TimePoint lease_until,
                                Done<std::vector<Recipient>> done) {
    auto result = [&]() -> StoreResult<std::vector<Recipient>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        std::vector<Recipient> rows;
        for (auto& [id, row] : state_->rows) {
            if (rows.size() < limit && row.recipient.expires_at <= now && row.free(now)) {
                row.claimed = true;
                row.lease_until = lease_until;
                rows.push_back(row.recipient);
            }
        }
        return rows;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::unclaim(std::vector<RecipientId> recipients) {
    const std::lock_guard lock(state_->mutex);
    for (const RecipientId id : recipients) {
        const auto it = state_->rows.find(id);
        if (it == state_->rows.end()) {
            continue;
        }
        if (it->second.removed) {
            state_->erase(it, spool_directory_);
        } else {
            it->second.claimed = false;
            it->second.afterwards = Afterwards::nothing;
        }
    }
}

StoreHealth MemoryStore::health() const {
    const std::lock_guard lock(state_->mutex);
    return state_->health();
}

void MemoryStore::on_health_change(std::function<void(const StoreHealth&)> observer) {
    const std::lock_guard lock(state_->mutex);
    state_->observer = std::move(observer);
}

void MemoryStore::stop() {
    const std::lock_guard lock(state_->mutex);
    state_->stopped = true;
}

void MemoryStore::fail_with(std::optional<StoreError> error) {
    StoreHealth health;
    std::function<void(const StoreHealth&)> observer;
    {
        const std::lock_guard lock(state_->mutex);
        const bool before = state_->unhealthy();
        state_->fault = std::move(error);
        if (before != state_->unhealthy()) {
            observer = state_->observer;
        }
        health = state_->health();
    }
    if (observer) {
        observer(health);
    }
}

}  // namespace posthorn::queue
