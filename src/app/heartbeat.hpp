// The daemon's signs of life to the service manager: WATCHDOG=1 while its loop and the queue's writer do their work, and a line of status.
#pragma once

#include <functional>
#include <string>

#include "base/clock.hpp"
#include "net/asio.hpp"
#include "queue/store.hpp"

namespace posthorn::app {

// Owned by the daemon, on the home shard. Each beat goes round: the shard asks the writer for nothing, the writer answers, the shard tells. A
// loop that spins or a writer that never comes back ends the beats, and systemd restarts the daemon (WatchdogSec=); no mail is lost by that.
// A queue that refuses because its disk is full or broken answers, too: a restart would not help it.
class Heartbeat {
public:
    // status: one line for `systemctl status`.
    Heartbeat(net::asio::io_context& home, queue::QueueStore& store, std::function<std::string()> status);

    // Does nothing where no service manager listens (NOTIFY_SOCKET).
    void start();
    // Before the store stops.
    void stop();

private:
    void beat();
    void arm();

    net::asio::io_context& home_;
    queue::QueueStore& store_;
    std::function<std::string()> status_;
    net::asio::steady_timer timer_;
    Duration interval_{};
    bool watched_ = false;
    std::string told_;
    bool stopped_ = false;
};

}  // namespace posthorn::app
