// The parser of address lists in header fields: see mailbox.hpp.
#include "mail/mailbox.hpp"

#include "base/text.hpp"

namespace posthorn::mail {

namespace {

struct Token {
    enum class Kind { word, quoted, literal, special, end };  // special: one of < > , : ; @
    Kind kind = Kind::end;
    char special = '\0';
    std::string text;  // of word and literal as written; of quoted without its quotes and backslashes
    bool blank_before = false;  // blanks, folding or a comment stood before it
};

bool is_special(char c) {
    return c == '<' || c == '>' || c == ',' || c == ':' || c == ';' || c == '@';
}

// Cuts a field's value into tokens; dots stay in words, so that "john.q@example.com" is word, @, word.
class Tokens {
public:
    explicit Tokens(std::string_view text) : text_(text) {}

    [[nodiscard]] bool clean() const { return clean_; }

    Token next() {
        Token token;
        token.blank_before = skip_blanks();
        if (at_ >= text_.size()) return token;
        const char c = text_[at_];
        if (is_special(c)) {
            token.kind = Token::Kind::special;
            token.special = c;
            ++at_;
        } else if (c == '"') {
            token.kind = Token::Kind::quoted;
            read_quoted(token.text);
        } else if (c == '[') {
            token.kind = Token::Kind::literal;
            std::size_t end = at_ + 1;
            while (end < text_.size() && (text::is_alnum(text_[end]) || text_[end] == ':' ||
                                          text_[end] == '.' || text_[end] == '-'))
                ++end;
            // Without its "]" it is a lone bracket of a display name, "[list of] things".
            const bool closed = end < text_.size() && text_[end] == ']';
            end = closed ? end + 1 : at_ + 1;
            token.text = text_.substr(at_, end - at_);
            at_ = end;
        } else {
            token.kind = Token::Kind::word;
            const std::size_t begin = at_;
            while (at_ < text_.size() && !is_special(text_[at_]) && text_[at_] != '"' && text_[at_] != '(' &&
                   !text::is_space(text_[at_]) && (text_[at_] != '[' || at_ == begin))
                ++at_;
            token.text = text_.substr(begin, at_ - begin);
        }
        return token;
    }

private:
    bool skip_blanks() {
        const std::size_t begin = at_;
        std::size_t depth = 0;
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '(')
                ++depth;
            else if (c == ')' && depth > 0)
                --depth;
            else if (c == '\\' && depth > 0)
                ++at_;
            else if (depth == 0 && !text::is_space(c))
                break;
        }
        if (at_ > text_.size()) at_ = text_.size();
        if (depth > 0) clean_ = false;
        return at_ > begin;
    }

    void read_quoted(std::string& text) {
        for (++at_; at_ < text_.size(); ++at_) {
            char c = text_[at_];
            if (c == '"') {
                ++at_;
                return;
            }
            if (c == '\\' && at_ + 1 < text_.size()) c = text_[++at_];
            if (c != '\r' && c != '\n') text += c;  // folding inside quotes
        }
        clean_ = false;  // the quoted string does not end
    }

    std::string_view text_;
    std::size_t at_ = 0;
    bool clean_ = true;
};

// A local part in the form it has in an address: quoted only where it must be (RFC 5322 s3.4.1).
std::string as_local(const std::string& local) {
    bool is_atom = !local.empty() && local.front() != '.' && local.back() != '.' &&
                   local.find("..") == std::string::npos;
    for (const char c : local)
        is_atom = is_atom && (text::is_graphic(c) || text::is_8bit(c)) &&
                  std::string_view("()<>[]:;@\\,\"").find(c) == std::string_view::npos;
    if (is_atom) return local;
    std::string quoted = "\"";
    for (const char c : local) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + "\"";
}

// "local@domain" collected token by token. Blanks around dots and "@" are obsolete but legal ("john . q @
// example . com").
struct AddressParts {
    std::string local;
    std::string domain;
    bool has_local = false;
    bool has_at = false;
    bool clean = true;

    void add(const Token& token) {
        std::string& part = has_at ? domain : local;
        // Two words with a blank between are one only if a dot joins them.
        const bool joined =
            part.empty() || !token.blank_before || part.back() == '.' || token.text.starts_with('.');
        if (!joined) clean = false;
        if (has_at) {
            // "user@example.com trailing": what trails is no domain, and a quoted string never is.
            if (token.kind == Token::Kind::quoted || token.text == "[") clean = false;
            if (joined && token.kind != Token::Kind::quoted) part += token.text;
        } else {
            part += joined ? token.text : " " + token.text;
            has_local = true;
        }
    }
    void at() {
        if (!has_at) {
            has_at = true;
            return;
        }
        // "a@b@example.com": all before the last "@" is the local part, as every mail server reads it.
        local += "@" + domain;
        domain.clear();
        clean = false;
    }
    [[nodiscard]] bool complete() const { return has_local && has_at && !domain.empty(); }
};

// The text before "<", or all of it when no "<" follows: a display name, or an address, known only
// afterwards.
struct Phrase {
    std::string display;
    AddressParts address;
    bool any = false;

    void add(const Token& token) {
        if (!display.empty() && token.blank_before) display += ' ';
        if (token.kind == Token::Kind::special) {
            display += token.special;
            if (token.special == '@') address.at();
        } else {
            display += token.text;
            address.add(token);
        }
        any = true;
    }
};

class ListReader {
public:
    explicit ListReader(std::string_view value) : tokens_(value) {}

    MailboxList read() {
        Phrase phrase;
        for (Token token = tokens_.next(); token.kind != Token::Kind::end; token = tokens_.next()) {
            if (token.kind != Token::Kind::special) {
                phrase.add(token);
                continue;
            }
            switch (token.special) {
                case '<':
                    read_angle(phrase.display);
                    phrase = {};
                    break;
                case ',':
                case ';':
                    finish(phrase);
                    in_group_ = in_group_ && token.special != ';';
                    break;
                case ':':
                    // "Undisclosed recipients:;" begins a group, but "a:b@example.com" is an address badly
                    // written.
                    if (!in_group_ && !phrase.address.has_at) {
                        in_group_ = true;
                        phrase = {};
                    } else {
                        list_.clean = false;
                        token.kind = Token::Kind::word;
                        token.text = ":";
                        phrase.add(token);
                    }
                    break;
                case '@':
                    phrase.add(token);
                    break;
                default:
                    list_.clean = false;  // a ">" without "<"
            }
        }
        finish(phrase);
        list_.clean = list_.clean && tokens_.clean();
        return std::move(list_);
    }

private:
    void add(std::string display, const AddressParts& parts) {
        list_.clean = list_.clean && parts.clean;
        if (!parts.complete()) {
            list_.clean = false;
            return;
        }
        if (list_.mailboxes.size() >= kMaxMailboxes) {
            list_.clean = false;
            return;
        }
        list_.mailboxes.push_back({std::move(display), as_local(parts.local), parts.domain});
    }

    void finish(Phrase& phrase) {
        if (phrase.any) add({}, phrase.address);
        phrase = {};
    }

    // Behind "<": a route, the address, ">". Without the ">" the address ends at a comma or at the end.
    void read_angle(std::string display) {
        AddressParts parts;
        bool first = true;
        bool route = false;
        for (;;) {
            const Token token = tokens_.next();
            if (token.kind == Token::Kind::end) {
                list_.clean = false;
                break;
            }
            if (token.kind != Token::Kind::special) {
                if (!route) parts.add(token);
                first = false;
                continue;
            }
            if (token.special == '>') break;
            if (token.special == '@' && first) {
                route = true;
            } else if (token.special == ':' && route) {
                route = false;
            } else if (token.special == '@' && !route) {
                parts.at();
            } else if (token.special == ',' && !route) {
                list_.clean = false;
                break;
            } else if (token.special != '@' && token.special != ',') {
                list_.clean = false;
            }
            first = false;
        }
        add(std::move(display), parts);
    }

    Tokens tokens_;
    MailboxList list_;
    bool in_group_ = false;
};

}  // namespace

MailboxList parse_mailboxes(std::string_view value) {
    return ListReader(value).read();
}

}  // namespace posthorn::mail
