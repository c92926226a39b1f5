// Who is at the other end of a socket: an IP address with a port, or a process on this machine.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/endpoint.hpp"

namespace posthorn::net {

// No ip means a unix socket. IPv4-mapped IPv6 addresses appear as the IPv4 address they are.
struct SocketAddress {
    std::optional<IpAddress> ip;
    std::uint16_t port = 0;

    SocketAddress() = default;
    SocketAddress(IpAddress address, std::uint16_t number) : ip(address), port(number) {}
    [[nodiscard]] bool is_unix() const { return !ip; }
    [[nodiscard]] std::string to_string() const;  // "192.0.2.1:25", "[2001:db8::1]:25", "unix"

    [[nodiscard]] static SocketAddress from(const sockaddr_storage& address);
    [[nodiscard]] static SocketAddress peer_of(
        int fd);  // "unix" also for a socket that is no longer connected
    [[nodiscard]] static SocketAddress local_of(int fd);
};

// The process behind a unix socket, as the kernel recorded it at connect (SO_PEERCRED): nobody can claim to
// be another.
struct PeerCredentials {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
};
[[nodiscard]] std::optional<PeerCredentials> peer_credentials(int fd);

// Writes an IP address and port as the kernel wants it; returns the length. Family AF_INET for IPv4 (also
// mapped).
socklen_t to_sockaddr(const IpAddress& address, std::uint16_t port, sockaddr_storage& out);

}  // namespace posthorn::net
