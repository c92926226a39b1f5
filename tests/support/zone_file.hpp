// Zone files (RFC 1035 s5.1) as nsd reads them, as records: what the worlds of tests/worlds are written in.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"

namespace posthorn::test {

struct ZoneRecord {
    std::string name;  // lower case, absolute, without final dot
    std::string type;  // as written: "TXT"
    std::chrono::seconds ttl{3600};
    std::vector<std::string> data;  // the words of RDATA, quotes and escapes resolved; of TXT one a string
};

// $ORIGIN, $TTL, comments, quotes, escapes (\" \\ \; \065), parentheses over several lines, "@", an owner left out, TTL and class in any order.
// What it does not take, a string of more than 255 octets among it, throws: a world that nsd would refuse is a mistake in the world.
class ZoneFile {
public:
    [[nodiscard]] static std::vector<ZoneRecord> read(std::string_view text) {
        ZoneFile file;
        file.text_ = text;
        while (file.at_ < text.size()) file.entry();
        return std::move(file.records_);
    }

private:
    struct Word {
        std::string text;
        bool quoted = false;
    };

    [[noreturn]] void fail(const std::string& what) const {
        throw std::runtime_error("zone line " + std::to_string(line_) + ": " + what);
    }

    // One record or directive: the words up to the end of its line, or to the line behind its parentheses.
    void entry() {
        const bool no_owner = at_ < text_.size() && text::is_blank(text_[at_]);
        std::vector<Word> words;
        int depth = 0;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '\n') {
                ++at_;
                ++line_;
                if (depth == 0) break;
            } else if (c == ';') {
                while (at_ < text_.size() && text_[at_] != '\n') ++at_;
            } else if (text::is_blank(c) || c == '\r') {
                ++at_;
            } else if (c == '(' || c == ')') {
                depth += c == '(' ? 1 : -1;
                ++at_;
            } else {
                words.push_back(word());
            }
        }
        if (depth != 0) fail("parentheses that do not match");
        if (!words.empty()) take(std::move(words), no_owner);
    }

    Word word() {
        Word made;
        made.quoted = text_[at_] == '"';
        if (made.quoted) ++at_;
        for (; at_ < text_.size(); ++at_) {
            char c = text_[at_];
            if (made.quoted ? c == '"' : text::is_space(c) || c == ';' || c == '(' || c == ')' || c == '"') break;
            if (c == '\n') fail("a string without its closing quote");
            if (c == '\\') {
                c = text_.substr(at_).size() > 1 ? text_[++at_] : '\\';
                if (text::is_digit(c)) {
                    c = static_cast<char>(std::stoi(std::string(text_.substr(at_, 3))));
                    at_ += 2;
                }
            }
            made.text += c;
        }
        if (made.quoted) {
            if (at_ == text_.size()) fail("a string without its closing quote");
            ++at_;
        }
        if (made.text.size() > 255) fail("a string of more than 255 octets");
        return made;
    }

    void take(std::vector<Word> words, bool no_owner) {
        if (words.front().text == "$ORIGIN") {
            origin_ = absolute(words.at(1).text);
            return;
        }
        if (words.front().text == "$TTL") {
            ttl_ = std::chrono::seconds(std::stol(words.at(1).text));
            return;
        }
        std::size_t i = 0;
        if (!no_owner) owner_ = absolute(words[i++].text);
        ZoneRecord record;
        record.name = owner_;
        record.ttl = ttl_;
        for (; i < words.size(); ++i) {
            if (words[i].text == "IN") continue;
            if (!text::is_digit(words[i].text.front())) break;
            record.ttl = std::chrono::seconds(std::stol(words[i].text));
        }
        if (i + 1 >= words.size()) fail("a record without type or data: " + owner_);
        record.type = words[i++].text;
        const bool one_name = record.type == "NS" || record.type == "PTR" || record.type == "CNAME";
        for (std::size_t field = 0; i < words.size(); ++i, ++field) {
            const bool name = one_name || (record.type == "MX" && field == 1) || (record.type == "SOA" && field < 2);
            record.data.push_back(name ? absolute(words[i].text) : words[i].text);
        }
        records_.push_back(std::move(record));
    }

    [[nodiscard]] std::string absolute(std::string_view name) const {
        if (name == "@") return origin_;
        std::string lower = text::to_lower(name);
        if (lower.ends_with('.')) lower.pop_back();
        else if (!origin_.empty()) lower += "." + origin_;
        return lower;
    }

    std::string_view text_;
    std::size_t at_ = 0, line_ = 1;
    std::string origin_, owner_;
    std::chrono::seconds ttl_{3600};
    std::vector<ZoneRecord> records_;
};

}  // namespace posthorn::test
