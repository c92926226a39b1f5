// The headers of a tar archive (POSIX.1-1988 ustar), to and from values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace posthorn::backup {

inline constexpr std::size_t kTarBlock = 512;          // headers are one block, contents are filled up to whole ones
inline constexpr std::size_t kMostTarName = 255;       // octets; ustar's prefix, a slash and its name

// A regular file: archives of ours have nothing else.
struct TarHeader {
    std::string name;                                  // relative, with '/'
    std::uint64_t size = 0;                            // octets
    std::uint32_t mode = 0600;
    std::int64_t modified = 0;                         // seconds of Unix time
};

// Nothing: the name is empty, too long, or cannot be split where ustar wants it.
[[nodiscard]] std::optional<std::array<char, kTarBlock>> tar_block(const TarHeader& header);

// Nothing: the block is no header of a regular file with a right checksum. A name is taken only where it cannot lead out of the
// directory it is unpacked in: relative, no "..", no empty part, no NUL.
[[nodiscard]] std::optional<TarHeader> read_tar_block(std::string_view block);

// The end of an archive is two blocks of zeros.
[[nodiscard]] bool is_end_block(std::string_view block);

// How many octets of zeros follow a content.
[[nodiscard]] constexpr std::size_t tar_padding(std::uint64_t size) { return static_cast<std::size_t>((kTarBlock - size % kTarBlock) % kTarBlock); }

}  // namespace posthorn::backup
