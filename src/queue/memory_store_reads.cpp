// The contract in memory: what is read.
#include "queue/memory_store_state.hpp"

namespace posthorn::queue {

void MemoryStore::pickups(std::string after, std::size_t limit, Done<std::vector<Pickup>> done) {
    auto result = [&]() -> StoreResult<std::vector<Pickup>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        std::vector<Pickup> found;
        for (auto it = state_->pickups.upper_bound(after); it != state_->pickups.end() && found.size() < limit; ++it) {
            found.push_back({it->first, it->second});
        }
        return found;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::journal(JournalQuery query, Done<JournalPage> done) {
    auto result = [&]() -> StoreResult<JournalPage> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        JournalPage page;
        page.first = state_->journal.empty() ? 0 : state_->journal.front().seq;
        page.last = state_->journal.empty() ? 0 : state_->journal.back().seq;
        const JournalPage::Range range = page.range(query);
        const std::size_t limit = std::min(query.limit, JournalQuery::kMost);
        for (std::uint64_t i = range.low; i <= range.high && page.entries.size() < limit; ++i) {
            const std::uint64_t seq = query.newest_first ? range.high - (i - range.low) : i;
            JournalEntry entry = state_->journal[seq - page.first];
            if (!matches(query, entry.message, entry.to, entry.group)) {
                continue;
            }
            if (!query.details) {
                entry.diagnosis.clear();
                entry.transcript.clear();
            }
            page.entries.push_back(std::move(entry));
        }
        page.note_end(query, range);
        return page;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::suppressions(std::string after, std::size_t limit, Done<std::vector<Suppression>> done) {
    auto result = [&]() -> StoreResult<std::vector<Suppression>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        std::vector<Suppression> found;
        for (auto it = state_->suppressed.upper_bound(after); it != state_->suppressed.end() && found.size() < limit; ++it) {
            found.push_back(it->second);
        }
        return found;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::message(QueueId id, Done<mail::MessagePtr> done) {
    auto result = [&]() -> StoreResult<mail::MessagePtr> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        const auto it = state_->messages.find(id);
        if (it == state_->messages.end()) {
            return StoreError{StoreFault::not_found, "no message " + id.to_string() + " in the queue"};
        }
        return it->second.message;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::next_due(DestinationId destination, TimePoint now, Done<std::optional<TimePoint>> done) {
    auto result = [&]() -> StoreResult<std::optional<TimePoint>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        return state_->first_free(destination, now);
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::messages_of_class(std::string failure_class, QueueId after, std::size_t limit,
                                    Done<std::vector<QueueId>> done) {
    auto result = [&]() -> StoreResult<std::vector<QueueId>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        std::set<QueueId> found;
        for (const auto& [id, row] : state_->rows) {
            const Recipient& recipient = row.recipient;
            if (!row.removed && recipient.state == RecipientState::waiting &&
                recipient.last_class == failure_class && recipient.message > after) {
                found.insert(recipient.message);
            }
        }
        std::vector<QueueId> page(found.begin(), found.end());
        if (page.size() > limit) {
            page.resize(limit);
        }
        return page;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::destinations(DestinationId after, std::size_t limit, TimePoint now,
                               Done<std::vector<DestinationDue>> done) {
    auto result = [&]() -> StoreResult<std::vector<DestinationDue>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        std::vector<DestinationDue> found;
        for (auto it = state_->names.upper_bound(after); it != state_->names.end() && found.size() < limit;
             ++it) {
            if (const auto due = state_->first_free(it->first, now)) {
                found.push_back({it->first, it->second.first, it->second.second, *due});
            }
        }
        return found;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::sources(SourceQuery query, Done<std::vector<MessageSource>> done) {
    auto result = [&]() -> StoreResult<std::vector<MessageSource>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        constexpr std::size_t kMost = 10'000;
        std::vector<MessageSource> found;
        for (auto it = state_->messages.upper_bound(query.after);
             it != state_->messages.end() && found.size() < std::min(query.limit, kMost); ++it) {
            const Kept& kept = it->second;
            const bool suspended = std::any_of(kept.rows.begin(), kept.rows.end(), [&](RecipientId id) {
                const Row& row = state_->rows.at(id);
                return !row.removed && row.recipient.state == RecipientState::suspended;
            });
            if (suspended || !query.suspended_only) {
                found.push_back({it->first, kept.message->source});
            }
        }
        return found;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::idle(Done<IdleCounts> done) {
    auto result = [&]() -> StoreResult<IdleCounts> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) return *state_->refusal();
        IdleCounts counts;
        for (const auto& [id, row] : state_->rows) {
            if (row.removed) continue;
            if (row.recipient.state == RecipientState::held) ++counts.held;
            if (row.recipient.state == RecipientState::suspended) ++counts.suspended;
        }
        return counts;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::ages(AgeQuery query, Done<AgePage> done) {
    auto result = [&]() -> StoreResult<AgePage> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        AgePage page;
        std::map<std::string, AgeRow> found;
        std::size_t looked = 0;
        auto it = state_->rows.upper_bound(query.after);
        for (; it != state_->rows.end() && looked < query.limit; ++it, ++looked) {
            const Recipient& recipient = it->second.recipient;
            page.looked_to = it->first;
            if (it->second.removed) {
                continue;
            }
            const std::string name = query.by_sender ? domain_of(state_->messages.at(recipient.message).message->reverse_path)
                                                     : state_->names.at(recipient.destination).first;
            found[name].name = name;
            ++found[name].counts[age_column(recipient.message.time(), query.now)];
        }
        page.complete = it == state_->rows.end();
        for (auto& [name, row] : found) page.rows.push_back(std::move(row));
        return page;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::tally(TallyQuery query, Done<TallyPage> done) {
    auto result = [&]() -> StoreResult<TallyPage> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        TallyPage page;
        std::map<std::string, TallyRow> found;
        std::size_t looked = 0;
        for (auto it = state_->journal.rbegin(); it != state_->journal.rend(); ++it) {
            if (it->seq >= query.before) {
                continue;
            }
            if (looked++ == query.scan) {
                page.complete = false;
                break;
            }
            page.looked_to = it->seq;
            if (it->at >= query.since) {
                note(found[it->group], it->event, it->at >= query.recent);
            }
        }
        for (auto& [group, row] : found) {
            row.group = group;
            page.rows.push_back(std::move(row));
        }
        return page;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::look_up(Lookup lookup, Done<LookedUp> done) {
    auto result = [&]() -> StoreResult<LookedUp> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        LookedUp out;
        const auto wanted = [&](const mail::Message& message, const Recipient& recipient) {
            if (!lookup.sender_domain.empty()) {
                return domain_of(message.reverse_path) == text::to_lower(lookup.sender_domain);
            }
            return state_->names.at(recipient.destination).first == lookup.domain &&
                   (lookup.address.empty() || text::iequals(recipient.address, lookup.address));
        };
        std::size_t shown = 0;
        for (const auto& [id, kept] : state_->messages) {
            for (const RecipientId number : kept.rows) {
                const Row& row = state_->rows.at(number);
                if (row.removed || !wanted(*kept.message, row.recipient)) {
                    continue;
                }
                if (out.recipients == lookup.scan) {
                    out.complete = false;
                    return out;
                }
                ++out.recipients;
                ++out.by_class[row.recipient.last_class];
                out.held += row.recipient.state == RecipientState::held ? 1 : 0;
                out.suspended += row.recipient.state == RecipientState::suspended ? 1 : 0;
                if (shown++ >= lookup.limit) {
                    continue;
                }
                if (out.oldest.empty() || out.oldest.back().id != id) {
                    out.oldest.push_back(*state_->entry(id, kept));
                    out.oldest.back().recipients.clear();
                }
                out.oldest.back().recipients.push_back(row.recipient);
                out.oldest.back().recipients.back().claimed = row.claimed;
            }
        }
        return out;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::list(ListQuery query, Done<std::vector<QueueEntry>> done) {
    auto result = [&]() -> StoreResult<std::vector<QueueEntry>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        constexpr std::size_t kMost = 1000;
        std::vector<QueueEntry> entries;
        for (auto it = state_->messages.upper_bound(query.after);
             it != state_->messages.end() && entries.size() < std::min(query.limit, kMost); ++it) {
            const Kept& kept = it->second;
            const bool in_domain =
                query.domain.empty() || std::any_of(kept.rows.begin(), kept.rows.end(), [&](RecipientId id) {
                    return state_->names.at(state_->rows.at(id).recipient.destination).first == query.domain;
                });
            const bool of_source =
                query.sources.empty() || std::find(query.sources.begin(), query.sources.end(),
                                                   kept.message->source) != query.sources.end();
            if (!in_domain || !of_source ||
                (!query.reverse_path.empty() && kept.message->reverse_path != query.reverse_path)) {
                continue;
            }
            if (auto entry = state_->entry(it->first, kept)) {
                entries.push_back(*std::move(entry));
            }
        }
        return entries;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::show(QueueId id, Done<QueueEntry> done) {
    auto result = [&]() -> StoreResult<QueueEntry> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        const auto it = state_->messages.find(id);
        auto entry = it == state_->messages.end() ? std::nullopt : state_->entry(id, it->second);
        if (!entry) {
            return StoreError{StoreFault::not_found, "no message " + id.to_string() + " in the queue"};
        }
        return *std::move(entry);
    }();
    answer(executor_, std::move(done), std::move(result));
}

}  // namespace posthorn::queue
