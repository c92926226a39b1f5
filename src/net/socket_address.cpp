// Reads addresses out of the kernel's structures and writes them back.
#include "net/socket_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace posthorn::net {

std::string SocketAddress::to_string() const {
    if (!ip) {
        return "unix";
    }
    const std::string host = ip->to_string();
    const std::string number = std::to_string(port);
    return ip->is_v4() ? host + ":" + number : "[" + host + "]:" + number;
}

SocketAddress SocketAddress::from(const sockaddr_storage& address) {
    if (address.ss_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &address, sizeof v4);
        std::array<std::uint8_t, 4> octets{};
        std::memcpy(octets.data(), &v4.sin_addr, octets.size());
        return SocketAddress(IpAddress::from_v4(octets), ntohs(v4.sin_port));
    }
    if (address.ss_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &address, sizeof v6);
        std::array<std::uint8_t, 16> octets{};
        std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
        return SocketAddress(IpAddress::from_v6(octets), ntohs(v6.sin6_port));
    }
    return {};
}

SocketAddress SocketAddress::peer_of(int fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
        return {};
    }
    return from(address);
}

SocketAddress SocketAddress::local_of(int fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
        return {};
    }
    return from(address);
}

std::optional<PeerCredentials> peer_credentials(int fd) {
    ucred found{};
    socklen_t length = sizeof found;
    // For TCP the kernel fills in nobody (uid -1) rather than failing. A pid of 0 alone is a neighbour whose container has process numbers of
    // its own (pid_namespaces(7)): his uid is known all the same.
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &found, &length) != 0 || found.uid == static_cast<uid_t>(-1)) {
        return std::nullopt;
    }
    return PeerCredentials{found.pid, found.uid, found.gid};
}

socklen_t to_sockaddr(const IpAddress& address, std::uint16_t port, sockaddr_storage& out) {
    out = {};
    const auto& octets = address.octets();
    if (address.is_v4()) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&v4.sin_addr, octets.data() + 12, 4);  // ::ffff:a.b.c.d
        std::memcpy(&out, &v4, sizeof v4);
        return sizeof v4;
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, octets.data(), octets.size());
    std::memcpy(&out, &v6, sizeof v6);
    return sizeof v6;
}

}  // namespace posthorn::net
