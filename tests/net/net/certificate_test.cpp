// Certificates as files and as seen in a connection: digests, names, dates.
#include "net/certificate.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "net/certificate_watch.hpp"
#include "net/self_signed.hpp"
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

// Let's Encrypt's layout: live/NAME/*.pem are links into archive/NAME/, swapped at each renewal.
TEST(CertificateFilesTest, AreSeenThroughLinksThatAreSwapped) {
    const test::TempDir dir;
    namespace fs = std::filesystem;
    fs::create_directories(dir.file("archive/mx.test"));
    fs::create_directories(dir.file("live/mx.test"));
    const CertificateFiles files{dir.file("live/mx.test/fullchain.pem"),
                                 dir.file("live/mx.test/privkey.pem")};
    const auto renew = [&](const std::string& number) {
        test::TlsCert::self_signed().write(dir.file("archive/mx.test/fullchain" + number + ".pem"),
                                           dir.file("archive/mx.test/privkey" + number + ".pem"));
        for (const auto& [name, link] :
             {std::pair("fullchain", files.certificate_file), std::pair("privkey", files.key_file)}) {
            fs::create_symlink("../../archive/mx.test/" + (name + number) + ".pem", link + ".new");
            fs::rename(link + ".new", link);
        }
    };
    const std::vector<FileStamp> none = stamps_of({files});
    renew("1");
    const std::vector<FileStamp> first = stamps_of({files});
    EXPECT_NE(first, none);
    EXPECT_EQ(stamps_of({files}), first);
    const auto loaded = Certificate::load(files);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().what;
    EXPECT_EQ((*loaded)->names(), std::vector<std::string>{"mx.test"});
    renew("2");
    const std::vector<FileStamp> second = stamps_of({files});
    ASSERT_EQ(second.size(), 2U);
    EXPECT_NE(second[0], first[0]);
    EXPECT_NE(second[1], first[1]);
    // A repair by chmod counts, too.
    fs::permissions(dir.file("archive/mx.test/privkey2.pem"), fs::perms::owner_read);
    EXPECT_EQ(stamps_of({files})[0], second[0]);
    EXPECT_NE(stamps_of({files})[1], second[1]);
}

TEST(CertificateFilesTest, AChainThatIsCutOffIsNoChain) {
    const test::TempDir dir;
    const test::TlsCert own = test::TlsCert::self_signed();
    own.write(dir.file("cert.pem"), dir.file("key.pem"));
    const std::string second = test::TlsCert::self_signed().certificate;
    std::ofstream(dir.file("cert.pem")) << own.certificate << second.substr(0, second.size() / 2);
    const auto cut = Certificate::load({dir.file("cert.pem"), dir.file("key.pem")});
    ASSERT_FALSE(cut.has_value());
    EXPECT_NE(cut.error().what.find("cert.pem is not usable"), std::string::npos) << cut.error().what;
    std::ofstream(dir.file("cert.pem")) << own.certificate << second;
    EXPECT_TRUE(Certificate::load({dir.file("cert.pem"), dir.file("key.pem")}).has_value());
}

std::vector<FileStamp> state(std::uint64_t number) {
    FileStamp stamp;
    stamp.inode = number;
    return {stamp, stamp};
}

TEST(CertificateWatchTest, ReadsWhenTheFilesAreOthers) {  // TLS-7
    CertificateWatch watch;
    watch.in_force(state(1));
    EXPECT_FALSE(watch.look(state(1)));
    EXPECT_TRUE(watch.look(state(2)));
    watch.in_force(state(2));
    EXPECT_FALSE(watch.look(state(2)));
}

TEST(CertificateWatchTest, IsQuietAboutAHalfWrittenPair) {
    CertificateWatch watch;
    watch.in_force(state(1));
    EXPECT_TRUE(watch.look(state(2)));  // the certificate is new, the key is not
    EXPECT_FALSE(watch.failed());
    EXPECT_TRUE(watch.look(state(3)));  // both are
    watch.in_force(state(3));
    EXPECT_FALSE(watch.look(state(3)));
    // And put back: nothing was ever said.
    EXPECT_TRUE(watch.look(state(4)));
    EXPECT_FALSE(watch.failed());
    EXPECT_FALSE(watch.look(state(3)));
    EXPECT_TRUE(watch.look(state(4)));
    EXPECT_FALSE(watch.failed());
}

TEST(CertificateWatchTest, TellsOnceAndWaitsForAChange) {
    CertificateWatch watch;
    watch.in_force(state(1));
    int told = 0;
    int reads = 0;
    const auto look = [&](std::uint64_t number) {
        if (watch.look(state(number))) {
            ++reads;
            told += watch.failed() ? 1 : 0;
        }
    };
    for (int minute = 0; minute < 1440; ++minute) {
        look(2);
    }
    EXPECT_EQ(reads, CertificateWatch::kQuietTries);
    EXPECT_EQ(told, 1);
    look(3);  // another mistake is another line
    look(3);
    EXPECT_EQ(told, 1);
    look(3);
    look(3);
    EXPECT_EQ(told, 2);
    EXPECT_TRUE(watch.look(state(4)));
    watch.in_force(state(4));
    EXPECT_FALSE(watch.look(state(4)));
}

TEST(CertificateDates, AreToldFourteenDaysAhead) {
    const test::TempDir dir;
    test::TlsCert::self_signed().write(dir.file("cert.pem"), dir.file("key.pem"));
    const auto loaded = Certificate::load({dir.file("cert.pem"), dir.file("key.pem")});
    ASSERT_TRUE(loaded.has_value());
    const Certificate& certificate = **loaded;
    const TimePoint end = certificate.not_after();
    EXPECT_EQ(end - certificate.not_before(), std::chrono::seconds(86400 + 3600));
    const auto notice = [&](Duration before_end) { return date_notice(certificate, end - before_end); };
    using std::chrono::days;
    using std::chrono::hours;
    // As if it were good for longer: only the end counts here.
    EXPECT_TRUE(notice(hours(1)).text.find("expires in 0 days") != std::string::npos)
        << notice(hours(1)).text;
    EXPECT_NE(notice(hours(24)).text.find("expires in 1 day:"), std::string::npos) << notice(hours(24)).text;
    EXPECT_NE(notice(hours(1)).text.find(dir.file("cert.pem")), std::string::npos);
    EXPECT_FALSE(notice(hours(1)).urgent);
    EXPECT_NE(notice(Duration(0)).text.find("has expired"), std::string::npos);
    EXPECT_TRUE(notice(Duration(0)).urgent);
    EXPECT_NE(notice(hours(26)).text.find("not valid yet"), std::string::npos);
    EXPECT_TRUE(notice(hours(26)).urgent);
    EXPECT_EQ(days_left(certificate, end - days(3)), 3);
    EXPECT_EQ(days_left(certificate, end + hours(1)), -1);
}

TEST(CertificateDates, AreNotToldBefore) {
    const test::TempDir dir;
    test::CertificateOptions options;
    options.valid_to = 90L * 86400;
    test::TlsCert::self_signed(options).write(dir.file("cert.pem"), dir.file("key.pem"));
    const auto loaded = Certificate::load({dir.file("cert.pem"), dir.file("key.pem")});
    ASSERT_TRUE(loaded.has_value());
    const TimePoint end = (*loaded)->not_after();
    EXPECT_EQ(date_notice(**loaded, end - std::chrono::days(14)).text, "");
    EXPECT_NE(date_notice(**loaded, end - std::chrono::days(14) + std::chrono::seconds(1)).text, "");
    EXPECT_EQ(date_notice(**loaded, wall_now()).text, "");
}

TEST(SelfSignedCertificate, IsForTheHostnameAndNoAuthority) {
    const TimePoint now = std::chrono::floor<std::chrono::seconds>(wall_now());
    const auto made = make_self_signed("mail.example.com", now, std::chrono::days(365));
    ASSERT_TRUE(made.has_value()) << made.error().what;
    const test::TempDir dir;
    std::ofstream(dir.file("cert.pem")) << made->certificate;
    std::ofstream(dir.file("key.pem")) << made->key;
    const auto loaded = Certificate::load({dir.file("cert.pem"), dir.file("key.pem")});
    ASSERT_TRUE(loaded.has_value()) << loaded.error().what;
    EXPECT_EQ((*loaded)->names(), std::vector<std::string>{"mail.example.com"});
    EXPECT_EQ((*loaded)->not_after(), now + std::chrono::days(365));
    EXPECT_EQ((*loaded)->not_before(), now - std::chrono::hours(1));
    const std::string text = output_of("openssl x509 -noout -text -in " + dir.file("cert.pem"));
    for (const char* words : {"CA:FALSE", "ecdsa-with-SHA256", "NIST CURVE: P-256", "DNS:mail.example.com",
                              "TLS Web Server Authentication"}) {
        EXPECT_NE(text.find(words), std::string::npos) << words << " is not in " << text;
    }
    EXPECT_NE(make_self_signed("mail.example.com", now, std::chrono::days(1))->key, made->key);
}

}  // namespace
}  // namespace posthorn::net
