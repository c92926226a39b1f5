// Private keys on libcrypto's EVP_PKEY.
#include "auth/dkim/key.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <span>
#include <stdexcept>
#include <utility>

#include "auth/crypto.hpp"
#include "auth/secret_file.hpp"
#include "base/base64.hpp"

namespace posthorn::auth::dkim {
namespace {

constexpr int kMinRsaBits = 1024;  // RFC 8301 s3.2: signers MUST use at least 1024, SHOULD 2048
constexpr int kGoodRsaBits = 2048;
constexpr int kMaxRsaBits = 4096;       // verifiers MUST handle up to 4096 and need not handle more
constexpr int kLargestRsaBits = 16384;  // a signature takes seconds: somebody's mistake

// Signs a digest with a context prepared once: EVP_PKEY_sign_init looks its algorithms up under locks each
// time.
OpensslPtr<EVP_PKEY_CTX> rsa_signing_context(EVP_PKEY* key) {
    OpensslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    if (context == nullptr || EVP_PKEY_sign_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(context.get(), sha256()) != 1)
        return nullptr;
    return context;
}

std::string public_tag(EVP_PKEY* key, Algorithm algorithm) {
    if (algorithm == Algorithm::ed25519) {
        std::array<std::uint8_t, 32> raw{};
        std::size_t size = raw.size();
        if (EVP_PKEY_get_raw_public_key(key, raw.data(), &size) != 1) return {};
        return base64_encode(std::span<const std::uint8_t>(raw.data(), size));
    }
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key, &der);
    if (size <= 0) return {};
    auto text = base64_encode(std::span<const std::uint8_t>(der, std::size_t(size)));
    OPENSSL_free(der);
    return text;
}

std::string why_no_private_key(std::string_view pem) {
    if (pem.find("-----BEGIN ") == std::string_view::npos)
        return "no PEM text in it: a private key begins with \"-----BEGIN PRIVATE KEY-----\" or "
               "\"-----BEGIN RSA PRIVATE KEY-----\"";
    if (pem.find("PRIVATE KEY-----") == std::string_view::npos)
        return "there is no private key in it (a public key or certificate cannot sign): give the file that "
               "opendkim-genkey calls SELECTOR.private";
    if (pem.find("ENCRYPTED") != std::string_view::npos)
        return "the private key is protected by a pass phrase: remove it with openssl pkey -in FILE -out "
               "FILE.plain";
    return "the private key cannot be read (damaged?): " + openssl_error();
}

}  // namespace

struct PrivateKey::Impl {
    OpensslPtr<EVP_PKEY> key;
    OpensslPtr<EVP_PKEY_CTX> rsa;  // never used to sign itself: each signature takes a copy
    Algorithm algorithm = Algorithm::rsa;
    int bits = 0;
    std::string public_base64;
    std::vector<std::string> warnings;

    static Result<std::unique_ptr<Impl>> make(OpensslPtr<EVP_PKEY> key, const std::string& source);
};

Result<std::unique_ptr<PrivateKey::Impl>> PrivateKey::Impl::make(OpensslPtr<EVP_PKEY> key,
                                                                 const std::string& source) {
    auto impl = std::make_unique<Impl>();
    if (EVP_PKEY_is_a(key.get(), "RSA") == 1) {
        impl->algorithm = Algorithm::rsa;
    } else if (EVP_PKEY_is_a(key.get(), "ED25519") == 1) {
        impl->algorithm = Algorithm::ed25519;
    } else {
        const char* type = EVP_PKEY_get0_type_name(key.get());
        return Error{
            fmt::format("{}: a key of type {} cannot sign DKIM: RSA or Ed25519 is needed; make one with "
                        "posthorn dkim genkey",
                        source, type != nullptr ? type : "unknown")};
    }
    impl->bits = EVP_PKEY_get_bits(key.get());
    if (impl->algorithm == Algorithm::rsa) {
        if (impl->bits < kMinRsaBits)
            return Error{
                fmt::format("{}: an RSA key of {} bits is refused by receivers (RFC 8301 asks for 1024 at "
                            "least, 2048 is usual): make a new one with posthorn dkim genkey",
                            source, impl->bits)};
        if (impl->bits > kLargestRsaBits)
            return Error{
                fmt::format("{}: an RSA key of {} bits is too large to be used", source, impl->bits)};
        if (impl->bits < kGoodRsaBits)
            impl->warnings.push_back(
                fmt::format("{}: an RSA key of {} bits is weak, some receivers ignore it: make one "
                            "of 2048 bits with posthorn dkim genkey under a new selector",
                            source, impl->bits));
        if (impl->bits > kMaxRsaBits)
            impl->warnings.push_back(
                fmt::format("{}: receivers need not verify RSA keys of more than 4096 bits (this "
                            "one has {}): use 2048",
                            source, impl->bits));
        impl->rsa = rsa_signing_context(key.get());
        if (impl->rsa == nullptr)
            return Error{fmt::format("{}: cannot sign with this key: {}", source, openssl_error())};
    }
    impl->public_base64 = public_tag(key.get(), impl->algorithm);
    if (impl->public_base64.empty())
        return Error{fmt::format("{}: cannot derive the public key: {}", source, openssl_error())};
    impl->key = std::move(key);
    return impl;
}

PrivateKey::PrivateKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PrivateKey::~PrivateKey() = default;

Result<PrivateKeyPtr> PrivateKey::parse(std::string_view pem, const std::string& source) {
    OpensslPtr<BIO> bio(BIO_new_mem_buf(pem.data(), int(pem.size())));
    if (bio == nullptr) throw std::bad_alloc();
    ERR_clear_error();
    // Without this libcrypto would ask at the terminal for a pass phrase.
    const auto no_pass_phrase = [](char*, int, int, void*) { return -1; };
    OpensslPtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr));
    if (key == nullptr) return Error{fmt::format("{}: {}", source, why_no_private_key(pem))};
    auto impl = Impl::make(std::move(key), source);
    if (!impl) return impl.error();
    return PrivateKeyPtr(new PrivateKey(std::move(*impl)));
}

Result<PrivateKeyPtr> PrivateKey::load(const std::string& path) {
    auto file = read_secret_file(path);
    if (!file) return file.error();
    auto key = parse(file->content, path);
    OPENSSL_cleanse(file->content.data(), file->content.size());
    if (key && !file->exposed_to.empty())
        const_cast<PrivateKey&>(**key).impl_->warnings.push_back(file->exposed_to);
    return key;
}

Result<PrivateKeyPtr> PrivateKey::generate(Algorithm algorithm, int bits) {
    OpensslPtr<EVP_PKEY> key;
    if (algorithm == Algorithm::ed25519) {
        key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    } else {
        if (bits != 2048 && bits != 3072 && bits != 4096)
            return Error{
                fmt::format("cannot make an RSA key of {} bits: choose 2048 (usual), 3072 or 4096", bits)};
        key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t(bits)));
    }
    if (key == nullptr) return Error{"cannot make a key: " + openssl_error()};
    auto impl = Impl::make(std::move(key), "the new key");
    if (!impl) return impl.error();
    return PrivateKeyPtr(new PrivateKey(std::move(*impl)));
}

Algorithm PrivateKey::algorithm() const {
    return impl_->algorithm;
}

int PrivateKey::bits() const {
    return impl_->bits;
}

const std::vector<std::string>& PrivateKey::warnings() const {
    return impl_->warnings;
}

const std::string& PrivateKey::public_base64() const {
    return impl_->public_base64;
}

Result<std::vector<std::uint8_t>> PrivateKey::sign(std::string_view data) const {
    const auto digest = sha256_of(data);
    std::vector<std::uint8_t> signature(std::size_t(EVP_PKEY_get_size(impl_->key.get())));
    std::size_t size = signature.size();
    bool ok = false;
    if (impl_->algorithm == Algorithm::rsa) {
        OpensslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_dup(impl_->rsa.get()));
        ok = context != nullptr &&
             EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) == 1;
    } else {
        OpensslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
        ok = context != nullptr &&
             EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, impl_->key.get()) == 1 &&
             EVP_DigestSign(context.get(), signature.data(), &size, digest.data(), digest.size()) == 1;
    }
    if (!ok) return Error{"cannot sign: " + openssl_error()};
    signature.resize(size);
    return signature;
}

std::string PrivateKey::to_pem() const {
    OpensslPtr<BIO> bio(BIO_new(BIO_s_mem()));
    if (bio == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), impl_->key.get(), nullptr, nullptr, 0,
                                                        nullptr, nullptr) != 1)
        throw std::runtime_error("cannot write a key as PEM: " + openssl_error());
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, std::size_t(size)};
}

Result<void> PrivateKey::write(const std::string& path) const {
    return write_secret_file(path, to_pem(), Existing::refuse, 0600);
}

}  // namespace posthorn::auth::dkim
