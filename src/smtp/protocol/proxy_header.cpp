// Takes the two forms of a PROXY header apart.
#include "smtp/protocol/proxy_header.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace posthorn::smtp::protocol {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSignature1 = "PROXY "sv;
constexpr std::string_view kSignature2 = "\r\n\r\n\0\r\nQUIT\n"sv;  // s2.2: no SMTP client begins like this
constexpr std::size_t kFixed2 = 16;                                 // signature, version, family, length
constexpr std::size_t kTypeCrc32c = 0x03;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0x82f63b78U : 0U);
        table[i] = crc;
    }
    return table;
}

// RFC 3720 appendix B.4.
std::uint32_t crc32c(std::string_view data) {
    static constexpr auto kTable = make_crc_table();
    std::uint32_t crc = 0xffffffffU;
    for (const char c : data) crc = (crc >> 8U) ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xffU];
    return ~crc;
}

std::size_t octet(std::string_view data, std::size_t at) {
    return static_cast<unsigned char>(data[at]);
}

std::size_t big_endian(std::string_view data, std::size_t at, std::size_t size) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8U | octet(data, at + i);
    return value;
}

// s2.1: decimal, no leading zero.
std::optional<std::uint16_t> parse_port(std::string_view text) {
    if (text.size() > 1 && text.front() == '0') return std::nullopt;
    const auto number = text::parse_unsigned(text, 65535);
    if (!number) return std::nullopt;
    return static_cast<std::uint16_t>(*number);
}

// An address of the family its line names: dots for TCP4, colons for TCP6.
std::optional<IpAddress> parse_address(std::string_view text, bool v6) {
    if ((text.find(':') != std::string_view::npos) != v6) return std::nullopt;
    const auto address = IpAddress::parse(text);
    return address ? std::optional(*address) : std::nullopt;
}

}  // namespace

ProxyHeaderReader::Step ProxyHeaderReader::malformed(std::string_view why) {
    problem_ = why;
    octets_.clear();
    return {Progress::malformed, 0};
}

std::size_t ProxyHeaderReader::wanted() const {
    const std::string_view begin = octets_;
    if (begin.starts_with(kSignature1)) return begin.size() + 1;  // until its CRLF
    if (kSignature1.starts_with(begin)) return kSignature1.size();
    if (begin.substr(0, kSignature2.size()) != kSignature2.substr(0, begin.size())) return 0;
    return begin.size() < kFixed2 ? kFixed2 : kFixed2 + big_endian(begin, 14, 2);
}

ProxyHeaderReader::Step ProxyHeaderReader::feed(std::string_view in) {
    std::size_t taken = 0;
    for (;;) {
        const std::size_t size = wanted();
        if (size == 0) return malformed("it does not begin with a PROXY header");
        const bool text = octets_.size() >= kSignature1.size() && octets_.front() == 'P';
        if (!text && octets_.size() >= kFixed2) {
            if ((octet(octets_, 12) >> 4U) != 2) return malformed("its version is neither 1 nor 2");
            if (size > kMaxVersion2) return malformed("it is longer than 4096 octets");
            if (octets_.size() == size) {
                if (!read_version2()) return malformed(problem_);
                return {Progress::complete, taken};
            }
        }
        if (taken == in.size()) return {Progress::incomplete, taken};
        const std::size_t piece = std::min(size - octets_.size(), in.size() - taken);
        octets_.append(in.substr(taken, piece));
        taken += piece;
        if (text) {
            if (octets_.ends_with("\r\n")) {
                if (!read_version1(std::string_view(octets_).substr(0, octets_.size() - 2))) {
                    return malformed(problem_);
                }
                return {Progress::complete, taken};
            }
            if (octets_.back() == '\n') return malformed("its line ends without a carriage return");
            if (octets_.size() >= kMaxVersion1) return malformed("its line is longer than 107 octets");
        }
    }
}

bool ProxyHeaderReader::read_version1(std::string_view line) {
    header_.version = 1;
    line.remove_prefix(kSignature1.size());
    // s2.1: what follows UNKNOWN is to be ignored.
    if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return true;
    const std::string_view family = text::take_field(line, ' ');
    const bool v6 = family == "TCP6";
    if (!v6 && family != "TCP4") {
        problem_ = "its family is not TCP4, TCP6 or UNKNOWN";
        return false;
    }
    const auto source = parse_address(text::take_field(line, ' '), v6);
    const auto destination = parse_address(text::take_field(line, ' '), v6);
    const auto source_port = parse_port(text::take_field(line, ' '));
    const auto destination_port = parse_port(line);
    if (!source || !destination || !source_port || !destination_port) {
        problem_ = "it does not name two addresses and two ports";
        return false;
    }
    header_.client = *source;
    header_.client_port = *source_port;
    return true;
}

bool ProxyHeaderReader::read_version2() {
    const std::string_view all = octets_;
    header_.version = 2;
    const std::size_t command = octet(all, 12) & 0x0fU;
    if (command > 1) {
        problem_ = "its command is neither LOCAL nor PROXY";
        return false;
    }
    if (command == 0) return true;  // s2.2: whatever a LOCAL block holds is ignored
    std::size_t addresses = 0;
    switch (octet(all, 13)) {
        case 0x00:
            addresses = 0;
            break;  // UNSPEC
        case 0x11:
            addresses = 12;
            break;  // TCP over IPv4
        case 0x21:
            addresses = 36;
            break;  // TCP over IPv6
        case 0x31:
            addresses = 216;
            break;  // a unix stream
        default:
            problem_ = "its family is not a stream over IPv4, IPv6 or a unix socket";
            return false;
    }
    if (all.size() - kFixed2 < addresses) {
        problem_ = "it is too short for its addresses";
        return false;
    }
    const std::string_view block = all.substr(kFixed2);
    if (addresses == 12) {
        std::array<std::uint8_t, 4> source{};
        std::copy_n(block.begin(), source.size(), source.begin());
        header_.client = IpAddress::from_v4(source);
        header_.client_port = static_cast<std::uint16_t>(big_endian(block, 8, 2));
    } else if (addresses == 36) {
        std::array<std::uint8_t, 16> source{};
        std::copy_n(block.begin(), source.size(), source.begin());
        header_.client = IpAddress::from_v6(source);
        header_.client_port = static_cast<std::uint16_t>(big_endian(block, 32, 2));
    }
    // s2.2: with UNSPEC the rest of the block is skipped unread.
    return addresses == 0 || check_extensions(block.substr(addresses), kFixed2 + addresses);
}

bool ProxyHeaderReader::check_extensions(std::string_view extensions, std::size_t at) {
    while (!extensions.empty()) {
        if (extensions.size() < 3 || extensions.size() - 3 < big_endian(extensions, 1, 2)) {
            problem_ = "one of its extensions is cut off";
            return false;
        }
        const std::size_t size = big_endian(extensions, 1, 2);
        if (octet(extensions, 0) ==
            kTypeCrc32c) {  // s2.2.3: over the whole header, with zeros in its own place
            const std::size_t sum = size == 4 ? big_endian(extensions, 3, 4) : 0;
            std::string plain = octets_;
            if (size == 4) plain.replace(at + 3, 4, 4, '\0');
            if (size != 4 || crc32c(plain) != sum) {
                problem_ = "its checksum is wrong";
                return false;
            }
        }
        extensions.remove_prefix(3 + size);
        at += 3 + size;
    }
    return true;
}

}  // namespace posthorn::smtp::protocol
