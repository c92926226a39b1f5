// Cutting, and quoting.
#include "auth/txt_record.hpp"

namespace posthorn::auth {
namespace {

constexpr std::size_t kMaxString = 255;  // RFC 1035 s3.3: a <character-string> has one octet for its length

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

}  // namespace

std::string quoted_strings(std::string_view value, std::string_view between, std::string_view quote) {
    std::string out;
    for (std::size_t at = 0; at < value.size(); at += kMaxString) {
        if (at > 0) out += between;
        out.append(quote).append(escaped(value.substr(at, kMaxString))).append(quote);
    }
    return out;
}

std::string txt_line(std::string_view name, std::string_view value) {
    std::string line(name);
    if (value.size() <= kMaxString) return line + ". IN TXT " + quoted_strings(value, " ");
    return line + ". IN TXT ( " + quoted_strings(value, "\n    ") + " )";
}

}  // namespace posthorn::auth
