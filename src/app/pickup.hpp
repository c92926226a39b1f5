// Takes over mail that was left in spool directories: found at start, by inotify and by a scan now and then; each message once.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/spool_directory.hpp"
#include "delivery/agent.hpp"
#include "intake/options.hpp"
#include "intake/pickup.hpp"
#include "net/asio.hpp"
#include "net/inotify.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"
#include "queue/store.hpp"
#include "smtp/server/reception.hpp"
#include "smtp/server/server.hpp"

namespace posthorn::app {

// Counted since start, but for those that are now.
struct PickupFigures {
    std::uint64_t picked_up = 0;  // messages stored
    std::uint64_t known = 0;      // files whose message had been stored before: a crash, or a connection that broke
    std::uint64_t reported = 0;   // refused messages whose sender was told by a DSN
    std::uint64_t put_aside = 0;  // files moved to <spool>/refused
    std::uint64_t waiting = 0;    // now: files that stay, as of the last scan, and those under way
    std::uint64_t stuck = 0;      // now: of those, what nobody but the operator can get out of the way
    Duration oldest{};            // now: age of the oldest that waits
    std::uint64_t spools = 0;     // now: that are served
    std::uint64_t closed = 0;     // now: that cannot be
};

// Lives on the home shard; what it is given by reference outlives it. Looking into spools is done on a thread of its own, so that a
// volume that hangs holds up nothing else. docs/QUEUE.md has the order of writes, docs/SENDMAIL.md the rules.
class Pickup {
public:
    struct Wanted {
        std::vector<std::string> directories;  // each once
        intake::PickupOptions options;
        std::shared_ptr<const smtp::server::Runtime> runtime;
    };

    Pickup(net::asio::io_context& home, net::asio::thread_pool& disk, smtp::server::Server& server, smtp::server::Postbox& postbox,
           queue::QueueStore& store, delivery::DeliveryAgent& agent);
    ~Pickup();
    Pickup(const Pickup&) = delete;
    Pickup& operator=(const Pickup&) = delete;

    // Begins, or goes on with other settings: spools that are no longer wanted are let go of, new ones are scanned.
    void serve(Wanted wanted);
    // Takes nothing more; what is under way is finished. Then wait_idle(), and join() before the shard's context goes.
    void stop();
    [[nodiscard]] net::awaitable<bool> wait_idle(SteadyTime limit) { return tasks_.wait_idle(limit); }
    void join() { files_.join(); }
    [[nodiscard]] std::size_t unfinished() const { return tasks_.size(); }

    [[nodiscard]] PickupFigures figures() const;

private:
    struct Spool;
    struct Handing;
    using SpoolPtr = std::shared_ptr<Spool>;
    // What became of one entry.
    enum class End : std::uint8_t { gone, taken, stays, stuck };

    net::awaitable<void> attend(SpoolPtr spool);
    net::awaitable<bool> open(SpoolPtr spool);
    net::awaitable<void> listen(SpoolPtr spool);
    net::awaitable<void> scan(SpoolPtr spool);
    net::awaitable<void> begin(SpoolPtr spool, std::string name);  // waits for room
    net::awaitable<void> take(SpoolPtr spool, std::string name);

    // pickup_entry.cpp: one entry
    net::awaitable<End> deal_with(SpoolPtr spool, std::string name);
    net::awaitable<End> hand_over(Handing& handing);
    net::awaitable<std::string> read_all(Handing& handing);          // what went wrong, or empty
    net::awaitable<void> begin_message(Handing& handing);            // when the record's head is known
    struct NotNow {
        std::string reason;
        std::uint32_t at_once = 0;   // recipients, of a message that has more than will ever be allowed; else 0
    };
    [[nodiscard]] std::optional<NotNow> may_send(Handing& handing, std::uint32_t recipients);   // nothing: he may
    // Tells the sender; false: not now. Where there is nobody to be told, `told` stays as it is.
    net::awaitable<bool> report(Handing& handing, std::vector<mail::EnvelopeRecipient> recipients, const intake::Refusal& refusal,
                                std::size_t part, bool& told);
    net::awaitable<bool> report_refused_recipients(Handing& handing, bool& told);
    net::awaitable<End> refused(Handing& handing, const intake::Refusal& refusal);
    net::awaitable<End> clear(Handing& handing);                     // removes what is done with
    net::awaitable<End> put_aside(SpoolPtr spool, const intake::SpoolEntry& entry, std::string reason);
    End stays(Spool& spool, const intake::SpoolEntry& entry, bool stuck, const std::string& reason);

    net::awaitable<void> settle(SpoolPtr spool);  // syncs removals, then forgets their keys
    net::awaitable<void> forget_old();
    [[nodiscard]] bool present(std::string_view name) const;

    net::asio::io_context& home_;
    net::asio::thread_pool& disk_;
    smtp::server::Server& server_;
    smtp::server::Postbox& postbox_;
    queue::QueueStore& store_;
    delivery::DeliveryAgent& agent_;
    net::asio::thread_pool files_{1};
    net::TaskGroup tasks_;
    Wanted wanted_;
    std::map<std::string, SpoolPtr> spools_;
    std::map<std::uint32_t, SteadyTime> not_before_;  // users who sent too much
    net::Signal hour_;                                // ends the wait of forget_old
    PickupFigures counted_;
    bool started_ = false;
    bool stopping_ = false;
};

// The spools that a configuration names: [pickup] directory and those of the sites, each once.
[[nodiscard]] std::vector<std::string> spool_directories(const intake::IntakeOptions& options);

}  // namespace posthorn::app
