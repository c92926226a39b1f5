// Watching content that comes in chunks.
#include "smtp/protocol/chunk_scanner.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::smtp::protocol {

void ChunkScanner::feed(std::string_view octets) {
    facts_.size += octets.size();
    facts_.nul = facts_.nul || octets.find('\0') != std::string_view::npos;
    facts_.has_8bit = facts_.has_8bit || !text::is_ascii(octets);
    while (!octets.empty()) {
        if (after_cr_) {
            after_cr_ = false;
            if (octets.front() == '\n') {
                facts_.longest_line = std::max(facts_.longest_line, line_);
                line_ = 0;
                octets.remove_prefix(1);
                continue;
            }
            facts_.bare_cr = true;
            ++line_;
        }
        if (line_ == 0 && octets.front() == '.') facts_.has_leading_dot = true;
        const std::string_view piece = octets.substr(0, octets.find('\r'));
        facts_.bare_lf = facts_.bare_lf || piece.find('\n') != std::string_view::npos;
        line_ += piece.size();
        octets.remove_prefix(piece.size());
        if (octets.empty()) return;
        after_cr_ = true;
        octets.remove_prefix(1);
    }
}

void ChunkScanner::finish(std::string& out) {
    facts_.bare_cr = facts_.bare_cr || after_cr_;
    if (line_ == 0 && !after_cr_) return;
    facts_.longest_line = std::max(facts_.longest_line, line_);
    facts_.size += 2;
    out += "\r\n";
}

}  // namespace posthorn::smtp::protocol
