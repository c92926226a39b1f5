// What the fields of a MIME part say about its content (RFC 2045 s5, s6).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::mail {

struct ContentType {
    std::string type = "text";       // lower case
    std::string subtype = "plain";   // lower case
    std::string boundary;            // as written; empty: none
    [[nodiscard]] bool is_multipart() const { return type == "multipart"; }
};

// The value of Content-Type; what cannot be read is text/plain (RFC 2045 s5.2).
[[nodiscard]] ContentType read_content_type(std::string_view value);

enum class TransferEncoding : std::uint8_t { identity, quoted_printable, base64, unknown };
// 7bit, 8bit, binary and a field that is missing are identity.
[[nodiscard]] TransferEncoding read_transfer_encoding(std::string_view value);

}  // namespace posthorn::mail
