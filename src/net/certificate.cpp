// Reading certificates with OpenSSL.
#include "net/certificate.hpp"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <array>

namespace posthorn::net {

std::string server_end_point(const X509* certificate) {
    int hash = NID_undef;
    // Sets the hash also where it stands in parameters (RSA-PSS), and leaves it undefined for EdDSA.
    if (certificate == nullptr || X509_get_signature_info(const_cast<X509*>(certificate), &hash, nullptr,
                                                          nullptr, nullptr) != 1) {
        return {};
    }
    if (hash == NID_md5 || hash == NID_sha1) {
        hash = NID_sha256;
    }
    const EVP_MD* digest = EVP_get_digestbynid(hash);
    std::array<unsigned char, EVP_MAX_MD_SIZE> octets{};
    unsigned int size = 0;
    if (digest == nullptr || X509_digest(certificate, digest, octets.data(), &size) != 1) {
        return {};
    }
    return {reinterpret_cast<const char*>(octets.data()), size};
}

}  // namespace posthorn::net
