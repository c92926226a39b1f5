// Line ends, dots and the mbox line: see input.hpp.
#include "app/sendmail/input.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace posthorn::app::sendmail {
namespace {

constexpr std::string_view kMboxWord = "From ";

bool has_eight_bit(std::string_view octets) {
    unsigned char all = 0;
    for (const char c : octets) all = static_cast<unsigned char>(all | static_cast<unsigned char>(c));
    return all >= 0x80;
}

}  // namespace

std::size_t MessageInput::feed(std::string_view chunk, std::string& out) {
    const std::size_t whole = chunk.size();
    while (!chunk.empty() && !ended_ && fault_.empty()) {
        const char c = chunk.front();
        if (c == '\r') {
            ++crs_;
            chunk.remove_prefix(1);
        } else if (c == '\n') {
            crs_ = 0;
            chunk.remove_prefix(1);
            line_end(out);
        } else if (crs_ > 0) {
            --crs_;
            lone_cr(out);
        } else {
            const std::size_t end = std::min(chunk.find('\n'), chunk.size());
            const std::string_view run = chunk.substr(0, std::min(end, chunk.substr(0, end).find('\r')));
            chunk.remove_prefix(run.size());
            text(run, out);
        }
    }
    return whole - chunk.size();
}

void MessageInput::finish(std::string& out) {
    // A CR as the last octet of all hides nothing: it is a line end.
    for (; crs_ > 1 && !ended_ && fault_.empty(); --crs_) lone_cr(out);
    if (ended_ || !fault_.empty()) return;
    if (crs_ == 1 || line_octets_ > 0 || !start_.empty()) line_end(out);
    if (part_ == Part::header) header_octets_ = octets_;
}

void MessageInput::text(std::string_view run, std::string& out) {
    while (!start_known_ && !run.empty()) {
        const char c = run.front();
        start_ += c;
        run.remove_prefix(1);
        // In the first line put() decides, and nothing is kept back for it.
        Name name = Name::field;
        if (part_ == Part::header && (start_.size() > 1 || !text::is_blank(c))) name = name_with(c);
        if (rules_.dot_ends && start_ == ".") continue;
        if (mbox_possible_ && rules_.drop_mbox_line && kMboxWord.starts_with(start_)) {
            if (start_.size() < kMboxWord.size()) continue;
            skipping_ = true;
        }
        if (name == Name::undecided && start_.size() < kMaxHeaderOctets) continue;
        start_known_ = true;
        mbox_possible_ = false;
        const std::string held = std::move(start_);
        start_.clear();
        if (name == Name::no_field) begin_body(out);
        put(unstuffed(held), out);
    }
    put(run, out);
}

void MessageInput::begin_body(std::string& out) {
    header_octets_ = octets_;
    part_ = Part::body;
    out += "\r\n";
    octets_ += 2;
}

void MessageInput::put(std::string_view octets, std::string& out) {
    if (skipping_ || octets.empty()) return;
    // The rule of mail/split.hpp: a first line that is no field makes all of the message body.
    for (std::size_t at = 0; part_ == Part::undecided && at < octets.size(); ++at) {
        const Name name = name_with(octets[at]);
        if (name == Name::field) part_ = Part::header;
        if (name == Name::no_field) part_ = Part::body;
    }
    if (part_ == Part::header && octets.find('\0') != std::string_view::npos) return fail("has a NUL");
    if (part_ == Part::header && octets_ + octets.size() > kMaxHeaderOctets) {
        fault_ = "the header is longer than " + std::to_string(kMaxHeaderOctets) + " octets";
        return;
    }
    eight_bit_ = eight_bit_ || has_eight_bit(octets);
    out += octets;
    line_octets_ += octets.size();
    octets_ += octets.size();
}

std::string_view MessageInput::unstuffed(std::string_view start) const {
    return start.substr(rules_.unstuff_dots && start.starts_with('.') ? 1 : 0);
}

// One octet more of what may be a field's name.
MessageInput::Name MessageInput::name_with(char c) {
    if (c == ':' && name_begun_) return Name::field;
    if (c != ':' && text::is_graphic(c) && !blank_in_name_) {
        name_begun_ = true;
    } else if (text::is_blank(c) && name_begun_) {
        blank_in_name_ = true;
    } else {
        return Name::no_field;
    }
    return Name::undecided;
}

void MessageInput::line_end(std::string& out) {
    const bool was_skipping = std::exchange(skipping_, false);
    const std::string held = std::move(start_);
    start_.clear();
    start_known_ = false;
    ++line_number_;
    if (was_skipping) return;
    mbox_possible_ = false;
    if (rules_.dot_ends && held == ".") {
        ended_ = true;
        if (part_ == Part::header) header_octets_ = octets_;
        return;
    }
    if (part_ == Part::header && !held.empty()) begin_body(out);
    put(unstuffed(held), out);
    if (part_ == Part::header && line_octets_ == 0) {
        header_octets_ = octets_;
        part_ = Part::body;
    }
    if (part_ == Part::undecided) part_ = Part::body;
    name_begun_ = blank_in_name_ = false;
    out += "\r\n";
    octets_ += 2;
    line_octets_ = 0;
}

void MessageInput::lone_cr(std::string& out) {
    if (skipping_) return;
    if (part_ == Part::header) return fail("has a CR without LF");
    line_end(out);
}

void MessageInput::fail(const char* what) { fault_ = "line " + std::to_string(line_number_) + " of the header " + what; }

}  // namespace posthorn::app::sendmail
