// One datagram to the socket named in the environment.
#include "app/service_manager.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <ratio>

#include <fmt/format.h>

#include "net/socket_address.hpp"

namespace posthorn::app {
namespace {

std::optional<std::int64_t> number_in(const char* variable) noexcept {
    const char* text = std::getenv(variable);
    if (text == nullptr) return std::nullopt;
    const char* end = text + std::strlen(text);
    std::int64_t number = 0;
    const auto [stopped, error] = std::from_chars(text, end, number);
    if (error != std::errc() || stopped != end) return std::nullopt;
    return number;
}

}  // namespace

void tell_service_manager(std::string_view state) noexcept {
    const char* path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
    const std::size_t length = std::strlen(path);
    if (length >= sizeof address.sun_path) return;
    address.sun_family = AF_UNIX;
    std::copy_n(path, length, address.sun_path);
    if (path[0] == '@') address.sun_path[0] = '\0';   // Linux's abstract namespace
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
    (void)::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
    ::close(fd);
}

ReloadNotice::ReloadNotice() noexcept {
    // CLOCK_MONOTONIC, which steady_clock is here: by it systemd tells this reload from an earlier one.
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch());
    char text[64];
    *fmt::format_to_n(text, sizeof text - 1, "RELOADING=1\nMONOTONIC_USEC={}", now.count()).out = '\0';
    tell_service_manager(text);
}

Duration watchdog_patience() noexcept {
    // A child that inherited the variables is not meant.
    if (const auto pid = number_in("WATCHDOG_PID"); pid && *pid != ::getpid()) return {};
    const auto patience = number_in("WATCHDOG_USEC");
    return patience && *patience > 0 ? std::chrono::duration_cast<Duration>(std::chrono::microseconds(*patience)) : Duration();
}

std::vector<net::BoundSocket> sockets_of_service_manager() {
    constexpr int kFirst = 3;   // SD_LISTEN_FDS_START
    constexpr std::int64_t kMost = 1000;
    std::vector<net::BoundSocket> sockets;
    const auto pid = number_in("LISTEN_PID");
    const auto count = number_in("LISTEN_FDS");
    if (!pid || *pid != ::getpid() || !count || *count < 1 || *count > kMost) return sockets;
    for (int fd = kFirst; fd < kFirst + *count; ++fd) {
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        Descriptor socket(fd);
        int type = 0;
        socklen_t length = sizeof type;
        const net::SocketAddress local = net::SocketAddress::local_of(fd);
        if (local.is_unix() || ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM) continue;
        ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
        sockets.push_back({std::move(socket), Endpoint{local.ip->to_string(), local.port, {}}});
    }
    ::unsetenv("LISTEN_PID");
    ::unsetenv("LISTEN_FDS");
    ::unsetenv("LISTEN_FDNAMES");
    return sockets;
}

}  // namespace posthorn::app
