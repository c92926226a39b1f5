// Cutting of long header lines: see refold.hpp.
#include "mail/refold.hpp"

#include <vector>

#include "base/text.hpp"
#include "mail/mime_text.hpp"

namespace posthorn::mail {
namespace {

// The places of one line where a fold may stand.
class Folds {
public:
    Folds(std::string_view line, bool is_list) : line_(line) {
        if (is_list) find_commas();
    }

    // Behind `from`: the last place within 78 columns, else the first one. npos: none.
    std::size_t next(std::size_t from, std::size_t indent) {
        std::size_t best = std::string_view::npos;
        bool text = false;   // a line of blanks alone is obsolete syntax (RFC 5322 s4.2)
        for (std::size_t at = from; at < line_.size(); ++at) {
            const char c = line_[at];
            const bool blank = text::is_blank(c);
            const bool here = blank && text && !text::is_blank(line_[at - 1]) &&
                              line_.find_first_not_of(" \t", at) != std::string_view::npos;
            if (here || (at > from && behind_comma(at))) {
                if (best != std::string_view::npos && indent + at - from > kColumns) return best;
                best = at;
            }
            if (indent + at - from > kColumns && best != std::string_view::npos) return best;
            text = text || !blank;
        }
        return best;
    }

private:
    // Of a list alone; all at once, since places are asked for more than once and a line may be as long as a header.
    void find_commas() {
        behind_comma_.resize(line_.size());
        bool quoted = false;
        std::size_t depth = 0;
        for (std::size_t at = 0; at + 1 < line_.size(); ++at) {
            const char c = line_[at];
            if (c == '\\') {
                ++at;
            } else if (quoted || c == '"') {
                if (c == '"') quoted = !quoted;
            } else if (c == '(') {
                ++depth;
            } else if (c == ')' && depth > 0) {
                --depth;
            } else if (c == ',' && depth == 0) {
                behind_comma_[at + 1] = !text::is_blank(line_[at + 1]);
            }
        }
    }
    [[nodiscard]] bool behind_comma(std::size_t at) const { return !behind_comma_.empty() && behind_comma_[at]; }

    std::string_view line_;
    std::vector<bool> behind_comma_;  // by place; empty: not a list
};

}  // namespace

std::optional<std::string> refold(std::string_view fields, bool is_list) {
    std::string out;
    out.reserve(fields.size() + fields.size() / 32);
    while (!fields.empty()) {
        std::string_view line = text::take_field(fields, '\n');
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.size() <= kMaxLineOctets) {
            out.append(line).append("\r\n");
            continue;
        }
        Folds folds(line, is_list);
        // The name and its colon are not parted from what follows.
        std::size_t from = 0;
        std::size_t indent = 0;
        while (line.size() - from + indent > kColumns) {
            const std::size_t cut = folds.next(from, indent);
            const std::size_t end = cut == std::string_view::npos ? line.size() : cut;
            if (end - from + indent > kMaxLineOctets) return std::nullopt;
            out += line.substr(from, end - from);
            from = end;
            if (cut == std::string_view::npos) break;
            out += "\r\n";
            indent = 0;
            if (!text::is_blank(line[cut])) {
                out += ' ';
                indent = 1;
            }
        }
        out.append(line.substr(from)).append("\r\n");
    }
    return out;
}

}  // namespace posthorn::mail
