// The header of a message as a block of octets: fields are found in it and cut out of it, the rest is never
// written anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::mail {

// Views into a HeaderBlock's text, valid until the block is changed, moved or destroyed.
struct HeaderField {
    std::string_view name;  // as written; empty for a line that is no field
    std::string_view raw;   // the whole field with its folding, up to and including its last CRLF
    std::string_view
        value;  // after the colon, folded as it was, without the last CRLF; DKIM's "simple" wants raw
};

enum class HeaderFaultKind : std::uint8_t {
    leading_blank,      // the first line is a continuation of nothing
    no_colon,           // a line that is neither field nor continuation
    bad_name,           // a blank or a control character in the name, or no name
    control_character,  // NUL and the other controls but TAB (RFC 5322 s2.2)
    bare_cr,
    bare_lf,
    line_too_long,   // over 998 octets without CRLF (RFC 5322 s2.1.1)
    not_terminated,  // the last line has no CRLF
};

struct HeaderFault {
    HeaderFaultKind kind = HeaderFaultKind::no_colon;
    std::size_t line = 0;  // from 1
    const char* problem = "";  // "has an LF without CR"; of static storage
    std::string what;      // one sentence for the client or operator, ASCII, without the message's own octets
};

// Owned by the one who edits it; not thread-safe. Any octets are taken: what is no field keeps its place with
// an empty name. GUARANTEE: after any edit, every octet that was not removed is where it was, in the same
// order.
class HeaderBlock {
public:
    HeaderBlock() = default;
    // text: from the first field to the CRLF of the last, without the empty line.
    explicit HeaderBlock(std::string text);

    [[nodiscard]] const std::string& text() const { return text_; }
    [[nodiscard]] std::string take_text() &&;
    [[nodiscard]] std::size_t size() const { return spans_.size(); }
    [[nodiscard]] bool empty() const { return spans_.empty(); }
    // REQUIRES: index < size(). From the top.
    [[nodiscard]] HeaderField operator[](std::size_t index) const;

    // By name, without case.
    [[nodiscard]] bool contains(std::string_view name) const { return first(name).has_value(); }
    [[nodiscard]] std::size_t count(std::string_view name) const;
    [[nodiscard]] std::optional<HeaderField> first(std::string_view name) const;  // topmost
    [[nodiscard]] std::optional<HeaderField> last(
        std::string_view name) const;  // lowest: the one DKIM signs first
    [[nodiscard]] std::vector<HeaderField> all(std::string_view name) const;  // from the top
    // The unfolded, trimmed value of the topmost one; nothing when there is none.
    [[nodiscard]] std::optional<std::string> value(std::string_view name) const;

    // Edits. Each is linear in the header's length.
    std::size_t remove(std::string_view name);  // all of that name; how many there were
    void remove_at(std::size_t index);
    // REQUIRES: whole fields, each ending in CRLF.
    void prepend(std::string_view fields);
    void append(std::string_view fields);

    // The first thing that is wrong with it as RFC 5322 s2.2 sees it; lines over 998 octets only where they count.
    enum class LongLines : std::uint8_t { count, pass };
    [[nodiscard]] std::optional<HeaderFault> fault(LongLines long_lines = LongLines::count) const;

private:
    struct Span {
        std::size_t begin = 0, name_end = 0, value_begin = 0, end = 0;
    };
    void index(std::size_t from);

    std::string text_;
    std::vector<Span> spans_;
};

// Folding undone (CRLF before a blank goes, the blank stays; RFC 5322 s2.2.3), without blanks at the ends.
[[nodiscard]] std::string unfold(std::string_view value);

}  // namespace posthorn::mail
