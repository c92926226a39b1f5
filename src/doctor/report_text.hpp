// A report as people read it: 80 columns, the worst first, records at the margin so that they can be copied
// whole.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "doctor/finding.hpp"

namespace posthorn::doctor {

struct TextOptions {
    bool colour = false;
    std::size_t width = 80;  // records and commands are never broken, whatever their length
};
[[nodiscard]] std::string to_text(const Report& report, const TextOptions& options);

// The verdict, then what fails and what is warned of, but for what the reader knows already: findings that only say that records are not there
// which were shown to him as missing. known: those, as lines of a zone file; names and types count.
[[nodiscard]] std::string verdict_text(const Report& report, std::span<const std::string> known, const TextOptions& options);

// `text` in lines of at most `width` columns, each after `indent` blanks; its own line ends stay, and what
// begins with blanks keeps them. A word that is longer than a line stays whole.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t indent, std::size_t width);

}  // namespace posthorn::doctor
