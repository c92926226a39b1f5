// A scanner over the tokens of an address list that keeps positions: see address_field.hpp.
#include "mail/address_field.hpp"

#include "base/text.hpp"

namespace posthorn::mail {
namespace {

bool is_special(char c) { return c == '<' || c == '>' || c == ',' || c == ':' || c == ';' || c == '@'; }

struct Token {
    enum class Kind { word, special, end };  // word: an atom with its dots, a quoted string, a domain literal
    Kind kind = Kind::end;
    char special = '\0';
    Span span;
    bool sound = true;
};

class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    AddressField read() {
        for (;;) {
            const Token token = next();
            if (token.kind == Token::Kind::end) break;
            if (token.kind == Token::Kind::word) {
                word(token);
            } else {
                special(token);
            }
        }
        if (in_angle_) place_.sound = false;  // "<" without its ">"
        finish();
        if (in_group_) field_.sound = false;
        return std::move(field_);
    }

private:
    Token next() {
        skip_blanks();
        Token token;
        token.span = {at_, at_};
        if (at_ >= text_.size()) return token;
        const char c = text_[at_];
        if (is_special(c)) {
            token.kind = Token::Kind::special;
            token.special = c;
            ++at_;
        } else {
            token.kind = Token::Kind::word;
            if (c == '"') {
                token.sound = skip_quoted();
            } else if (c == '[') {
                const std::size_t end = text_.find(']', at_);
                token.sound = end != std::string_view::npos;
                at_ = token.sound ? end + 1 : text_.size();
            } else {
                while (at_ < text_.size() && !is_special(text_[at_]) && text_[at_] != '"' && text_[at_] != '(' &&
                       text_[at_] != '[' && !text::is_space(text_[at_])) {
                    if (text_[at_] == ')' || text_[at_] == ']' || text_[at_] == '\\') token.sound = false;
                    ++at_;
                }
            }
        }
        token.span.end = at_;
        return token;
    }

    void skip_blanks() {
        while (at_ < text_.size()) {
            if (text::is_space(text_[at_])) {
                ++at_;
            } else if (text_[at_] == '(') {
                skip_comment();
            } else {
                return;
            }
        }
    }

    void skip_comment() {
        const std::size_t begin = at_;
        std::size_t depth = 0;
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '\\' && at_ + 1 < text_.size()) {
                ++at_;
            } else if (c == '(') {
                ++depth;
            } else if (c == ')' && --depth == 0) {
                ++at_;
                field_.comments.push_back({begin, at_});
                return;
            }
        }
        field_.sound = false;  // it has no end
    }

    bool skip_quoted() {
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
                ++at_;
            } else if (text_[at_] == '"') {
                ++at_;
                return true;
            }
        }
        return false;
    }

    // Whether `word` goes on with what `span` holds: obsolete syntax has blanks around the dots ("john . q").
    [[nodiscard]] bool joined(const Span& span, const Span& word) const {
        return span.end == word.begin || text_[span.end - 1] == '.' || text_[word.begin] == '.';
    }

    void word(const Token& token) {
        if (!token.sound) place_.sound = false;
        if (in_route_) return;
        if (closed_) {
            place_.sound = false;  // "<a@b> trailing"
            return;
        }
        Span& span = has_at_ ? place_.domain : place_.local;
        if (span.empty()) {
            span = token.span;
        } else {
            if (!joined(span, token.span)) several_ = true;
            span.end = token.span.end;
        }
        last_ = token.span.end;
        any_ = true;
    }

    void special(const Token& token) {
        switch (token.special) {
            case '<':
                if (in_angle_ || closed_) {
                    place_.sound = false;
                    return;
                }
                if (any_) place_.display = {place_.local.begin, last_};
                place_.display_has_at = has_at_;
                place_.local = place_.domain = {};
                has_at_ = several_ = any_ = false;
                in_angle_ = true;
                place_.in_angle = true;
                return;
            case '>':
                if (!in_angle_ || in_route_) place_.sound = false;
                in_angle_ = in_route_ = false;
                closed_ = true;
                return;
            case '@':
                if (in_route_) return;
                if (in_angle_ && !any_ && !has_at_) {
                    in_route_ = place_.has_route = true;
                } else if (has_at_ || closed_) {
                    if (!second_at()) place_.sound = false;
                } else {
                    if (!any_) place_.sound = false;  // "@example.com"
                    has_at_ = true;
                    last_ = token.span.end;
                }
                return;
            case ':':
                if (in_route_) {
                    in_route_ = false;
                } else if (!in_angle_ && !closed_ && !has_at_ && !in_group_ && any_) {
                    in_group_ = field_.has_group = true;
                    begin();
                } else {
                    place_.sound = false;
                }
                return;
            case ';':
                if (!in_group_) place_.sound = false;
                finish();
                in_group_ = false;
                return;
            default:  // ','
                if (in_route_) return;
                if (in_angle_) place_.sound = false;
                finish();
        }
    }

    // "a@b@c <d@e>": a display name, unless no "<" follows. Known only then, so remembered as several words.
    bool second_at() {
        if (in_angle_ || closed_) return false;
        several_ = true;
        return true;
    }

    void begin() {
        place_ = {};
        has_at_ = several_ = any_ = in_angle_ = in_route_ = closed_ = false;
    }

    void finish() {
        if (any_ || place_.in_angle || has_at_ || !place_.sound) {
            if (several_ || place_.local.empty() || (has_at_ && place_.domain.empty())) place_.sound = false;
            field_.sound = field_.sound && place_.sound;
            field_.addresses.push_back(place_);
        }
        begin();
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t last_ = 0;   // end of the last word
    AddressField field_;
    AddressPlace place_;
    bool any_ = false;       // a word was read, since "<" if there was one
    bool has_at_ = false;
    bool several_ = false;   // words that no dot joins
    bool in_angle_ = false;
    bool in_route_ = false;
    bool closed_ = false;
    bool in_group_ = false;
};

}  // namespace

AddressField read_address_field(std::string_view value) { return Scanner(value).read(); }

}  // namespace posthorn::mail
