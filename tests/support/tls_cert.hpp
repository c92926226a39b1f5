// Certificates for tests: a self-signed pair made on the spot, in memory or as files.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>

namespace posthorn::test {

struct CertificateOptions {
    std::string name = "mx.test";                          // CN and subjectAltName DNS
    std::string alternative = "DNS:mx.test,IP:127.0.0.1";  // all of subjectAltName
    long valid_from = -3600;                               // seconds from now
    long valid_to = 86400;
    bool rsa = false;  // 2048 bits in place of P-256
};

// Both in PEM. The certificate is its own CA: hand it to a client as the CA file to have it verified.
struct TlsCert {
    std::string certificate;
    std::string key;

    [[nodiscard]] static TlsCert self_signed(const CertificateOptions& options = {}) {
        EVP_PKEY* key = options.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
        X509* certificate = X509_new();
        if (key == nullptr || certificate == nullptr) {
            throw std::runtime_error("OpenSSL made no key");
        }
        X509_set_version(certificate, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
        X509_gmtime_adj(X509_getm_notBefore(certificate), options.valid_from);
        X509_gmtime_adj(X509_getm_notAfter(certificate), options.valid_to);
        X509_set_pubkey(certificate, key);
        X509_NAME* name = X509_get_subject_name(certificate);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(options.name.c_str()), -1, -1, 0);
        X509_set_issuer_name(certificate, name);
        add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
        add_extension(certificate, NID_subject_alt_name, options.alternative);
        X509_sign(certificate, key, EVP_sha256());

        TlsCert made;
        made.certificate = to_pem([&](BIO* out) { PEM_write_bio_X509(out, certificate); });
        made.key = to_pem(
            [&](BIO* out) { PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
        X509_free(certificate);
        EVP_PKEY_free(key);
        return made;
    }

    void write(const std::string& certificate_file, const std::string& key_file) const {
        std::ofstream(certificate_file) << certificate;
        std::ofstream(key_file) << key;
    }

private:
    static void add_extension(X509* certificate, int nid, const std::string& value) {
        X509V3_CTX context;
        X509V3_set_ctx_nodb(&context);
        X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
        X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
        if (extension == nullptr) {
            throw std::runtime_error("OpenSSL does not take the extension " + value);
        }
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }
    template <class Write>
    static std::string to_pem(Write write) {
        BIO* out = BIO_new(BIO_s_mem());
        write(out);
        const char* text = nullptr;
        const long size = BIO_get_mem_data(out, &text);
        std::string pem(text, static_cast<std::size_t>(size));
        BIO_free(out);
        return pem;
    }
};

}  // namespace posthorn::test
