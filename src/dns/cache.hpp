// Answers kept for as long as DNS allows, and no longer or more than the operator does. Pure: time is an
// argument.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.hpp"
#include "dns/message.hpp"

namespace posthorn::dns {

struct CacheLimits {
    std::size_t entries = 10000;  // 0 keeps nothing
    Duration max_ttl{0};
    Duration negative_ttl{0};  // upper bound for "there is none"

    CacheLimits(std::size_t most, Duration longest, Duration longest_negative)
        : entries(most), max_ttl(longest), negative_ttl(longest_negative) {}
};

// Least recently used out, also where few large answers take more room than that many usual ones would: a
// reply may have 64 KiB, and thousands of records. Owned by a Resolver, on its thread.
class DnsCache {
public:
    static constexpr std::size_t kOctetsPerEntry = 1024;  // of them all, on average
    static constexpr std::size_t kLeastOctets = 1024 * 1024;

    explicit DnsCache(CacheLimits limits) : limits_(limits) {}

    // With the ttl that is left.
    [[nodiscard]] std::optional<Lookup> find(const std::string& name, RecordType type, SteadyTime now);
    // No effect for temporary failures, and for answers with a TTL of zero.
    void put(const std::string& name, RecordType type, const Lookup& answer, SteadyTime now);
    void clear();
    [[nodiscard]] std::size_t size() const { return index_.size(); }
    [[nodiscard]] std::size_t octets() const { return octets_; }  // of memory, about

private:
    struct Entry {
        std::string key;
        Lookup answer;
        SteadyTime expires;
        std::size_t octets = 0;
    };
    using Place = std::list<Entry>::iterator;
    void drop(Place entry);
    static std::string key_of(const std::string& name, RecordType type);

    CacheLimits limits_;
    std::list<Entry> newest_first_;
    std::unordered_map<std::string, Place> index_;
    std::size_t octets_ = 0;
};

}  // namespace posthorn::dns
