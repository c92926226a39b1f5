// A list in order of use and an index into it.
#include "dns/cache.hpp"

#include <algorithm>
#include <iterator>

#include "base/bound.hpp"

namespace posthorn::dns {
namespace {

std::size_t octets_of(const std::string& key, const Lookup& answer) {
    std::size_t octets = 2 * key.size() + sizeof(Lookup) + answer.detail.size() + answer.final_name.size();
    for (const Record& record : answer.records) {
        octets += sizeof(Record) + record.owner.size() + record.text.size();
    }
    return octets;
}

}  // namespace

void DnsCache::drop(Place entry) {
    octets_ -= entry->octets;
    index_.erase(entry->key);
    newest_first_.erase(entry);
}

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
        drop(entry);
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
        drop(found->second);
    }
    const std::size_t octets = octets_of(key, answer);
    newest_first_.push_front(Entry{key, answer, now + keep, octets});
    index_.emplace(std::move(key), newest_first_.begin());
    octets_ += octets;
    const std::size_t most = std::max(limits_.entries * kOctetsPerEntry, kLeastOctets);
    while (index_.size() > limits_.entries || octets_ > most) {
        note_reached(Bound::dns_cache);
        drop(std::prev(newest_first_.end()));
    }
}

void DnsCache::clear() {
    index_.clear();
    newest_first_.clear();
    octets_ = 0;
}

}  // namespace posthorn::dns
