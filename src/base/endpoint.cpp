// IP addresses, networks and endpoints in text: see endpoint.hpp.
#include "base/endpoint.hpp"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <initializer_list>

#include "base/text.hpp"

namespace posthorn {

namespace {

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::string quoted(std::string_view text) {
    return "\"" + text::safe_for_log(text, 200) + "\"";
}

}  // namespace

IpAddress IpAddress::from_v4(std::array<std::uint8_t, 4> octets) {
    std::array<std::uint8_t, 16> all{};
    std::ranges::copy(kMapped, all.begin());
    std::ranges::copy(octets, all.begin() + 12);
    return IpAddress(all);
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
    // inet_pton wants a terminated string; the longest form has 45 octets.
    char buffer[INET6_ADDRSTRLEN] = {};
    if (text.size() < sizeof buffer && text.find('\0') == std::string_view::npos) {
        std::ranges::copy(text, buffer);
        std::array<std::uint8_t, 4> v4{};
        std::array<std::uint8_t, 16> v6{};
        if (inet_pton(AF_INET, buffer, v4.data()) == 1) return from_v4(v4);
        if (inet_pton(AF_INET6, buffer, v6.data()) == 1) return from_v6(v6);
    }
    return Error{quoted(text) + " is not an IP address; write it as 192.0.2.1 or 2001:db8::1"};
}

bool IpAddress::is_v4() const {
    return std::equal(kMapped.begin(), kMapped.end(), octets_.begin());
}

bool IpAddress::is_loopback() const {
    if (is_v4()) return octets_[12] == 127;
    return octets_[15] == 1 && std::all_of(octets_.begin(), octets_.end() - 1, [](auto o) { return o == 0; });
}

bool IpAddress::is_unspecified() const {
    const auto first = octets_.begin() + (is_v4() ? 12 : 0);
    return std::all_of(first, octets_.end(), [](auto o) { return o == 0; });
}

bool IpAddress::is_private() const {
    if (is_loopback() || is_unspecified()) return true;
    if (is_v4()) {
        const unsigned a = octets_[12], b = octets_[13];
        return a == 0 || a == 10 || (a == 172 && b >= 16 && b < 32) || (a == 192 && b == 168)  // RFC 1918
               || (a == 169 && b == 254)              // link-local, RFC 3927
               || (a == 100 && b >= 64 && b < 128)    // carriers' NAT, RFC 6598
               || (a == 198 && (b == 18 || b == 19))  // RFC 2544
               || a >= 224;                           // multicast, reserved
    }
    const unsigned a = octets_[0], b = octets_[1];
    if ((a & 0xfe) == 0xfc                    // RFC 4193
        || (a == 0xfe && (b & 0x80) == 0x80)  // fe80::/10, fec0::/10
        || a == 0xff)
        return true;
    const auto begins_with = [this](std::initializer_list<std::uint8_t> octets) {
        return std::equal(octets.begin(), octets.end(), octets_.begin());
    };
    const auto holds_private_v4 = [this](std::size_t at) {
        return from_v4({octets_[at], octets_[at + 1], octets_[at + 2], octets_[at + 3]}).is_private();
    };
    if (begins_with({0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) return holds_private_v4(12);  // NAT64, RFC 6052
    if (begins_with({0x20, 0x02})) return holds_private_v4(2);                                      // 6to4, RFC 3056
    return begins_with({0x00, 0x64, 0xff, 0x9b, 0x00, 0x01})             // local NAT64, RFC 8215
           || begins_with({0x01, 0x00, 0, 0, 0, 0, 0, 0})                // discard, RFC 6666
           || begins_with({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});         // "IPv4-compatible", RFC 4291 s2.5.5.1
}

std::string IpAddress::to_string() const {
    char buffer[INET6_ADDRSTRLEN] = {};
    if (is_v4())
        inet_ntop(AF_INET, octets_.data() + 12, buffer, sizeof buffer);
    else
        inet_ntop(AF_INET6, octets_.data(), buffer, sizeof buffer);
    return buffer;
}

Result<IpNetwork> IpNetwork::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::string_view address_text = text.substr(0, slash);
    auto address = IpAddress::parse(address_text);
    if (!address)
        return Error{quoted(text) +
                     " is not a network; write it as 192.0.2.0/24, 2001:db8::/32, or a single address"};
    const unsigned width = address_text.find(':') == std::string_view::npos ? 32 : 128;
    unsigned prefix = 128;
    if (slash != std::string_view::npos) {
        const auto length = text::parse_unsigned(text.substr(slash + 1), width);
        if (!length)
            return Error{quoted(text) + ": the length after the slash must be a number from 0 to " +
                         std::to_string(width)};
        prefix = static_cast<unsigned>(*length) + (128 - width);
    }
    IpAddress base = *address;
    for (unsigned bit = prefix; bit < 128; ++bit)
        base.octets_[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
    if (base != *address)
        return Error{quoted(text) + " has bits set behind its length; the network is " +
                     IpNetwork(base, prefix).to_string()};
    return IpNetwork(base, prefix);
}

bool IpNetwork::contains(const IpAddress& address) const {
    // "::/0" is every IPv6 address, not also every IPv4 address in its mapped form.
    const bool v4_network = base_.is_v4() && prefix_ >= 96;
    if (v4_network != address.is_v4()) return false;
    const std::size_t whole = prefix_ / 8;
    if (!std::equal(base_.octets_.begin(), base_.octets_.begin() + static_cast<std::ptrdiff_t>(whole),
                    address.octets_.begin()))
        return false;
    const unsigned left = prefix_ % 8;
    if (left == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xff00U >> left);
    return (base_.octets_[whole] & mask) == (address.octets_[whole] & mask);
}

std::string IpNetwork::to_string() const {
    const bool v4_network = base_.is_v4() && prefix_ >= 96;
    return base_.to_string() + "/" + std::to_string(v4_network ? prefix_ - 96 : prefix_);
}

std::string Endpoint::to_string() const {
    if (is_unix()) return "unix:" + unix_path;
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Endpoint> Endpoint::parse(std::string_view text, std::uint16_t default_port) {
    constexpr std::string_view kForms =
        "; write it as 127.0.0.1:25, [::1]:587, *:25 or unix:/run/posthorn/submit.sock";
    Endpoint endpoint;
    if (text.starts_with("unix:")) {
        const std::string_view path = text.substr(5);
        if (!path.starts_with('/'))
            return Error{quoted(text) + ": the path of a unix socket must begin with /"};
        if (path.find('\0') != std::string_view::npos || path.size() >= sizeof(sockaddr_un::sun_path))
            return Error{quoted(text) + ": the path of a unix socket may have at most " +
                         std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " octets"};
        endpoint.unix_path = path;
        return endpoint;
    }

    std::string_view host = text;
    std::string_view port;
    bool has_port = false;
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return Error{quoted(text) + " has no ]" + std::string(kForms)};
        host = text.substr(1, close - 1);
        const std::string_view rest = text.substr(close + 1);
        if (!rest.empty()) {
            if (rest.front() != ':')
                return Error{quoted(text) + ": after ] comes :port" + std::string(kForms)};
            port = rest.substr(1);
            has_port = true;
        }
        if (host.find(':') == std::string_view::npos)
            return Error{quoted(text) + ": brackets are for IPv6 addresses" + std::string(kForms)};
    } else if (const std::size_t colon = text.find(':');
               colon != std::string_view::npos && colon == text.rfind(':')) {
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
        has_port = true;
    }

    if (host == "*") host = "0.0.0.0";
    const auto address = IpAddress::parse(host);
    if (!address)
        return Error{quoted(text) + " is not an address to listen on or connect to" + std::string(kForms)};
    endpoint.host = address->to_string();
    if (!has_port) {
        if (default_port == 0) return Error{quoted(text) + " names no port" + std::string(kForms)};
        endpoint.port = default_port;
        return endpoint;
    }
    const auto number = text::parse_unsigned(port, 65535);
    if (!number) return Error{quoted(text) + ": the port must be a number from 0 to 65535"};
    endpoint.port = static_cast<std::uint16_t>(*number);
    return endpoint;
}

}  // namespace posthorn
