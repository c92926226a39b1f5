// What a client's handshake demands of a certificate: TLSA records, several names, or only a look (RFC 7672
// s3, RFC 8461 s5).
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <functional>

#include "net/certificate.hpp"
#include "net/stream.hpp"
#include "net/task_group.hpp"
#include "support/run_awaitable.hpp"
#include "support/temp_dir.hpp"
#include "support/tls_cert.hpp"

namespace posthorn::net {
namespace {

std::string digest_of(const std::string& octets, const EVP_MD* kind) {
    std::string digest(EVP_MAX_MD_SIZE, '\0');
    unsigned size = 0;
    EVP_Digest(octets.data(), octets.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, kind, nullptr);
    digest.resize(size);
    return digest;
}

// The parts of a certificate that TLSA records speak of (RFC 6698 s2.1.2): 0 is all of it, 1 its public key.
std::string der_of(const test::TlsCert& made, int selector) {
    BIO* in = BIO_new_mem_buf(made.certificate.data(), static_cast<int>(made.certificate.size()));
    X509* certificate = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
    unsigned char* octets = nullptr;
    const int size = selector == 0 ? i2d_X509(certificate, &octets)
                                   : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &octets);
    std::string der(reinterpret_cast<char*>(octets), static_cast<std::size_t>(size));
    OPENSSL_free(octets);
    X509_free(certificate);
    BIO_free(in);
    return der;
}

template <class T>
T* read_pem(const std::string& text, T* (*read)(BIO*, T**, pem_password_cb*, void*)) {
    BIO* in = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
    T* made = read(in, nullptr, nullptr, nullptr);
    BIO_free(in);
    return made;
}

// A certificate for the name, signed by the authority, whose own follows it: what a server with usage 2 sends
// (RFC 7672 s3.1.2).
test::TlsCert issued_by(const test::TlsCert& authority, const std::string& name, long valid_to = 86400) {
    test::CertificateOptions options;
    options.name = name;
    options.alternative = "DNS:" + name;
    options.valid_to = valid_to;
    test::TlsCert made = test::TlsCert::self_signed(options);
    X509* certificate = read_pem<X509>(made.certificate, PEM_read_bio_X509);
    X509* issuer = read_pem<X509>(authority.certificate, PEM_read_bio_X509);
    EVP_PKEY* key = read_pem<EVP_PKEY>(authority.key, PEM_read_bio_PrivateKey);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 2);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    X509_sign(certificate, key, EVP_sha256());
    BIO* out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, certificate);
    const char* text = nullptr;
    const long size = BIO_get_mem_data(out, &text);
    made.certificate = std::string(text, static_cast<std::size_t>(size)) + authority.certificate;
    BIO_free(out);
    X509_free(certificate);
    X509_free(issuer);
    EVP_PKEY_free(key);
    return made;
}

TlsaAssociation key_digest(const test::TlsCert& made, std::uint8_t usage = 3) {
    return TlsaAssociation(usage, 1, 1, digest_of(der_of(made, 1), EVP_sha256()));
}

TlsTarget dane_target(std::vector<TlsaAssociation> records, std::vector<std::string> names = {"mx.test"}) {
    TlsTarget target("mx.test", 25, false);
    target.check = TlsCheck::dane;
    target.tlsa = std::move(records);
    target.names = std::move(names);
    return target;
}

struct Shaken {
    HandshakeResult result;
    TlsFacts facts;
};

awaitable<void> serve(Stream stream, std::shared_ptr<const ServerTls> tls) {
    const HandshakeResult shaken = co_await stream.handshake_server(tls);
    if (!shaken.ok()) co_return;
    co_await stream.write("220 x\r\n");  // the tickets of TLS 1.3 come with the first data
    std::array<char, 64> buffer{};
    co_await stream.read_some(buffer);
}

awaitable<void> shake(asio::io_context& context, ClientTls& tls, std::shared_ptr<const ServerTls> server,
                      TlsTarget target, Shaken& out) {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
    TaskGroup tasks(context.get_executor(), "server");
    Stream other(context, fds[1]);
    tasks.spawn(serve(std::move(other), std::move(server)));
    Stream client(context, fds[0]);
    out.result = co_await client.handshake_client(tls, std::move(target));
    out.facts = TlsFacts();
    if (out.result.ok()) {
        out.facts = client.tls_facts();
        std::array<char, 64> buffer{};
        co_await client.read_some(buffer);
    }
    client.close();
    const bool idle = co_await tasks.wait_idle(std::chrono::steady_clock::now() + std::chrono::seconds(10));
    EXPECT_TRUE(idle);
}

class TlsCheckTest : public testing::Test {
protected:
    std::shared_ptr<const ServerTls> server_of(const test::TlsCert& made) {
        made.write(dir_.file("c.pem"), dir_.file("k.pem"));
        auto loaded = ServerTls::load(dir_.file("c.pem"), dir_.file("k.pem"));
        EXPECT_TRUE(loaded.has_value());
        return *loaded;
    }
    Shaken run(ClientTls& tls, const std::shared_ptr<const ServerTls>& server, TlsTarget target) {
        Shaken out;
        test::run([&](asio::io_context& context) -> awaitable<void> {
            co_await shake(context, tls, server, target, out);
        });
        return out;
    }
    static test::TlsCert certificate(const std::string& name, long valid_to = 86400) {
        test::CertificateOptions options;
        options.name = name;
        options.alternative = "DNS:" + name;
        options.valid_to = valid_to;
        return test::TlsCert::self_signed(options);
    }

    test::TempDir dir_;
};

TEST_F(TlsCheckTest, Usage3AsksForNeitherNameNorDate) {  // RFC 7672 s3.1.1, DA-9
    const test::TlsCert made = certificate("other.example", -60);
    ClientTls tls;
    const Shaken got = run(tls, server_of(made), dane_target({key_digest(made)}));
    EXPECT_TRUE(got.result.ok()) << got.result.detail;
    EXPECT_TRUE(got.facts.verified);
    EXPECT_EQ(got.facts.verified_by, TlsCheck::dane);
    EXPECT_EQ(got.facts.tlsa_usage, 3);
    EXPECT_EQ(got.facts.server_name, "mx.test");  // DA-10
}

TEST_F(TlsCheckTest, AnyRecordMayMatch) {
    const test::TlsCert made = certificate("mx.test"), another = certificate("mx.test");
    ClientTls tls;
    EXPECT_TRUE(run(tls, server_of(made), dane_target({key_digest(another), key_digest(made)})).result.ok());
    const TlsaAssociation whole(3, 0, 0, der_of(made, 0));
    EXPECT_TRUE(run(tls, server_of(made), dane_target({whole})).result.ok());
}

// Digest agility: a server that publishes both digests of its keys means the stronger one, and what a broken SHA-256 would let
// through is refused. Of another selector or usage each counts by itself.
TEST_F(TlsCheckTest, OfTwoDigestsTheStrongerCounts) {  // RFC 7671 s9, RFC 7672 s5, DA-9
    const test::TlsCert made = certificate("mx.test"), another = certificate("mx.test");
    ClientTls tls;
    const auto strong = [](const test::TlsCert& of, std::uint8_t selector) {
        return TlsaAssociation(3, selector, 2, digest_of(der_of(of, selector), EVP_sha512()));
    };
    EXPECT_TRUE(run(tls, server_of(made), dane_target({strong(made, 1)})).result.ok());
    EXPECT_TRUE(run(tls, server_of(made), dane_target({key_digest(another), strong(made, 1)})).result.ok());
    const Shaken weaker = run(tls, server_of(made), dane_target({key_digest(made), strong(another, 1)}));
    EXPECT_FALSE(weaker.result.ok());
    EXPECT_TRUE(weaker.result.untrusted);
    EXPECT_TRUE(run(tls, server_of(made), dane_target({key_digest(made), strong(another, 0)})).result.ok());
}

TEST_F(TlsCheckTest, NoMatchIsRefused) {  // DA-8
    const test::TlsCert made = certificate("mx.test"), another = certificate("mx.test");
    ClientTls tls;
    const Shaken got = run(tls, server_of(made), dane_target({key_digest(another)}));
    EXPECT_FALSE(got.result.ok());
    EXPECT_TRUE(got.result.untrusted);
    EXPECT_NE(got.result.fault, CertificateFault::none);
}

TEST_F(TlsCheckTest, Usage2AsksForTheNameAndTheDate) {  // RFC 7672 s3.1.2, s3.2.3
    const test::TlsCert authority = certificate("authority.test");
    const TlsaAssociation record = key_digest(authority, 2);
    const test::TlsCert made = issued_by(authority, "next-hop.example");
    ClientTls tls;
    const Shaken other_name = run(tls, server_of(made), dane_target({record}));
    EXPECT_FALSE(other_name.result.ok());
    EXPECT_EQ(other_name.result.fault, CertificateFault::host_mismatch);
    const Shaken next_hop = run(tls, server_of(made), dane_target({record}, {"mx.test", "next-hop.example"}));
    EXPECT_TRUE(next_hop.result.ok()) << next_hop.result.detail;
    EXPECT_EQ(next_hop.facts.tlsa_usage, 2);
    const Shaken expired = run(tls, server_of(issued_by(authority, "mx.test", -60)), dane_target({record}));
    EXPECT_FALSE(expired.result.ok());
    EXPECT_EQ(expired.result.fault, CertificateFault::expired);
}

TEST_F(TlsCheckTest, FaultsInTheTermsOfReports) {  // RFC 8460 s4.3.1
    const test::TlsCert good = certificate("mx.test"), old = certificate("mx.test", -60),
                        other = certificate("other.test");
    good.write(dir_.file("good.pem"), dir_.file("x.pem"));
    ClientTls knows_good(dir_.file("good.pem"));
    EXPECT_EQ(run(knows_good, server_of(old), TlsTarget("mx.test", 25, true)).result.fault,
              CertificateFault::not_trusted);
    old.write(dir_.file("old.pem"), dir_.file("x.pem"));
    ClientTls knows_old(dir_.file("old.pem"));
    EXPECT_EQ(run(knows_old, server_of(old), TlsTarget("mx.test", 25, true)).result.fault,
              CertificateFault::expired);
    other.write(dir_.file("other.pem"), dir_.file("x.pem"));
    ClientTls knows_other(dir_.file("other.pem"));
    EXPECT_EQ(run(knows_other, server_of(other), TlsTarget("mx.test", 25, true)).result.fault,
              CertificateFault::host_mismatch);
}

TEST_F(TlsCheckTest, OnlyALook) {  // RFC 8461 s5: testing never stands in the way
    const test::TlsCert made = certificate("other.test");
    ClientTls tls;
    TlsTarget target("mx.test", 25, true);
    target.must_pass = false;
    const Shaken got = run(tls, server_of(made), target);
    EXPECT_TRUE(got.result.ok()) << got.result.detail;
    EXPECT_FALSE(got.facts.verified);
    EXPECT_NE(got.facts.fault, CertificateFault::none);
    EXPECT_FALSE(got.facts.fault_detail.empty());
}

TEST_F(TlsCheckTest, SessionsAreResumedOnlyForWhatTheyWereHeldAgainst) {
    const test::TlsCert made = certificate("mx.test"), another = certificate("mx.test");
    const auto server = server_of(made);
    ClientTls tls;
    const TlsTarget one = dane_target({key_digest(made)});
    const TlsTarget two = dane_target({key_digest(made), key_digest(another)});
    EXPECT_FALSE(run(tls, server, TlsTarget("mx.test", 25, false)).facts.resumed);
    EXPECT_FALSE(run(tls, server, one).facts.resumed);  // not the one that was agreed without a look
    EXPECT_FALSE(run(tls, server, two).facts.resumed);  // other records
    const Shaken again = run(tls, server, one);
    EXPECT_TRUE(again.facts.resumed);
    EXPECT_TRUE(again.facts.verified);
    EXPECT_EQ(again.facts.verified_by, TlsCheck::dane);
    TlsTarget other_policy = one;
    other_policy.policy = "sts example.org 2";
    EXPECT_FALSE(run(tls, server, other_policy).facts.resumed);
}

TEST_F(TlsCheckTest, ACertificateOfOursIsShown) {
    const test::TlsCert made = certificate("mx.test"), ours = certificate("client.test");
    ours.write(dir_.file("own.pem"), dir_.file("own.key"));
    const auto own = Certificate::load({dir_.file("own.pem"), dir_.file("own.key")});
    ASSERT_TRUE(own.has_value()) << own.error().what;
    ClientTls tls(std::string(), *own);
    const Result<SSL*> connection = tls.connection(TlsTarget("mx.test", 25, false));
    ASSERT_TRUE(connection.has_value()) << connection.error().what;
    EXPECT_NE(SSL_get_certificate(*connection), nullptr);
    SSL_free(*connection);
}

}  // namespace
}  // namespace posthorn::net
