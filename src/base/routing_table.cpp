// Reads /proc/net/route and /proc/net/ipv6_route.
#include "base/routing_table.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>

#include "base/text.hpp"

namespace posthorn {
namespace {

constexpr std::uint32_t kUp = 0x0001, kGateway = 0x0002, kReject = 0x0200;  // RTF_*, linux/route.h

std::vector<std::string_view> columns_of(std::string_view line) {
    std::vector<std::string_view> columns;
    while (!line.empty()) {
        const auto begin = std::find_if_not(line.begin(), line.end(), text::is_blank);
        const auto end = std::find_if(begin, line.end(), text::is_blank);
        if (begin != end) columns.emplace_back(&*begin, static_cast<std::size_t>(end - begin));
        line.remove_prefix(static_cast<std::size_t>(end - line.begin()));
    }
    return columns;
}

std::optional<std::uint32_t> hex32(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (text.size() != 8 || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

bool is_route(std::optional<std::uint32_t> flags) {
    return flags && (*flags & (kUp | kGateway | kReject)) == (kUp | kGateway);
}

template <class ReadLine>
std::vector<IpAddress> gateways(std::string_view table, ReadLine read_line) {
    std::vector<IpAddress> found;
    while (!table.empty()) {
        const std::string_view line = text::take_field(table, '\n');
        const std::optional<IpAddress> gateway = read_line(columns_of(line));
        const bool named = gateway && !gateway->is_unspecified();
        if (named && std::find(found.begin(), found.end(), *gateway) == found.end())
            found.push_back(*gateway);
    }
    return found;
}

}  // namespace

std::vector<IpAddress> default_gateways_v4(std::string_view route_table) {
    // Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
    return gateways(
        route_table, [](const std::vector<std::string_view>& columns) -> std::optional<IpAddress> {
            if (columns.size() < 8) return std::nullopt;
            const auto destination = hex32(columns[1]), gateway = hex32(columns[2]), mask = hex32(columns[7]);
            std::uint32_t flags = 0;
            std::from_chars(columns[3].data(), columns[3].data() + columns[3].size(), flags, 16);
            if (!destination || !gateway || !mask || *destination != 0 || *mask != 0 || !is_route(flags))
                return std::nullopt;
            // The number is the address as it lies in memory, read as an integer of this machine.
            std::array<std::uint8_t, 4> octets{};
            std::memcpy(octets.data(), &*gateway, octets.size());
            return IpAddress::from_v4(octets);
        });
}

std::vector<IpAddress> default_gateways_v6(std::string_view route_table) {
    // destination prefix source prefix next-hop metric references uses flags device
    return gateways(
        route_table, [](const std::vector<std::string_view>& columns) -> std::optional<IpAddress> {
            if (columns.size() < 10 || columns[0] != std::string_view("00000000000000000000000000000000") ||
                columns[1] != "00" || columns[4].size() != 32 || !is_route(hex32(columns[8]))) {
                return std::nullopt;
            }
            std::array<std::uint8_t, 16> octets{};
            for (std::size_t i = 0; i < octets.size(); ++i) {
                const int high = text::hex_value(columns[4][2 * i]),
                          low = text::hex_value(columns[4][2 * i + 1]);
                if (high < 0 || low < 0) return std::nullopt;
                octets[i] = static_cast<std::uint8_t>(high << 4 | low);
            }
            return IpAddress::from_v6(octets);
        });
}

}  // namespace posthorn
