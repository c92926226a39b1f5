// The line between header and body: see split.hpp.
#include "mail/split.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::mail {

namespace {

enum class FirstLine { field, empty_line, no_field, undecided };

// What the beginning of a message says about its first line. `undecided`: more octets are needed.
FirstLine look_at_first_line(std::string_view begin) {
    if (begin.empty()) return FirstLine::undecided;
    if (begin.front() == '\r') {
        if (begin.size() == 1) return FirstLine::undecided;
        return begin[1] == '\n' ? FirstLine::empty_line : FirstLine::no_field;
    }
    std::size_t at = 0;
    while (at < begin.size() && text::is_graphic(begin[at]) && begin[at] != ':') ++at;
    const std::size_t name = at;
    while (at < begin.size() && text::is_blank(begin[at])) ++at;
    if (at == begin.size()) return name == 0 ? FirstLine::no_field : FirstLine::undecided;
    return name > 0 && begin[at] == ':' ? FirstLine::field : FirstLine::no_field;
}

}  // namespace

SplitMessage split_message(std::string_view message) {
    switch (look_at_first_line(message)) {
        case FirstLine::empty_line:
            return {{}, message.substr(2)};
        case FirstLine::no_field:
        case FirstLine::undecided:
            return {{}, message};
        case FirstLine::field:
            break;
    }
    const std::size_t end = message.find("\r\n\r\n");
    if (end == std::string_view::npos) return {message, {}};
    return {message.substr(0, end + 2), message.substr(end + 4)};
}

void MessageSplitter::store(std::string_view octets) {
    const std::size_t room = limit_ - std::min(limit_, header_.size());
    if (octets.size() > room) {
        too_long_ = true;
        octets = octets.substr(0, room);
    }
    header_ += octets;
}

MessageSplitter::BodyPart MessageSplitter::feed(std::string_view chunk) {
    if (state_ == State::body) return {{}, chunk};

    if (state_ == State::first_line) {
        // Only as much as the decision needs is looked at, so that a first line of any length costs linear
        // time.
        std::size_t taken = 0;
        FirstLine what = FirstLine::undecided;
        for (; taken < chunk.size() && what == FirstLine::undecided; ++taken) {
            const char c = chunk[taken];
            held_ += c;
            if (held_.size() > limit_) {
                what = FirstLine::no_field;  // nobody's field name
            } else if (text::is_graphic(c) && c != ':' && !seen_blank_) {
                continue;  // one more octet of the name
            } else {
                seen_blank_ = seen_blank_ || text::is_blank(c);
                if (seen_blank_ && text::is_blank(c) && held_.size() > 1 && !text::is_blank(held_.front()))
                    continue;
                what = look_at_first_line(held_);
            }
        }
        const std::string_view rest = chunk.substr(taken);
        switch (what) {
            case FirstLine::undecided:
                return {};
            case FirstLine::no_field:
                state_ = State::body;
                return {held_, rest};
            case FirstLine::empty_line:
                state_ = State::body;
                return {{}, rest};
            case FirstLine::field:
                break;
        }
        state_ = State::header;
        store(held_);
        chunk = rest;
    }

    // matched_ counts the octets of CRLF CRLF that the header ends with so far.
    std::size_t at = 0;
    while (at < chunk.size()) {
        const char c = chunk[at];
        if (c == '\r') {
            matched_ = matched_ == 2 ? 3 : 1;
        } else if (c == '\n') {
            matched_ = matched_ == 1 ? 2 : matched_ == 3 ? 4 : 0;
        } else {
            matched_ = 0;
            const std::size_t next = chunk.find('\r', at);
            at = next == std::string_view::npos ? chunk.size() : next;
            continue;
        }
        ++at;
        if (matched_ < 4) continue;
        store(chunk.substr(0, at));
        state_ = State::body;
        // The empty line is in neither part.
        if (!too_long_) header_.resize(header_.size() - 2);
        return {{}, chunk.substr(at)};
    }
    store(chunk);
    return {};
}

std::string_view MessageSplitter::finish() {
    if (state_ != State::first_line) return {};
    state_ = State::body;
    return held_;
}

}  // namespace posthorn::mail
