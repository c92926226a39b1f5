// HMAC-SHA256 in hexadecimal digits.
#include "events/signature.hpp"

#include <span>

#include "auth/crypto.hpp"
#include "base/text.hpp"

namespace posthorn::events {

std::string signature_of(const std::vector<std::string>& secrets, TimePoint now, std::string_view body) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    const std::string time = std::to_string(seconds);
    const std::string signed_text = time + "." + std::string(body);
    std::string field = "t=" + time;
    for (const std::string& secret : secrets) {
        const std::span<const std::uint8_t> key(reinterpret_cast<const std::uint8_t*>(secret.data()), secret.size());
        field += ",v1=";
        for (const std::uint8_t octet : auth::hmac_sha256(key, signed_text)) {
            constexpr std::string_view kDigits = "0123456789abcdef";
            field += kDigits[octet >> 4];
            field += kDigits[octet & 15];
        }
    }
    return field;
}

std::string secret_of_file(std::string_view content) {
    return std::string(text::trim(content.substr(0, content.find('\n'))));
}

}  // namespace posthorn::events
