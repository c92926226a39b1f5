// libcrypto's primitives as auth uses them.
#include "auth/crypto.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <stdexcept>

namespace posthorn::auth {

const EVP_MD* sha256() {
    static const EVP_MD* const md = [] {
        const EVP_MD* fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
        if (fetched == nullptr) throw std::runtime_error("libcrypto has no SHA-256: " + openssl_error());
        return fetched;
    }();
    return md;
}

const EVP_CIPHER* aes_256_ctr() {
    static const EVP_CIPHER* const cipher = [] {
        const EVP_CIPHER* fetched = EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr);
        if (fetched == nullptr) throw std::runtime_error("libcrypto has no AES-256-CTR: " + openssl_error());
        return fetched;
    }();
    return cipher;
}

Sha256 sha256_of(std::string_view data) {
    Sha256 out{};
    if (EVP_Digest(data.data(), data.size(), out.data(), nullptr, sha256(), nullptr) != 1)
        throw std::runtime_error("SHA-256 failed: " + openssl_error());
    return out;
}

Sha256 hmac_sha256(std::span<const std::uint8_t> key, std::string_view data) {
    Sha256 out{};
    if (HMAC(sha256(), key.data(), int(key.size()), reinterpret_cast<const unsigned char*>(data.data()),
             data.size(), out.data(), nullptr) == nullptr)
        throw std::runtime_error("HMAC-SHA-256 failed: " + openssl_error());
    return out;
}

bool random_octets(std::span<std::uint8_t> out) {
    return RAND_bytes(out.data(), int(out.size())) == 1;
}

bool equal_secret(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string openssl_error() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "no reason given";
    char text[256];
    ERR_error_string_n(code, text, sizeof text);
    return text;
}

}  // namespace posthorn::auth
