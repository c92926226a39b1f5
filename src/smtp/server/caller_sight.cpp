// One post to the pool and one back.
#include "smtp/server/caller_sight.hpp"

#include <utility>

#include "base/bound.hpp"
#include "net/wait_event.hpp"

namespace posthorn::smtp::server {

// Shared with the work on its way, which may outlive the session.
struct CallerSight::Look {
    explicit Look(const net::asio::any_io_executor& home) : ended(home) {}
    bool done = false;
    net::ProcessSeen seen;
    net::Signal ended;
};

void CallerSight::begin(std::int32_t pid, std::uint32_t uid) {
    if (look_ || pid <= 0) return;
    if (sights_.under_way >= Sights::kMost) {
        note_reached(Bound::caller_looks);
        return;
    }
    ++sights_.under_way;
    look_ = std::make_shared<Look>(home_);
    net::asio::post(disk_, [look = look_, home = home_, sights = &sights_, pid, uid]() mutable {
        net::ProcessSeen seen = net::see_process(pid, uid);
        net::asio::post(home, [look = std::move(look), sights, seen = std::move(seen)]() mutable {
            --sights->under_way;
            look->seen = std::move(seen);
            look->done = true;
            look->ended.notify();
        });
    });
}

net::awaitable<void> CallerSight::wait() {
    if (!look_ || look_->done) co_return;
    const std::shared_ptr<Look> look = look_;
    co_await look->ended.wait_until(std::chrono::steady_clock::now() + kPatience);
}

void CallerSight::show(intake::Caller& caller, bool claimed) const {
    if (!look_ || !look_->done || look_->seen.pid == 0) return;
    const net::ProcessSeen& seen = look_->seen;
    // Whoever started sendmail may have ended since; then its parent is init, or what stands for it in a container.
    if (claimed && seen.parent_pid <= 1) return;
    const std::string& command = claimed ? seen.parent_command : seen.command;
    if (command.empty()) return;
    caller.caller_pid = claimed ? seen.parent_pid : seen.pid;
    caller.command = command;
}

}  // namespace posthorn::smtp::server
