// Where the header of a message ends: for a message at hand, and for one that is still arriving.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace posthorn::mail {

// The rules for both:
//  - the header ends at the first empty line, which is in neither part (RFC 5322 s2.1);
//  - a message that begins with an empty line has no header;
//  - a message whose first line is no field ("Hello," from a script, a line with a leading blank) has no
//  header and is all
//    body: nothing is lost, and the fields we must add make it a message;
//  - without an empty line all is header.
struct SplitMessage {
    std::string_view header;  // ends with CRLF, unless the message itself breaks off
    std::string_view body;
};
[[nodiscard]] SplitMessage split_message(std::string_view message);

// The same for octets that come in pieces. GUARANTEE: any slicing gives the same header and body as
// split_message.
class MessageSplitter {
public:
    // Beyond limit octets the header is cut off (and too_long() is true), so that memory stays bounded; what
    // follows up to the empty line is dropped. The caller refuses such a message.
    explicit MessageSplitter(std::size_t limit) : limit_(limit) {}

    // The body octets that this chunk brought to light, in this order; mostly the first is empty. Valid until
    // the next call.
    struct BodyPart {
        std::string_view held;   // octets of earlier chunks that turned out to be body
        std::string_view fresh;  // the rest of the chunk
    };
    [[nodiscard]] BodyPart feed(std::string_view chunk);
    // No more octets: what was held back while the first line was unclear, if it is body.
    [[nodiscard]] std::string_view finish();

    [[nodiscard]] bool in_body() const { return state_ == State::body; }
    [[nodiscard]] bool too_long() const { return too_long_; }
    [[nodiscard]] const std::string& header() const { return header_; }
    [[nodiscard]] std::string take_header() { return std::move(header_); }

private:
    enum class State { first_line, header, body };
    void store(std::string_view octets);

    std::size_t limit_;
    State state_ = State::first_line;
    bool too_long_ = false;
    bool seen_blank_ = false;  // in the first line, before its colon
    unsigned matched_ = 0;     // octets of CRLF CRLF seen at the end
    std::string header_;
    std::string held_;
};

}  // namespace posthorn::mail
