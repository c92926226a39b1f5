// Tells systemd, or whoever set NOTIFY_SOCKET, how far the daemon is (sd_notify's protocol, without its library).
#pragma once

#include <string_view>

namespace posthorn::app {

// state: "READY=1", "STOPPING=1". Does nothing where nobody asked; failure is nobody's concern.
void tell_service_manager(std::string_view state) noexcept;

}  // namespace posthorn::app
