// Certificates as files and as seen in a connection: digests, names, dates.
#include "net/certificate.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include "support/temp_dir.hpp"
#include "support/tls_cert.hpp"

namespace posthorn::net {
namespace {

// What the command prints, without its last line end.
std::string output_of(const std::string& command) {
    std::string text;
    std::FILE* pipe = ::popen(command.c_str(), "r");
    std::array<char, 4096> buffer{};
    while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
        text.append(buffer.data(), got);
    }
    EXPECT_EQ(::pclose(pipe), 0) << command;
    return text;
}

std::string hex(const std::string& octets) {
    std::string text;
    for (const char c : octets) {
        std::array<char, 3> pair{};
        std::snprintf(pair.data(), pair.size(), "%02x", static_cast<unsigned char>(c));
        text += pair.data();
    }
    return text;
}

// RFC 5929 s4.1, against `openssl dgst` over the DER form.
TEST(ServerEndPoint, IsTheDigestByTheHashOfTheSignatureAtLeastSha256) {
    struct Case {
        const char* key;
        const char* signature;  // options of `openssl req`
        const char* digest;     // of `openssl dgst`; empty: no binding
    };
    const Case cases[] = {
        {"-newkey ec -pkeyopt ec_paramgen_curve:P-256", "-sha256", "sha256"},
        {"-newkey ec -pkeyopt ec_paramgen_curve:P-384", "-sha384", "sha384"},
        {"-newkey rsa:2048", "-sha512", "sha512"},
        {"-newkey rsa:2048", "-sha1", "sha256"},
        {"-newkey rsa:2048", "-sha384 -sigopt rsa_padding_mode:pss", "sha384"},
        {"-newkey ed25519", "", ""},
    };
    const test::TempDir dir;
    const std::string file = dir.file("cert.pem");
    for (const Case& c : cases) {
        SCOPED_TRACE(std::string(c.key) + " " + c.signature);
        output_of("openssl req -x509 " + std::string(c.key) + " " + c.signature +
                  " -nodes -subj /CN=mx.test -days 2 -keyout " + dir.file("key.pem") + " -out " + file +
                  " 2>/dev/null");
        BIO* in = BIO_new_file(file.c_str(), "r");
        X509* certificate = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
        BIO_free(in);
        const std::string seen = server_end_point(certificate);
        X509_free(certificate);
        std::string wanted;
        if (*c.digest != '\0') {
            wanted = output_of("openssl x509 -in " + file + " -outform DER | openssl dgst -r -" + c.digest);
            wanted.resize(wanted.find(' '));
        }
        EXPECT_EQ(hex(seen), wanted);
    }
    EXPECT_EQ(server_end_point(nullptr), "");
}

}  // namespace
}  // namespace posthorn::net
