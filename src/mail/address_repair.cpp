// Each repair is an edit of a few octets; all edits are made in one pass: see address_repair.hpp.
#include "mail/address_repair.hpp"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "mail/domain.hpp"
#include "mail/encoded_word.hpp"

namespace posthorn::mail {
namespace {

struct Edit {
    Span span;
    std::string text;
};

// A display name as a reader shows it: quotes and folds undone, one blank between words.
std::string shown(std::string_view display) {
    std::string text;
    bool quoted = false;
    for (std::size_t i = 0; i < display.size(); ++i) {
        char c = display[i];
        if (c == '"') {
            quoted = !quoted;
            continue;
        }
        if (quoted && c == '\\' && i + 1 < display.size()) c = display[++i];
        if (c == '\r' || c == '\n') continue;
        if (c == '\t') c = ' ';
        if (c == ' ' && !quoted && text.ends_with(' ')) continue;
        text += c;
    }
    return text;
}

class Repair {
public:
    Repair(std::string_view value, std::size_t column, const AddressPolicy& policy)
        : value_(value), first_column_(column), policy_(policy) {}

    AddressRepair run(const AddressField& field) {
        const bool to_encode = !policy_.utf8 && !text::is_ascii(value_);
        if (to_encode && (!policy_.encode || !field.sound || !text::is_utf8(value_))) return mistake(AddressMistake::eight_bit);
        for (const AddressPlace& place : field.addresses) {
            if (!place.sound) continue;   // of To and Cc; what cannot be read stays as it is
            if (const AddressMistake wrong = address(place, to_encode); wrong != AddressMistake::none) return mistake(wrong);
            if (to_encode && !text::is_ascii(place.display.of(value_))) {
                encode(place.display, shown(place.display.of(value_)));
            } else if (place.display_has_at && place.display.of(value_).find('"') == std::string_view::npos) {
                edits_.push_back({place.display, '"' + std::string(place.display.of(value_)) + '"'});
                out_.quoted = true;
            }
        }
        sort_edits();
        of_addresses_ = edits_.size();
        for (const Span& comment : field.comments) {
            const std::string_view text = comment.of(value_);
            if (!to_encode || text::is_ascii(text) || inside_an_edit(comment)) continue;
            encode({comment.begin + 1, comment.end - 1}, shown(text.substr(1, text.size() - 2)));
        }
        // What is left would be in a group's name or between the parts of an address.
        apply();
        if (to_encode && !text::is_ascii(out_.value)) return mistake(AddressMistake::eight_bit);
        return std::move(out_);
    }

private:
    static AddressRepair mistake(AddressMistake what) {
        AddressRepair repair;
        repair.mistake = what;
        return repair;
    }

    AddressMistake address(const AddressPlace& place, bool to_encode) {
        const std::string_view local = place.local.of(value_);
        const std::string_view domain = place.domain.of(value_);
        // RFC 2047 s5: never in an addr-spec. Programs that encode the whole field, address and all, make such things.
        if (is_encoded_word(local) || domain.find("=?") != std::string_view::npos) return AddressMistake::encoded_word;
        if (to_encode && !text::is_ascii(local)) return AddressMistake::eight_bit;
        if (domain.empty()) {
            if (policy_.keep_bare) return AddressMistake::none;
            if (!policy_.complete || policy_.domain.empty()) return AddressMistake::bare;
            edits_.push_back({{place.local.end, place.local.end}, "@" + std::string(policy_.domain)});
            out_.completed = true;
        } else if (!policy_.domain.empty() && is_local(domain)) {
            edits_.push_back({place.domain, std::string(policy_.domain)});
            out_.completed = true;
        } else if (to_encode && !text::is_ascii(domain)) {
            Result<std::string> ascii = to_ascii(domain);
            if (!ascii) return AddressMistake::eight_bit;
            edits_.push_back({place.domain, std::move(*ascii)});
            out_.encoded = true;
        }
        return AddressMistake::none;
    }

    [[nodiscard]] bool is_local(std::string_view domain) const {
        return std::any_of(policy_.local_domains.begin(), policy_.local_domains.end(),
                           [domain](const std::string& name) { return text::iequals(name, domain); });
    }

    // Addresses and comments are looked at from left to right, thousands of them: no step goes back to the beginning.
    void encode(const Span& span, const std::string& text) {
        if (span.begin < seen_) seen_ = line_begin_ = 0;  // the first comment, after the last address
        for (; seen_ < span.begin; ++seen_) {
            if (value_[seen_] == '\n') line_begin_ = seen_ + 1;
        }
        const std::size_t column = line_begin_ == 0 ? first_column_ + span.begin : span.begin - line_begin_;
        edits_.push_back({span, encode_phrase(text, column)});
        out_.encoded = true;
    }

    // Of those made for addresses, which are sorted and do not overlap.
    [[nodiscard]] bool inside_an_edit(const Span& span) const {
        const auto end = edits_.begin() + static_cast<std::ptrdiff_t>(of_addresses_);
        const auto after = std::upper_bound(edits_.begin(), end, span.begin, [](std::size_t begin, const Edit& edit) {
            return begin < edit.span.begin;
        });
        return after != edits_.begin() && span.end <= std::prev(after)->span.end;
    }

    void sort_edits() {
        std::sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) { return a.span.begin < b.span.begin; });
    }

    void apply() {
        sort_edits();
        std::size_t at = 0;
        for (const Edit& edit : edits_) {
            out_.value += value_.substr(at, edit.span.begin - at);
            out_.value += edit.text;
            at = edit.span.end;
        }
        out_.value += value_.substr(at);
    }

    std::string_view value_;
    std::size_t first_column_;
    const AddressPolicy& policy_;
    std::vector<Edit> edits_;
    std::size_t of_addresses_ = 0;  // edits that are not for comments
    std::size_t seen_ = 0;          // of the value, when columns are counted
    std::size_t line_begin_ = 0;    // of the line that seen_ is in
    AddressRepair out_;
};

}  // namespace

AddressRepair repair_addresses(std::string_view value, const AddressField& field, std::size_t column,
                               const AddressPolicy& policy) {
    return Repair(value, column, policy).run(field);
}

}  // namespace posthorn::mail
