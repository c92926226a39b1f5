// What the pickup knows of one spool, and of one entry while it is dealt with.
#pragma once

#include "app/pickup.hpp"
#include "base/seldom.hpp"

namespace posthorn::app {

// An entry that was not taken: told once, until it changes.
struct Left {
    std::uint64_t inode = 0;
    std::int64_t changed = 0;
    TimePoint modified{};
    bool stuck = false;
    std::string reason;
    std::uint64_t seen = 0;  // number of the scan that saw it last
};
inline constexpr std::size_t kMostLeft = 10'000;  // remembered in each spool; what is beyond is looked at anew at each scan
inline constexpr std::size_t kAtOnce = 16;        // entries read at the same time in each spool: one group commit for them
inline constexpr std::size_t kMostArrivals = 1000;

struct Pickup::Spool {
    Spool(std::string directory, net::asio::io_context& home)
        : path(std::move(directory)), wake(home.get_executor()), room(home.get_executor()) {}

    const std::string path;                  // as configured: the door of Caller
    std::shared_ptr<SpoolDirectory> files;   // null: it could not be opened
    std::string trouble;                     // why not, as it was told
    std::shared_ptr<net::DirectoryWatch> watch;
    bool unwatched_told = false;
    net::Signal wake;                        // for attend()
    net::Signal room;                        // for whoever waits in begin()
    std::deque<std::string> arrived;
    bool look_again = false;                 // more came than is remembered
    bool ended = false;                      // let go of
    std::map<std::string, Left> left;
    std::uint64_t scans = 0;
    TimePoint scanned{};                     // when the last whole scan began
    bool missing = false;                    // the directory does not exist: nobody can have left anything there
    std::set<std::string, std::less<>> in_hand;
    // Removed, but perhaps not yet for ever: keys that are forgotten after the next sync.
    std::vector<std::string> removed;
    bool settling = false;
    Seldom trouble_told{std::chrono::minutes(1)};
};

struct Pickup::Handing {
    SpoolPtr spool;
    intake::SpoolEntry entry;
    std::shared_ptr<const Descriptor> file;  // shared with the read under way
    std::shared_ptr<const smtp::server::Runtime> runtime;
    intake::Caller caller;
    mail::HandoffReader reader;
    std::string beginning;                   // of the message: its header, for a report
    std::optional<smtp::server::Reception> reception;
    intake::Submission submission;
    mail::Envelope envelope;                 // as it was handed over, without those refused at once
    std::vector<intake::RefusedRecipient> refused;
    std::string not_now;                     // a local name that cannot be looked up for now
    std::string forged;                      // why it cannot be our program's
    bool too_large = false;
    std::size_t beyond = 0;                  // recipients that its local names come to, beyond one each
};

}  // namespace posthorn::app
