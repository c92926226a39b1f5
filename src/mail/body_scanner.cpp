// The facts of a body, incrementally: see body_scanner.hpp.
#include "mail/body_scanner.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/text.hpp"
#include "mail/mime_text.hpp"

namespace posthorn::mail {

namespace {

std::uint32_t clamp(std::uint64_t octets) {
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
    return static_cast<std::uint32_t>(std::min(octets, kMost));
}

}  // namespace

void BodyScanner::feed(std::string_view chunk) {
    if (chunk.empty()) return;
    facts_.size += chunk.size();
    if (!facts_.has_8bit && !text::is_ascii(chunk)) facts_.has_8bit = true;

    // Line by line with memchr: a body is mostly text between line ends. A line ends at CRLF; a bare LF is an
    // octet of its line.
    while (!chunk.empty()) {
        if (at_line_start_ && chunk.front() == '.') facts_.has_leading_dot = true;
        const auto* const lf = static_cast<const char*>(std::memchr(chunk.data(), '\n', chunk.size()));
        if (lf == nullptr) {
            line_ += chunk.size();
            last_was_cr_ = chunk.back() == '\r';
            at_line_start_ = false;
            return;
        }
        const auto before = static_cast<std::size_t>(lf - chunk.data());
        const bool ends_line = before > 0 ? chunk[before - 1] == '\r' : last_was_cr_;
        line_ += before;
        if (ends_line) {
            facts_.longest_line = std::max(facts_.longest_line, clamp(line_ - 1));
            ++lines_;
            if (line_ - 1 > kMaxLineOctets && long_line_ == 0) long_line_ = lines_;
            line_ = 0;
        } else {
            line_ += 1;
        }
        at_line_start_ = ends_line;
        last_was_cr_ = false;
        chunk.remove_prefix(before + 1);
    }
}

std::uint64_t BodyScanner::first_long_line() const {
    if (long_line_ != 0) return long_line_;
    return line_ > kMaxLineOctets ? lines_ + 1 : 0;
}

BodyFacts BodyScanner::facts() const {
    BodyFacts facts = facts_;
    facts.longest_line = std::max(facts.longest_line, clamp(line_));
    facts.ends_with_crlf = at_line_start_;
    return facts;
}

}  // namespace posthorn::mail
