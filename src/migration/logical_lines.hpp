// Lines as Postfix reads them: a line that begins with white space continues the one before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace posthorn::migration {

// One logical line of main.cf, master.cf or a table (postconf(5), "main.cf file format"; aliases, access(5)
// and so on).
struct LogicalLine {
    std::string text;        // of all its lines, without their ends; the white space that begins each is kept
    std::uint32_t line = 0;  // of the first
    std::vector<std::pair<std::size_t, std::uint32_t>> lines;  // from which octet of text on it is which line

    [[nodiscard]] std::uint32_t line_at(std::size_t octet) const;
};

// Empty lines and comments (first visible sign "#") are left out, also between the parts of one logical line.
// What begins with white space before any logical line is reported as a line of its own, whose text begins
// with white space.
[[nodiscard]] std::vector<LogicalLine> logical_lines(std::string_view text);

}  // namespace posthorn::migration
