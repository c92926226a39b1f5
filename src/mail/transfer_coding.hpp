// Content-Transfer-Encodings written while the octets stream by (RFC 2045 s6): what makes any line short enough.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::mail {

enum class TransferCoding : std::uint8_t {
    quoted_printable,        // text to quoted-printable; CRLF stays a line end
    base64,                  // octets to base64
    quoted_printable_again,  // quoted-printable whose lines are too long: soft line breaks are put in
    base64_again,            // base64 whose lines are too long: cut anew
};

// Feed the content of one part, without the line end that belongs to the delimiter behind it. Lines come out with at most 76
// octets; none begins with "-" unless one did before (quoted_printable_again), so that none can look like a delimiter.
// GUARANTEE: any slicing gives the same octets. Constant memory.
class TransferWriter {
public:
    explicit TransferWriter(TransferCoding coding) : coding_(coding) {}
    void write(std::string_view octets, std::string& out);
    void finish(std::string& out);

private:
    void quoted(char c, bool encode, std::string& out);
    void write_quoted(std::string_view octets, std::string& out);
    void write_quoted_again(std::string_view octets, std::string& out);
    void write_base64(std::string_view octets, std::string& out);
    void write_base64_again(std::string_view octets, std::string& out);

    TransferCoding coding_;
    std::size_t column_ = 0;
    std::size_t escape_ = 0;     // quoted_printable_again: octets of "=XX" still to come
    bool broken_ = false;        // this line begins behind a soft line break of ours
    std::string held_;           // what the next octet decides about: CR, a blank; octets of a base64 group
};

}  // namespace posthorn::mail
