// What happens in the daemon, live, for those who follow it (GET /v1/events, `posthorn tail`): bounded, and never in the daemon's way.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "admin/http.hpp"
#include "base/clock.hpp"

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

// In what form, and from where on: the last event's id that a browser had when its connection broke (Last-Event-ID), empty for now.
struct EventManner {
    bool server_sent = false;   // else a line each
    std::string last_id;
};

// Sees the log's events (log::watch) while somebody follows, and costs nothing while nobody does. On the io_context's thread but for
// the events themselves, which come on any.
class EventFeed : public std::enable_shared_from_this<EventFeed> {
public:
    static constexpr std::size_t kMostReaders = 8;

    // What one who follows has. `more` of its answers; ends when that is destroyed.
    class Reader;

    // `life` tells the numbers of one process from another's.
    explicit EventFeed(boost::asio::io_context& io, std::string life = {}) : io_(io), life_(std::move(life)) {}
    EventFeed(const EventFeed&) = delete;
    EventFeed& operator=(const EventFeed&) = delete;

    // The stream of all events from now on, one object of JSON a line; or a refusal, when too many follow. A reader that is slower
    // than the events is told {"event":"skipped","count":N}; an empty line after a while without events shows that both are there.
    // As server-sent events (HTML, section 9.2) each has an id, and a comment stands for the empty line. Where somebody followed so, the
    // ring is kept for kLinger after the last, so that he finds what he missed.
    [[nodiscard]] Answer follow(EventFilter filter, EventManner manner = {});
    static constexpr Duration kLinger = std::chrono::seconds(30);
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
    // Nobody follows, nor may come back.
    void rest();
    [[nodiscard]] std::string id_of(std::uint64_t number) const { return life_ + "-" + std::to_string(number); }

    boost::asio::io_context& io_;
    const std::string life_;
    std::mutex mutex_;                 // of ring_ and woken_
    EventRing ring_;
    bool woken_ = false;
    bool stopped_ = false;
    bool watching_ = false;
    std::deque<Reader*> readers_;
    std::shared_ptr<boost::asio::steady_timer> linger_;
};

}  // namespace posthorn::admin
