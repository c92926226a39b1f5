// What happens in the daemon, live, for those who follow it (GET /v1/events, `posthorn tail`): bounded, and never in the daemon's way.
#pragma once

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "admin/http.hpp"

namespace posthorn::admin {

// The last events by number. Pure, but for the lock of its owner.
class EventRing {
public:
    static constexpr std::size_t kMostEvents = 10'000;
    static constexpr std::size_t kMostOctets = 4 * 1024 * 1024;

    void add(std::string_view json);
    void clear();
    [[nodiscard]] std::uint64_t first() const { return first_; }                  // the number of the oldest that is there
    [[nodiscard]] std::uint64_t end() const { return first_ + events_.size(); }   // of the next to come
    [[nodiscard]] const std::string& at(std::uint64_t number) const { return events_[number - first_]; }

private:
    std::deque<std::string> events_;
    std::uint64_t first_ = 0;
    std::size_t octets_ = 0;
};

// Which events are wanted: all, or those of which some value is the id, the domain, or an address at the domain.
struct EventFilter {
    std::string id;
    std::string domain;  // A-labels, lower case

    [[nodiscard]] bool wants(std::string_view json) const;
};

// Sees the log's events (log::watch) while somebody follows, and costs nothing while nobody does. On the io_context's thread but for
// the events themselves, which come on any.
class EventFeed : public std::enable_shared_from_this<EventFeed> {
public:
    static constexpr std::size_t kMostReaders = 8;

    // What one who follows has. `more` of its answers; ends when that is destroyed.
    class Reader;

    explicit EventFeed(boost::asio::io_context& io) : io_(io) {}
    EventFeed(const EventFeed&) = delete;
    EventFeed& operator=(const EventFeed&) = delete;

    // The stream of all events from now on, one object of JSON a line; or a refusal, when too many follow. A reader that is slower
    // than the events is told {"event":"skipped","count":N}; an empty line after a while without events shows that both are there.
    [[nodiscard]] Answer follow(EventFilter filter);
    // Ends all streams; nothing is watched any more.
    void stop();

private:
    void add(std::string_view json);   // any thread
    void wake_soon();
    void wake();
    void leave(Reader* reader);
    bool is_behind(const Reader& reader);  // far; where only a little, it is woken soon
    // Lines for the reader, at most some tens of kilobytes; empty: there is nothing for it now.
    std::string take(Reader& reader);

    boost::asio::io_context& io_;
    std::mutex mutex_;                 // of ring_ and woken_
    EventRing ring_;
    bool woken_ = false;
    bool stopped_ = false;
    std::deque<Reader*> readers_;
};

}  // namespace posthorn::admin
