// Cutting of long header lines: see refold.hpp.
#include "mail/refold.hpp"

#include "base/text.hpp"
#include "mail/mime_text.hpp"

namespace posthorn::mail {
namespace {

// The places of one line where a fold may stand.
class Folds {
public:
    Folds(std::string_view line, bool is_list) : line_(line), is_list_(is_list) {}

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
    // State of quotes and comments is kept from the line's beginning on; places are asked for from left to right, some twice.
    bool behind_comma(std::size_t at) {
        if (!is_list_) return false;
        if (at < seen_) {
            seen_ = 0;
            quoted_ = false;
            depth_ = 0;
        }
        for (; seen_ < at; ++seen_) {
            const char c = line_[seen_];
            if (c == '\\') {
                ++seen_;
            } else if (quoted_ || c == '"') {
                if (c == '"') quoted_ = !quoted_;
            } else if (c == '(') {
                ++depth_;
            } else if (c == ')' && depth_ > 0) {
                --depth_;
            }
        }
        return !quoted_ && depth_ == 0 && line_[at - 1] == ',' && !text::is_blank(line_[at]);
    }

    std::string_view line_;
    bool is_list_;
    std::size_t seen_ = 0;
    bool quoted_ = false;
    std::size_t depth_ = 0;
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
