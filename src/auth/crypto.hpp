// libcrypto's objects as owners, its SHA-256 fetched once, and the small primitives auth needs from it.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace posthorn::auth {

struct OpensslFree {
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
    void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
    void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
    void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
    void operator()(BIO* p) const { BIO_free_all(p); }
};
template <class T>
using OpensslPtr = std::unique_ptr<T, OpensslFree>;

// OpenSSL 3.0 looks an algorithm up under a lock each time it is named (openssl#17064); this one is looked up
// once. Throws std::runtime_error when libcrypto has no SHA-256 or AES, without which nothing here can work.
[[nodiscard]] const EVP_MD* sha256();
[[nodiscard]] const EVP_CIPHER* aes_256_ctr();

using Sha256 = std::array<std::uint8_t, 32>;
[[nodiscard]] Sha256 sha256_of(std::string_view data);
[[nodiscard]] Sha256 hmac_sha256(std::span<const std::uint8_t> key, std::string_view data);
// False when the system has no randomness to give.
[[nodiscard]] bool random_octets(std::span<std::uint8_t> out);
// In a time that does not depend on where they differ.
[[nodiscard]] bool equal_secret(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);

// The oldest error of this thread's queue in libcrypto's words; empties the queue.
[[nodiscard]] std::string openssl_error();

}  // namespace posthorn::auth
