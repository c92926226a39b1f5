// Octal fields, a checksum over the header, and a name cut at a slash where it is long.
#include "backup/tar.hpp"

#include <algorithm>
#include <cstring>

namespace posthorn::backup {

namespace {

// Offsets and sizes of the fields of POSIX.1-1988's ustar header.
constexpr std::size_t kName = 0, kNameSize = 100;
constexpr std::size_t kMode = 100, kUid = 108, kGid = 116, kShort = 8;
constexpr std::size_t kSize = 124, kModified = 136, kLong = 12;
constexpr std::size_t kChecksum = 148;
constexpr std::size_t kType = 156;
constexpr std::size_t kMagic = 257;
constexpr std::size_t kPrefix = 345, kPrefixSize = 155;
constexpr std::uint64_t kMostOctal = (std::uint64_t{1} << 33U) - 1;   // eleven digits

// Digits and a NUL behind them. A number too large for that: octets, the first with its top bit set (as GNU tar, pax and bsdtar).
void put_number(char* to, std::size_t size, std::uint64_t value) {
    if (value <= kMostOctal) {
        for (std::size_t i = size - 1; i-- > 0; value >>= 3U) to[i] = static_cast<char>('0' + (value & 7U));
        return;
    }
    for (std::size_t i = size; i-- > 0; value >>= 8U) to[i] = static_cast<char>(value & 0xffU);
    to[0] = static_cast<char>(0x80);
}

std::optional<std::uint64_t> number_at(std::string_view field) {
    std::uint64_t value = 0;
    if ((static_cast<unsigned char>(field[0]) & 0x80U) != 0) {
        for (std::size_t i = 1; i < field.size(); ++i) {
            if (value >> 55U != 0) return std::nullopt;
            value = (value << 8U) | static_cast<unsigned char>(field[i]);
        }
        return value;
    }
    bool any = false;
    for (const char c : field) {
        if (c == ' ' && !any) continue;
        if (c == '\0' || c == ' ') break;
        if (c < '0' || c > '7') return std::nullopt;
        value = (value << 3U) | static_cast<std::uint64_t>(c - '0');
        any = true;
    }
    return any ? std::optional(value) : std::nullopt;
}

// Over all octets, those of the checksum itself taken as spaces.
std::uint64_t checksum_of(std::string_view block) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < block.size(); ++i)
        sum += i >= kChecksum && i < kChecksum + kShort ? static_cast<unsigned char>(' ') : static_cast<unsigned char>(block[i]);
    return sum;
}

std::string_view text_at(std::string_view field) { return field.substr(0, field.find('\0')); }

bool stays_inside(std::string_view name) {
    if (name.empty() || name.front() == '/') return false;
    for (;;) {
        const std::size_t slash = name.find('/');
        const std::string_view part = name.substr(0, slash);
        if (part.empty() || part == "." || part == "..") return false;
        if (slash == std::string_view::npos) return true;
        name.remove_prefix(slash + 1);
    }
}

}  // namespace

std::optional<std::array<char, kTarBlock>> tar_block(const TarHeader& header) {
    std::string_view name = header.name, prefix;
    if (!stays_inside(name) || name.size() > kMostTarName || name.find('\0') != std::string_view::npos) return std::nullopt;
    if (name.size() > kNameSize) {
        const std::size_t slash = name.find('/', name.size() - kNameSize - 1);
        if (slash == std::string_view::npos || slash > kPrefixSize || slash + 1 == name.size()) return std::nullopt;
        prefix = name.substr(0, slash);
        name.remove_prefix(slash + 1);
    }
    std::array<char, kTarBlock> block{};
    std::memcpy(block.data() + kName, name.data(), name.size());
    if (!prefix.empty()) std::memcpy(block.data() + kPrefix, prefix.data(), prefix.size());
    put_number(block.data() + kMode, kShort, header.mode & 07777U);
    put_number(block.data() + kUid, kShort, 0);
    put_number(block.data() + kGid, kShort, 0);
    put_number(block.data() + kSize, kLong, header.size);
    put_number(block.data() + kModified, kLong, header.modified < 0 ? 0 : static_cast<std::uint64_t>(header.modified));
    block[kType] = '0';
    std::memcpy(block.data() + kMagic, "ustar\00000", 8);
    // Six digits, a NUL, a space.
    put_number(block.data() + kChecksum, kShort - 1, checksum_of({block.data(), block.size()}));
    block[kChecksum + kShort - 1] = ' ';
    return block;
}

std::optional<TarHeader> read_tar_block(std::string_view block) {
    if (block.size() != kTarBlock || block.substr(kMagic, 5) != "ustar") return std::nullopt;
    const auto checksum = number_at(block.substr(kChecksum, kShort));
    const auto mode = number_at(block.substr(kMode, kShort)), size = number_at(block.substr(kSize, kLong));
    const auto modified = number_at(block.substr(kModified, kLong));
    if (!checksum || *checksum != checksum_of(block) || !mode || !size || !modified) return std::nullopt;
    if (block[kType] != '0' && block[kType] != '\0') return std::nullopt;
    TarHeader header;
    const std::string_view prefix = text_at(block.substr(kPrefix, kPrefixSize));
    header.name = prefix.empty() ? std::string() : std::string(prefix) + "/";
    header.name += text_at(block.substr(kName, kNameSize));
    if (!stays_inside(header.name)) return std::nullopt;
    header.size = *size;
    header.mode = static_cast<std::uint32_t>(*mode & 07777U);
    header.modified = static_cast<std::int64_t>(*modified);
    return header;
}

bool is_end_block(std::string_view block) {
    return block.size() == kTarBlock && std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; });
}

}  // namespace posthorn::backup
