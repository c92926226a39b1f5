// Finds out the facts of a body (mail::BodyFacts) while its octets arrive.
#pragma once

#include <cstdint>
#include <string_view>

#include "mail/message.hpp"

namespace posthorn::mail {

// Feed the body as it will be stored: CRLF line ends, dot-stuffing undone.
// GUARANTEE: any slicing of the octets gives the same facts.
class BodyScanner {
public:
    void feed(std::string_view chunk);
    // May be called at any time; what was fed so far counts as the whole body.
    [[nodiscard]] BodyFacts facts() const;
    // The number, from 1, of the first line over 998 octets (RFC 5321 s4.5.3.1.6); 0: there is none.
    [[nodiscard]] std::uint64_t first_long_line() const;

private:
    BodyFacts facts_;
    std::uint64_t lines_ = 0;      // that have ended
    std::uint64_t long_line_ = 0;
    std::uint64_t line_ = 0;  // octets of the line under way, a CR that may end it included
    bool last_was_cr_ = false;
    bool at_line_start_ = true;
};

}  // namespace posthorn::mail
