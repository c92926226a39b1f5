// An SMTP reply as a value, and the incremental parser of replies (RFC 5321 s4.2, RFC 2034).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::smtp::protocol {

// "5.7.26"; subject and detail are 0..999 (RFC 3463).
struct EnhancedCode {
    std::uint16_t status = 0, subject = 0, detail = 0;  // status 0: none given
    explicit operator bool() const { return status != 0; }
    [[nodiscard]] std::string to_string() const;
    friend bool operator==(const EnhancedCode&, const EnhancedCode&) = default;
    // Reads "5.7.26" at the start of text, followed by a blank or the end.
    [[nodiscard]] static std::optional<EnhancedCode> parse(std::string_view text);
};

struct Reply {
    std::uint16_t code = 0;          // 0: no reply
    EnhancedCode enhanced;           // the first line's
    std::vector<std::string> lines;  // the text of each line after "250-", the enhanced code still in it

    [[nodiscard]] bool positive() const { return code >= 200 && code < 400; }
    [[nodiscard]] bool temporary() const { return code >= 400 && code < 500; }
    [[nodiscard]] bool permanent() const { return code >= 500 && code < 600; }
    // One line for logs, queue and rules: code, enhanced code once, the lines' texts joined by single blanks,
    // control characters replaced. Repeated enhanced codes of continuation lines are dropped, so that rules
    // match across line ends. A reply of our own making (code 0) begins with its enhanced code.
    [[nodiscard]] std::string joined() const;
    // As it was on the wire, lines separated by "\n".
    [[nodiscard]] std::string verbatim() const;
    friend bool operator==(const Reply&, const Reply&) = default;
};

// A reply of one line: make_reply(550, "5.7.1", "Relaying denied"). `enhanced` may be empty. With code 0 it
// is our own word about something no peer said (a lost connection).
[[nodiscard]] Reply make_reply(std::uint16_t code, std::string_view enhanced, std::string_view text);

// Appends the reply's octets, "550-..." CRLF for each line. REQUIRES: code is not 0. Control characters in a
// line become blanks, so that no text of ours or of a peer can make a second reply.
void append_wire(std::string& out, const Reply& reply);

// Feed bytes, take replies. Tolerates bare LF and a missing text; refuses what is not a reply.
//
// Bounds: a line of 2000 octets (longer ones are cut, not refused), 100 lines, 64 KiB in all. Of a refusal
// (4yz, 5yz) the first 4 KiB of text are kept: it is stored, logged and reported for each recipient, and a
// server may have a thousand of them here. A 421 in the middle of another reply ends it and stands for it:
// the peer is going away (RFC 5321 s3.8). Any other change of code between the lines of one reply is
// malformed.
//
// GUARANTEE: any slicing of the input gives the same replies. After `malformed` it stays malformed.
class ReplyParser {
public:
    enum class Status : std::uint8_t { need_more, reply, malformed };
    // Consumes from the front of `in` up to the end of one reply.
    Status feed(std::string_view& in);
    // REQUIRES: the last feed returned reply.
    [[nodiscard]] Reply take();
    // True when part of a reply was seen.
    [[nodiscard]] bool midway() const { return octets_ != 0; }

private:
    Status end_of_line();

    std::string line_;
    Reply reply_;
    std::size_t octets_ = 0;  // of the reply under way
    std::size_t line_count_ = 0;
    std::size_t kept_ = 0;  // octets of a refusal's text
    bool malformed_ = false;
};

}  // namespace posthorn::smtp::protocol
