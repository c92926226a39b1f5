// Where something listens or is reached: an IP address with a port, or the path of a unix socket.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace posthorn {

// Text forms: "127.0.0.1:25", "[::1]:587", "*:25" (all IPv4), "[::]:25", "unix:/run/posthorn/submit.sock".
struct Endpoint {
    std::string host;        // IP address in text; empty for a unix socket
    std::uint16_t port = 0;  // 0 lets the kernel choose (tests)
    std::string unix_path;   // empty for TCP

    [[nodiscard]] bool is_unix() const { return !unix_path.empty(); }
    [[nodiscard]] std::string to_string() const;
    // default_port is used where the text names none; 0 makes a missing port an error.
    [[nodiscard]] static Result<Endpoint> parse(std::string_view text, std::uint16_t default_port = 0);
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// An IP address as 16 octets; IPv4 is held in its mapped form ::ffff:a.b.c.d.
class IpAddress {
public:
    [[nodiscard]] static Result<IpAddress> parse(std::string_view text);
    [[nodiscard]] static IpAddress from_v4(std::array<std::uint8_t, 4> octets);
    [[nodiscard]] static IpAddress from_v6(std::array<std::uint8_t, 16> octets) { return IpAddress(octets); }
    [[nodiscard]] bool is_v4() const;
    [[nodiscard]] bool is_loopback() const;     // 127.0.0.0/8, ::1
    [[nodiscard]] bool is_unspecified() const;  // 0.0.0.0, ::
    // Not reachable over the public Internet: loopback, RFC 1918, link-local, unique local, unspecified, multicast, and
    // IPv6 addresses that stand for such an IPv4 address (NAT64, 6to4).
    [[nodiscard]] bool is_private() const;
    [[nodiscard]] const std::array<std::uint8_t, 16>& octets() const { return octets_; }
    [[nodiscard]] std::string to_string() const;
    friend bool operator==(const IpAddress&, const IpAddress&) = default;

private:
    explicit IpAddress(std::array<std::uint8_t, 16> octets) : octets_(octets) {}
    std::array<std::uint8_t, 16> octets_{};
    friend class IpNetwork;
};

// A CIDR block such as 127.0.0.0/8 or fd00::/8.
class IpNetwork {
public:
    [[nodiscard]] static Result<IpNetwork> parse(
        std::string_view text);  // host bits set is an error that says so
    [[nodiscard]] bool contains(const IpAddress& address) const;
    [[nodiscard]] std::string to_string() const;

private:
    IpNetwork(IpAddress base, unsigned prefix) : base_(base), prefix_(prefix) {}
    IpAddress base_;
    unsigned prefix_;  // of 128, also for IPv4 (96 + its own)
};

}  // namespace posthorn
