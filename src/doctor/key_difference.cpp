// The first character that differs, with what stands around it.
#include "doctor/key_difference.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::doctor {
namespace {

constexpr std::size_t kBefore = 20, kShown = 48;

// The value of p= as it stands, odd characters and all; a record that is no list of tags may still hold it.
std::string_view p_of(std::string_view record) {
    for (const std::string_view piece : text::split(record, ';')) {
        const std::string_view tag = text::trim(piece);
        const std::size_t equals = tag.find('=');
        if (equals != std::string_view::npos && text::iequals(text::trim(tag.substr(0, equals)), "p"))
            return text::trim(tag.substr(equals + 1));
    }
    return {};
}

std::string shown(std::string_view text, std::size_t from) {
    std::string out = from > 0 ? "..." : "";
    for (const char c : text.substr(std::min(from, text.size()), kShown))
        out += text::is_graphic(c) && !text::is_8bit(c) ? c : '?';
    if (from + kShown < text.size()) out += "...";
    return out;
}

}  // namespace

std::string key_difference(std::string_view published, std::string_view ours) {
    std::string theirs;
    // Blanks within p= do not count (RFC 6376 s3.2).
    for (const char c : p_of(published))
        if (!text::is_space(c)) theirs += c;
    if (theirs.empty() || theirs == ours) return {};
    const std::size_t length = std::min(theirs.size(), ours.size());
    const auto at = static_cast<std::size_t>(
        std::mismatch(theirs.begin(), theirs.begin() + static_cast<std::ptrdiff_t>(length), ours.begin())
            .first -
        theirs.begin());
    const std::size_t from = at > kBefore ? at - kBefore : 0;
    return fmt::format("  in DNS   {}\n  on disk  {}\n           {}^", shown(theirs, from), shown(ours, from),
                       std::string((from > 0 ? 3 : 0) + at - from, ' '));
}

}  // namespace posthorn::doctor
