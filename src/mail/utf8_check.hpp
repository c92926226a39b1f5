// Whether octets that stream by are UTF-8 (RFC 3629).
#pragma once

#include <string_view>

#include "base/text.hpp"

namespace posthorn::mail {

// GUARANTEE: any slicing gives the same answer, that of text::is_utf8 for the whole.
class Utf8Check {
public:
    void feed(std::string_view octets) {
        if (missing_ == 0 && text::is_ascii(octets)) return;   // nearly always
        for (const char c : octets) {
            const auto octet = static_cast<unsigned char>(c);
            if (missing_ > 0) {
                if (octet < low_ || octet > high_) good_ = false;
                low_ = 0x80;
                high_ = 0xbf;
                --missing_;
            } else if (octet >= 0x80) {
                begin(octet);
            }
        }
    }
    [[nodiscard]] bool good() const { return good_ && missing_ == 0; }

private:
    // No overlong forms, no surrogates, nothing above U+10FFFF (RFC 3629 s4).
    void begin(unsigned char octet) {
        if (octet < 0xc2 || octet > 0xf4) {
            good_ = false;
            return;
        }
        missing_ = octet < 0xe0 ? 1 : octet < 0xf0 ? 2 : 3;
        low_ = octet == 0xe0 ? 0xa0 : octet == 0xf0 ? 0x90 : 0x80;
        high_ = octet == 0xed ? 0x9f : octet == 0xf4 ? 0x8f : 0xbf;
    }

    unsigned missing_ = 0;        // octets of the character under way
    unsigned char low_ = 0x80, high_ = 0xbf;   // of the next one
    bool good_ = true;
};

}  // namespace posthorn::mail
