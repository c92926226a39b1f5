// The certificate, field by field.
#include "net/self_signed.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <memory>

#include "net/tls_context.hpp"

namespace posthorn::net {
namespace {

bool add_extension(X509* certificate, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

std::string text_of(BIO* memory) {
    const char* text = nullptr;
    const long size = BIO_get_mem_data(memory, &text);
    return {text, static_cast<std::size_t>(std::max(size, 0L))};
}

}  // namespace

Result<SelfSigned> make_self_signed(const std::string& hostname, TimePoint now, std::chrono::days lifetime) {
    const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const std::unique_ptr<X509, void (*)(X509*)> made(X509_new(), X509_free);
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
    const auto last = seconds + std::chrono::seconds(lifetime).count();
    std::array<unsigned char, 16> serial{};
    X509* certificate = made.get();
    bool good = key && made && RAND_bytes(serial.data(), serial.size()) == 1;
    if (good) {
        serial[0] = static_cast<unsigned char>((serial[0] & 0x3f) | 0x40);  // positive and not short
        ASN1_INTEGER* number = X509_get_serialNumber(certificate);
        BIGNUM* value = BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr);
        good = value != nullptr && BN_to_ASN1_INTEGER(value, number) != nullptr;
        BN_free(value);
    }
    if (good) {
        X509_NAME* name = X509_get_subject_name(certificate);
        // A common name holds 64 octets (RFC 5280 appendix A.1); who checks looks at subjectAltName anyway.
        const std::string common = hostname.substr(0, 64);
        good = X509_set_version(certificate, X509_VERSION_3) == 1 &&
               ASN1_TIME_set(X509_getm_notBefore(certificate), static_cast<std::time_t>(seconds - 3600)) !=
                   nullptr &&
               ASN1_TIME_set(X509_getm_notAfter(certificate), static_cast<std::time_t>(last)) != nullptr &&
               X509_set_pubkey(certificate, key.get()) == 1 &&
               X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                          reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1,
                                          0) == 1 &&
               X509_set_issuer_name(certificate, name) == 1 &&
               add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
               add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
               add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
               add_extension(certificate, NID_subject_alt_name, "DNS:" + hostname) &&
               X509_sign(certificate, key.get(), EVP_sha256()) != 0;
    }
    const std::unique_ptr<BIO, int (*)(BIO*)> certificate_text(BIO_new(BIO_s_mem()), BIO_free);
    const std::unique_ptr<BIO, int (*)(BIO*)> key_text(BIO_new(BIO_s_secmem()), BIO_free);
    good = good && certificate_text && key_text &&
           PEM_write_bio_X509(certificate_text.get(), certificate) == 1 &&
           PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
    if (!good) {
        return Error{"no self-signed certificate could be made for " + hostname + ": " + take_ssl_error()};
    }
    return SelfSigned{text_of(certificate_text.get()), text_of(key_text.get())};
}

}  // namespace posthorn::net
