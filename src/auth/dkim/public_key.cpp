// Public keys on libcrypto's EVP_PKEY.
#include "auth/dkim/public_key.hpp"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "auth/crypto.hpp"
#include "base/base64.hpp"

namespace posthorn::auth::dkim {
namespace {

constexpr int kLargestRsaBits = 16384;  // libcrypto refuses more; one verification takes milliseconds there
constexpr std::size_t kEd25519Octets = 32;

const unsigned char* octets_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

OpensslPtr<EVP_PKEY> rsa_from(std::string_view der) {
    const unsigned char* at = octets_of(der);
    OpensslPtr<EVP_PKEY> key(d2i_PUBKEY(nullptr, &at, long(der.size())));
    if (key == nullptr) {
        at = octets_of(der);
        key.reset(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, long(der.size())));
    }
    ERR_clear_error();
    return key;
}

}  // namespace

struct PublicKey::Impl {
    OpensslPtr<EVP_PKEY> key;
    Algorithm algorithm = Algorithm::rsa;
    int bits = 0;
};

PublicKey::PublicKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PublicKey::~PublicKey() = default;
PublicKey::PublicKey(PublicKey&&) noexcept = default;
PublicKey& PublicKey::operator=(PublicKey&&) noexcept = default;

Result<PublicKey> PublicKey::parse(Algorithm algorithm, std::string_view base64) {
    const auto octets = base64_decode(base64);
    if (!octets) return Error{"what stands behind p= is not base64: something was lost or added when the record was entered"};
    auto impl = std::make_unique<Impl>();
    impl->algorithm = algorithm;
    if (algorithm == Algorithm::ed25519) {
        if (octets->size() != kEd25519Octets)
            return Error{"p= has ", std::to_string(octets->size()), " octets; an Ed25519 key has 32 (RFC 8463 s4.2)"};
        impl->key.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets_of(*octets), octets->size()));
        if (impl->key == nullptr) return Error{"p= is no Ed25519 key: ", openssl_error()};
        impl->bits = 256;
        return PublicKey(std::move(impl));
    }
    impl->key = rsa_from(*octets);
    if (impl->key == nullptr || EVP_PKEY_is_a(impl->key.get(), "RSA") != 1)
        return Error{"what stands behind p= is no RSA key: the record is cut short or was changed"};
    impl->bits = EVP_PKEY_get_bits(impl->key.get());
    if (impl->bits > kLargestRsaBits) return Error{"an RSA key of ", std::to_string(impl->bits), " bits is too large to be used"};
    return PublicKey(std::move(impl));
}

Algorithm PublicKey::algorithm() const { return impl_->algorithm; }

int PublicKey::bits() const { return impl_->bits; }

bool PublicKey::verifies(std::string_view data, std::string_view signature) const {
    const Sha256 digest = sha256_of(data);
    bool good = false;
    if (impl_->algorithm == Algorithm::rsa) {
        OpensslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, impl_->key.get(), nullptr));
        if (context == nullptr || EVP_PKEY_verify_init(context.get()) != 1 ||
            EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
            EVP_PKEY_CTX_set_signature_md(context.get(), sha256()) != 1)
            throw std::runtime_error("cannot verify RSA signatures: " + openssl_error());
        good = EVP_PKEY_verify(context.get(), octets_of(signature), signature.size(), digest.data(), digest.size()) == 1;
    } else {
        OpensslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
        if (context == nullptr || EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, impl_->key.get()) != 1)
            throw std::runtime_error("cannot verify Ed25519 signatures: " + openssl_error());
        good = EVP_DigestVerify(context.get(), octets_of(signature), signature.size(), digest.data(), digest.size()) == 1;
    }
    ERR_clear_error();
    return good;
}

bool PublicKey::made(std::string_view signature) const {
    if (impl_->algorithm != Algorithm::rsa) return true;
    OpensslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, impl_->key.get(), nullptr));
    std::string recovered(std::size_t(EVP_PKEY_get_size(impl_->key.get())), '\0');
    std::size_t size = recovered.size();
    const bool good = context != nullptr && EVP_PKEY_verify_recover_init(context.get()) == 1 &&
                      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
                      EVP_PKEY_verify_recover(context.get(), reinterpret_cast<unsigned char*>(recovered.data()), &size, octets_of(signature),
                                              signature.size()) == 1;
    ERR_clear_error();
    return good;
}

}  // namespace posthorn::auth::dkim
