// A list in order of use and an index into it.
#include "dns/cache.hpp"

#include <algorithm>

namespace posthorn::dns {

std::string DnsCache::key_of(const std::string& name, RecordType type) {
    std::string key = canonical_name(name);
    key += '/';
    key += to_string(type);
    return key;
}

std::optional<Lookup> DnsCache::find(const std::string& name, RecordType type, SteadyTime now) {
    const auto found = index_.find(key_of(name, type));
    if (found == index_.end()) {
        return std::nullopt;
    }
    const auto entry = found->second;
    if (entry->expires <= now) {
        newest_first_.erase(entry);
        index_.erase(found);
        return std::nullopt;
    }
    newest_first_.splice(newest_first_.begin(), newest_first_, entry);
    Lookup answer = entry->answer;
    answer.ttl = std::chrono::duration_cast<std::chrono::seconds>(entry->expires - now);
    return answer;
}

void DnsCache::put(const std::string& name, RecordType type, const Lookup& answer, SteadyTime now) {
    if (limits_.entries == 0 || answer.status == Status::temporary) {
        return;
    }
    const Duration bound = answer.status == Status::ok ? limits_.max_ttl : limits_.negative_ttl;
    const Duration keep = std::min(bound, std::chrono::duration_cast<Duration>(answer.ttl));
    if (keep <= Duration::zero()) {
        return;
    }
    std::string key = key_of(name, type);
    if (const auto found = index_.find(key); found != index_.end()) {
        newest_first_.erase(found->second);
        index_.erase(found);
    }
    newest_first_.push_front(Entry{key, answer, now + keep});
    index_.emplace(std::move(key), newest_first_.begin());
    if (index_.size() > limits_.entries) {
        index_.erase(newest_first_.back().key);
        newest_first_.pop_back();
    }
}

void DnsCache::clear() {
    index_.clear();
    newest_first_.clear();
}

}  // namespace posthorn::dns
