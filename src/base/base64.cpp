// Base64 and hexadecimal text: see base64.hpp.
#include "base/base64.hpp"

#include <array>

#include "base/text.hpp"

namespace posthorn {

namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::uint8_t kInvalid = 0xff;

constexpr std::array<std::uint8_t, 256> reverse(std::string_view alphabet) {
    std::array<std::uint8_t, 256> table{};
    for (auto& entry : table) entry = kInvalid;
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return table;
}
constexpr auto kStandardValues = reverse(kStandard);
constexpr auto kUrlValues = reverse(kUrl);

std::string_view as_text(std::span<const std::uint8_t> octets) {
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

std::string encode(std::string_view octets, std::string_view alphabet, bool pad) {
    std::string text;
    text.reserve((octets.size() + 2) / 3 * 4);
    const auto octet = [&](std::size_t i) {
        return i < octets.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(octets[i])) : 0U;
    };
    for (std::size_t at = 0; at < octets.size(); at += 3) {
        const std::uint32_t group = octet(at) << 16 | octet(at + 1) << 8 | octet(at + 2);
        const std::size_t left = octets.size() - at;
        text += alphabet[group >> 18];
        text += alphabet[group >> 12 & 63];
        if (left > 1)
            text += alphabet[group >> 6 & 63];
        else if (pad)
            text += '=';
        if (left > 2)
            text += alphabet[group & 63];
        else if (pad)
            text += '=';
    }
    return text;
}

// text: without padding.
std::optional<std::string> decode(std::string_view text, const std::array<std::uint8_t, 256>& values) {
    if (text.size() % 4 == 1) return std::nullopt;
    std::string octets;
    octets.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const std::uint8_t value = values[static_cast<unsigned char>(c)];
        if (value == kInvalid) return std::nullopt;
        bits = bits << 6 | value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            octets += static_cast<char>(bits >> count & 0xff);
            bits &= (1U << count) - 1;
        }
    }
    // RFC 4648 s3.5: what is left over must be zero, or one value would have several texts.
    if (bits != 0) return std::nullopt;
    return octets;
}

}  // namespace

std::string base64_encode(std::string_view octets) {
    return encode(octets, kStandard, true);
}
std::string base64_encode(std::span<const std::uint8_t> octets) {
    return base64_encode(as_text(octets));
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    if (text.ends_with("=="))
        text.remove_suffix(2);
    else if (text.ends_with('='))
        text.remove_suffix(1);
    return decode(text, kStandardValues);
}

std::optional<std::string> base64_decode_folded(std::string_view text) {
    std::string joined;
    joined.reserve(text.size());
    for (const char c : text)
        if (!text::is_space(c)) joined += c;
    return base64_decode(joined);
}

std::string base64url_encode(std::string_view octets) {
    return encode(octets, kUrl, false);
}
std::optional<std::string> base64url_decode(std::string_view text) {
    return decode(text, kUrlValues);
}

std::string hex_encode(std::string_view octets) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    text.reserve(octets.size() * 2);
    for (const char c : octets) {
        text += kDigits[static_cast<unsigned char>(c) >> 4];
        text += kDigits[static_cast<unsigned char>(c) & 15];
    }
    return text;
}
std::string hex_encode(std::span<const std::uint8_t> octets) {
    return hex_encode(as_text(octets));
}

std::optional<std::string> hex_decode(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    std::string octets;
    octets.reserve(text.size() / 2);
    for (std::size_t at = 0; at < text.size(); at += 2) {
        const int high = text::hex_value(text[at]);
        const int low = text::hex_value(text[at + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        octets += static_cast<char>(high << 4 | low);
    }
    return octets;
}

}  // namespace posthorn
