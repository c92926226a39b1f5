// The coding of message content between DATA and CRLF.CRLF: dots stuffed and unstuffed, line ends watched
// (RFC 5321 s4.5.2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::smtp::protocol {

// What was seen of the content, header and body together.
struct DataFacts {
    std::uint64_t size = 0;          // octets, unstuffed, without the terminator
    std::uint64_t longest_line = 0;  // octets without CRLF
    bool bare_cr = false;            // a CR that no LF follows
    bool bare_lf = false;            // a LF that no CR precedes
    bool nul = false;
    bool has_8bit = false;
    bool has_leading_dot = false;  // some line, unstuffed, begins with a dot
};

// Undoes the coding. The end is CRLF.CRLF and nothing else, however a line may look that ends in a bare LF or
// CR: else a message could smuggle in commands (RFC 5321 s4.1.1.4, CVE-2023-51764). Bare ones are passed on
// and reported in facts().
//
// GUARANTEE: any slicing of the input gives the same octets and facts.
class DataDecoder {
public:
    // Takes from the front of `in` and appends to `out`. True: the end was reached, what is left of `in` is
    // the next command. REQUIRES: no call after true until reset().
    [[nodiscard]] bool feed(std::string_view& in, std::string& out);
    [[nodiscard]] const DataFacts& facts() const { return facts_; }
    void reset() { *this = DataDecoder(); }

private:
    enum class State : std::uint8_t { line_start, dot, dot_cr, text, text_cr };

    void end_of_line();

    State state_ = State::line_start;
    std::uint64_t line_ = 0;  // octets of the line under way
    DataFacts facts_;
};

// Does the coding for a body that comes in pieces; begins at the start of a line.
// REQUIRES: the content has no bare CR or LF (intake refuses them).
class DataEncoder {
public:
    // Appends `chunk` to `out` with a dot before each dot that begins a line.
    void feed(std::string_view chunk, std::string& out);
    // Appends the end of data, with a CRLF before it where the content does not end with one.
    void finish(std::string& out);

private:
    bool line_start_ = true;  // the next octet begins a line
};

// The octets that end the data after content that was sent as it is.
[[nodiscard]] constexpr std::string_view end_of_data(bool content_ends_with_crlf) {
    return content_ends_with_crlf ? std::string_view(".\r\n") : std::string_view("\r\n.\r\n");
}

// The whole body at once, with its end of data. has_leading_dot false (mail::BodyFacts): copied without a
// look at it.
void append_stuffed(std::string& out, std::string_view body, bool has_leading_dot = true);

}  // namespace posthorn::smtp::protocol
