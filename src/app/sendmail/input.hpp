// What callers write to standard input, of any line ends, as the octets of a message (SM-2, SM-21, SM-22).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::app::sendmail {

// A header longer than this is nobody's; the bound keeps it in memory, where recipients are taken from it.
inline constexpr std::size_t kMaxHeaderOctets = std::size_t{1} << 20U;

struct InputRules {
    bool dot_ends = false;        // a line with a single dot ends the message (SM-2)
    bool unstuff_dots = false;    // SMTP's DATA: of a leading dot one is dropped (RFC 5321 s4.5.2); only with dot_ends
    bool drop_mbox_line = true;   // a first line "From " is dropped (SM-22)
};

// Pure; owned by the one who reads. Octets in, octets in CRLF form out:
//  - LF, CRLF and any number of CRs before an LF are one line end; PHP writes "\r\r\n" (SM-21);
//  - a CR alone is a line end in the body and a fault in the header, where it would hide a field;
//  - a NUL in the header is a fault; in the body it stays;
//  - the last line gets its line end;
//  - a line of the header that is neither field nor continuation begins the body, as with Postfix: an empty line is put before it.
//    Scripts forget that line ("Subject: x", then text).
// What is header otherwise: as mail/split.hpp says. GUARANTEE: any slicing gives the same octets, or the same fault.
class MessageInput {
public:
    explicit MessageInput(InputRules rules) : rules_(rules) {}

    // Appends to out. Returns how much of chunk belongs to the message: all of it, until ended() or fault().
    std::size_t feed(std::string_view chunk, std::string& out);
    void finish(std::string& out);

    [[nodiscard]] bool ended() const { return ended_; }                  // by a dot
    [[nodiscard]] const std::string& fault() const { return fault_; }    // one sentence's part; empty: none
    [[nodiscard]] std::uint64_t octets() const { return octets_; }       // that went out
    // From the first field to the CRLF of the last; 0: it has none. Known once the body began or all was read.
    [[nodiscard]] std::uint64_t header_octets() const { return header_octets_; }
    [[nodiscard]] bool eight_bit() const { return eight_bit_; }

private:
    enum class Part : std::uint8_t { undecided, header, body };
    void text(std::string_view run, std::string& out);
    void put(std::string_view octets, std::string& out);
    enum class Name : std::uint8_t { undecided, field, no_field };
    [[nodiscard]] Name name_with(char c);
    void begin_body(std::string& out);
    [[nodiscard]] std::string_view unstuffed(std::string_view start) const;
    void line_end(std::string& out);
    void lone_cr(std::string& out);
    void fail(const char* what);

    InputRules rules_;
    // The line's first octets, while it may still be "." or begin with "From ", or, in the header, be no field.
    std::string start_;
    bool start_known_ = false;
    bool mbox_possible_ = true;
    bool skipping_ = false;           // within the mbox line
    Part part_ = Part::undecided;
    bool name_begun_ = false;
    bool blank_in_name_ = false;
    std::uint64_t line_octets_ = 0;   // that went out
    std::uint64_t line_number_ = 1;
    std::uint64_t crs_ = 0;           // not yet known whether an LF follows
    std::uint64_t octets_ = 0;
    std::uint64_t header_octets_ = 0;
    bool eight_bit_ = false;
    bool ended_ = false;
    std::string fault_;
};

}  // namespace posthorn::app::sendmail
