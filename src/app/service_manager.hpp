// Tells systemd, or whoever set NOTIFY_SOCKET, how far the daemon is (sd_notify's protocol, without its library).
#pragma once

#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "net/listener.hpp"

namespace posthorn::app {

// state: "READY=1", "STOPPING=1"; several with line feeds between them. Does nothing where nobody asked; failure is nobody's concern.
void tell_service_manager(std::string_view state) noexcept;

// While it lives systemd shows the unit as reloading (sd_notify(3): RELOADING=1 with the time, then READY=1, whatever came of it).
class ReloadNotice {
public:
    ReloadNotice() noexcept;
    ~ReloadNotice() { tell_service_manager("READY=1"); }
    ReloadNotice(const ReloadNotice&) = delete;
    ReloadNotice& operator=(const ReloadNotice&) = delete;
};

// How long the service manager waits for a sign of life of this process before it restarts it (WATCHDOG_USEC and WATCHDOG_PID,
// sd_watchdog_enabled(3)). Zero: it does not.
[[nodiscard]] Duration watchdog_patience() noexcept;

// TCP sockets that the service manager opened for us (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS), each with its address; others are closed. To
// be called once, early: children do not inherit them.
[[nodiscard]] std::vector<net::BoundSocket> sockets_of_service_manager();

}  // namespace posthorn::app
