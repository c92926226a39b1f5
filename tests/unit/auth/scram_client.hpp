// The client's side of SCRAM-SHA-256, for tests: says what a right client says (RFC 5802 s3).
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "auth/crypto.hpp"
#include "auth/scram.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::auth::testing {

struct ScramClient {
    std::string user = "user", password = "pencil";
    std::string gs2_header = "n,,";
    std::string channel_binding;  // octets after the header in c=
    std::string nonce = "rOprNGfwEbeRWgbNEkqO";
    std::string server_first;

    [[nodiscard]] std::string bare() const { return "n=" + user + ",r=" + nonce; }
    [[nodiscard]] std::string first() const { return gs2_header + bare(); }

    // The answer to the server's first message.
    [[nodiscard]] std::string final(std::string_view challenge) {
        server_first = challenge;
        const auto parts = text::split(challenge, ',');
        const std::string salt = *base64_decode(parts.at(1).substr(2));
        const auto iterations = static_cast<std::uint32_t>(*text::parse_unsigned(parts.at(2).substr(2)));
        const std::string without_proof =
            "c=" + base64_encode(gs2_header + channel_binding) + "," + std::string(parts.at(0));
        return without_proof + ",p=" + proof(salt, iterations, without_proof);
    }

    [[nodiscard]] std::string proof(const std::string& salt, std::uint32_t iterations,
                                    const std::string& without_proof) const {
        // ClientKey is not part of a ScramSecret: PBKDF2 in one block is HMAC's own iteration (RFC 5802 s2.2,
        // Hi()).
        Sha256 u = hmac_sha256(bytes(password), salt + std::string("\0\0\0\1", 4));
        Sha256 salted = u;
        for (std::uint32_t i = 1; i < iterations; ++i) {
            u = hmac_sha256(bytes(password), text(u));
            for (std::size_t at = 0; at < u.size(); ++at) salted[at] ^= u[at];
        }
        Sha256 key = hmac_sha256(salted, "Client Key");
        const Sha256 signature =
            hmac_sha256(sha256_of(text(key)), bare() + "," + server_first + "," + without_proof);
        for (std::size_t at = 0; at < key.size(); ++at) key[at] ^= signature[at];
        return base64_encode(key);
    }

    static std::span<const std::uint8_t> bytes(std::string_view octets) {
        return {reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()};
    }
    static std::string text(const Sha256& hash) { return {hash.begin(), hash.end()}; }
};

}  // namespace posthorn::auth::testing
