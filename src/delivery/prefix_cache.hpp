// What is kept of signatures under way, so that one message to many destinations is signed once: bounded, and young.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/bound.hpp"

#include "base/clock.hpp"

namespace posthorn::delivery {

// A retry is signed anew: with an old signature its x= may have passed, and its key may not be the published one any more.
inline constexpr Duration kPrefixAge = std::chrono::minutes(5);
inline constexpr std::size_t kMaxPrefixes = 512;

// Pure: time is an argument. By key (message, form, and for list mail recipient) a shared entry; the one put in first is
// forgotten first. What is erased leaves nothing behind.
template <class Entry>
class PrefixCache {
public:
    explicit PrefixCache(std::size_t limit = kMaxPrefixes, Duration age = kPrefixAge) : limit_(limit), age_(age) {}

    // Null when there is none, or none young enough.
    [[nodiscard]] std::shared_ptr<Entry> find(const std::string& key, SteadyTime now) {
        const auto at = entries_.find(key);
        if (at == entries_.end()) return nullptr;
        if (now - at->second.made < age_) return at->second.entry;
        erase(key);
        return nullptr;
    }
    // In place of what is under this key.
    void put(const std::string& key, std::shared_ptr<Entry> entry, SteadyTime now) {
        erase(key);
        order_.push_back(key);
        entries_.emplace(key, Kept{std::move(entry), now, std::prev(order_.end())});
        // The oldest are in front: those that are too old go with whatever comes in, and the bound holds.
        if (entries_.size() > limit_) note_reached(Bound::signatures_kept);
        while (entries_.size() > limit_ || now - entries_.at(order_.front()).made >= age_) erase(std::string(order_.front()));
    }
    void erase(const std::string& key) {
        const auto at = entries_.find(key);
        if (at == entries_.end()) return;
        order_.erase(at->second.place);
        entries_.erase(at);
    }
    void clear() {
        entries_.clear();
        order_.clear();
    }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] std::size_t keys() const { return order_.size(); }   // always size()

private:
    struct Kept {
        std::shared_ptr<Entry> entry;
        SteadyTime made;
        std::list<std::string>::iterator place;
    };
    std::size_t limit_;
    Duration age_;
    std::unordered_map<std::string, Kept> entries_;
    std::list<std::string> order_;
};

}  // namespace posthorn::delivery
