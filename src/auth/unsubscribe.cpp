// Unsubscribe tokens and the fields that carry them.
#include "auth/unsubscribe.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <span>
#include <stdexcept>

#include "auth/crypto.hpp"
#include "auth/secret_file.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::auth {
namespace {

constexpr std::size_t kMinSecret = 32;
constexpr std::size_t kIv = 10;  // 80 bits: LU-22 asks for 64 at least
constexpr std::size_t kDay = 2;
constexpr std::size_t kMaxToken = 2048;  // no address makes a longer one; bounds what a stranger can make us decode
constexpr std::uint8_t kVersion = 1 << 6, kVersionMask = 3 << 6, kPacked = 1 << 5, kKeyId = kPacked - 1;

// Forty characters: 40^3 < 2^16, so three of them fit into two octets.
constexpr std::string_view kPackable = "abcdefghijklmnopqrstuvwxyz0123456789.-_@";
static_assert(kPackable.size() == 40);
constexpr char kSeparator = '@', kRawSeparator = '\n';

bool is_packable(std::string_view stream, std::string_view recipient) {
    const auto all_in = [](std::string_view text, std::string_view set) {
        return text.find_first_not_of(set) == std::string_view::npos;
    };
    // A stream with '@' could not be told from the recipient; a recipient ends with no '@' but for the
    // padding.
    return all_in(stream, kPackable.substr(0, 39)) && all_in(recipient, kPackable) &&
           !recipient.ends_with(kSeparator);
}

std::string pack(std::string text) {
    while (text.size() % 3 != 0) text += kSeparator;
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += 3) {
        std::size_t value = 0;
        for (const char c : text.substr(i, 3)) value = value * 40 + kPackable.find(c);
        out += char(value >> 8);
        out += char(value & 255);
    }
    return out;
}

std::optional<std::string> unpack(std::string_view packed) {
    if (packed.size() % 2 != 0) return std::nullopt;
    std::string out;
    for (std::size_t i = 0; i < packed.size(); i += 2) {
        const std::size_t value = std::size_t(std::uint8_t(packed[i])) << 8 | std::uint8_t(packed[i + 1]);
        if (value >= 64000) return std::nullopt;
        for (const auto digit : {value / 1600, value / 40 % 40, value % 40}) out += kPackable[digit];
    }
    while (out.ends_with(kSeparator)) out.pop_back();
    return out;
}

// AES-256-CTR is its own inverse.
std::string encrypted(const std::array<std::uint8_t, 32>& key, std::string_view iv, std::string_view text) {
    std::array<std::uint8_t, 16> counter{};
    std::copy(iv.begin(), iv.end(), counter.begin());
    std::string out(text.size(), '\0');
    int size = 0;
    OpensslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    if (context == nullptr ||
        EVP_EncryptInit_ex2(context.get(), aes_256_ctr(), key.data(), counter.data(), nullptr) != 1 ||
        EVP_EncryptUpdate(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                          reinterpret_cast<const unsigned char*>(text.data()), int(text.size())) != 1)
        throw std::runtime_error("AES-256-CTR failed: " + openssl_error());
    return out;
}

std::string synthetic_iv(const std::array<std::uint8_t, 32>& mac_key, char head, std::string_view plain) {
    const auto mac = hmac_sha256(mac_key, std::string(1, head).append(plain));
    return {mac.begin(), mac.begin() + kIv};
}

std::span<const std::uint8_t> octets(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::optional<std::string> decode_secret(std::string_view text) {
    // 64 hexadecimal digits are base64 too; meant as digits.
    auto secret = hex_decode(text);
    if (!secret) secret = base64_decode(text);
    if (!secret || secret->size() < kMinSecret) return std::nullopt;
    return secret;
}

}  // namespace

Result<UnsubscribeTokens> UnsubscribeTokens::parse(std::string_view content, const std::string& file_name) {
    UnsubscribeTokens tokens;
    std::size_t number = 0;
    for (std::string_view rest = content; !rest.empty();) {
        ++number;
        const auto line = text::trim(text::take_field(rest, '\n'));
        if (line.empty() || line.front() == '#') continue;
        auto secret = decode_secret(line);
        if (!secret)
            return Error{fmt::format(
                "{}:{}: an unsubscribe key is {} or more random octets in hex or base64, one key a "
                "line: make one with openssl rand -hex 32",
                file_name, number, kMinSecret)};
        Key key;
        key.mac = hmac_sha256(octets(*secret), "posthorn unsubscribe mac");
        key.cipher = hmac_sha256(octets(*secret), "posthorn unsubscribe key");
        key.id = key.mac[0] & kKeyId;
        OPENSSL_cleanse(secret->data(), secret->size());
        tokens.keys_.push_back(key);
    }
    if (tokens.keys_.empty())
        return Error{fmt::format("{}: there is no key in it: make one with openssl rand -hex 32", file_name)};
    return tokens;
}

Result<UnsubscribeTokens> UnsubscribeTokens::load(const std::string& path, std::string* warning) {
    auto file = read_secret_file(path);
    if (!file) return file.error();
    if (warning != nullptr) *warning = file->exposed_to;
    auto tokens = parse(file->content, path);
    OPENSSL_cleanse(file->content.data(), file->content.size());
    return tokens;
}

Result<std::string> UnsubscribeTokens::generate_key() {
    std::array<std::uint8_t, kMinSecret> secret{};
    if (!random_octets(secret)) return Error{"the system has no randomness: " + openssl_error()};
    return hex_encode(secret) + "\n";
}

std::string UnsubscribeTokens::make(std::string_view stream, std::string_view recipient,
                                    TimePoint now) const {
    const Key& key = keys_.front();
    const bool packed = is_packable(stream, recipient);
    const auto day = std::uint16_t(std::chrono::floor<std::chrono::days>(now).time_since_epoch().count());
    std::string plain{char(day >> 8), char(day & 255)};
    std::string names(stream);
    names += packed ? kSeparator : kRawSeparator;
    names += recipient;
    plain += packed ? pack(std::move(names)) : names;

    const char head = char(kVersion | (packed ? kPacked : 0) | key.id);
    std::string token(1, head);
    token += synthetic_iv(key.mac, head, plain);
    token += encrypted(key.cipher, std::string_view(token).substr(1), plain);
    return base64url_encode(token);
}

std::optional<Unsubscription> UnsubscribeTokens::read(std::string_view token) const {
    if (token.size() > kMaxToken) return std::nullopt;
    const auto decoded = base64url_decode(token);
    if (!decoded || decoded->size() < 1 + kIv + kDay) return std::nullopt;
    const char head = decoded->front();
    if ((head & kVersionMask) != kVersion) return std::nullopt;
    const auto iv = std::string_view(*decoded).substr(1, kIv);
    for (const Key& key : keys_) {
        if (key.id != (head & kKeyId)) continue;
        const auto plain = encrypted(key.cipher, iv, std::string_view(*decoded).substr(1 + kIv));
        if (!equal_secret(octets(synthetic_iv(key.mac, head, plain)), octets(iv))) continue;

        const auto rest = std::string_view(plain).substr(kDay);
        const auto names = (head & kPacked) != 0 ? unpack(rest) : std::string(rest);
        if (!names) return std::nullopt;
        const auto separator = names->find((head & kPacked) != 0 ? kSeparator : kRawSeparator);
        if (separator == std::string::npos) return std::nullopt;
        const int day = std::uint8_t(plain[0]) << 8 | std::uint8_t(plain[1]);
        return Unsubscription{names->substr(0, separator), names->substr(separator + 1),
                              std::chrono::sys_days(std::chrono::days(day))};
    }
    return std::nullopt;
}

}  // namespace posthorn::auth
