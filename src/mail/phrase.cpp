// Runs of plain words between encoded words, each written as it must be.
#include "mail/phrase.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/encoded_word.hpp"

namespace posthorn::mail {
namespace {

bool needs_quotes(std::string_view words) {
    return !std::all_of(words.begin(), words.end(), [](char c) {
        return text::is_alnum(c) || c == ' ' ||
               std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
    });
}

std::string quoted(std::string_view words) {
    std::string out = "\"";
    for (const char c : words) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

class Phrase {
public:
    Phrase(std::size_t column, bool utf8) : column_(column), utf8_(utf8) {}

    void add(std::string_view text) {
        while (true) {
            const auto begin = std::find_if_not(text.begin(), text.end(), is_gap);
            text.remove_prefix(static_cast<std::size_t>(begin - text.begin()));
            if (text.empty()) return;
            const auto end = std::find_if(text.begin(), text.end(), is_gap);
            const std::string_view word = text.substr(0, static_cast<std::size_t>(end - text.begin()));
            text.remove_prefix(word.size());
            if (!is_encoded_word(word)) {
                if (text::is_utf8(word)) run_.append(run_.empty() ? "" : " ").append(word);
                continue;
            }
            write_run();
            write(word);
            after_encoded_ = true;
        }
    }

    std::string finish() {
        write_run();
        return std::move(out_);
    }

private:
    static bool is_gap(char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; }

    void write(std::string_view words) {
        if (!out_.empty()) out_ += ' ';
        out_ += words;
    }

    void write_run() {
        if (run_.empty()) return;
        if (text::is_ascii(run_) || utf8_) {
            write(needs_quotes(run_) ? quoted(run_) : run_);
            after_encoded_ = false;
        } else {
            // Blanks between two encoded words are not shown (RFC 2047 s6.2).
            write(encode_phrase(after_encoded_ ? " " + run_ : run_, column_ + out_.size() + 1));
            after_encoded_ = true;
        }
        run_.clear();
    }

    std::size_t column_;
    bool utf8_;
    std::string out_, run_;
    bool after_encoded_ = false;
};

}  // namespace

std::string write_phrase(std::string_view name, std::string_view tail, std::size_t column, bool utf8) {
    Phrase phrase(column, utf8);
    phrase.add(name);
    phrase.add(tail);
    return phrase.finish();
}

}  // namespace posthorn::mail
