// The server's handshakes with a bare OpenSSL client over memory: names, versions, suites, tickets.
#include "net/server_tls.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <array>

#include "support/temp_dir.hpp"
#include "support/tls_cert.hpp"

namespace posthorn::net {
namespace {

using SslPtr = std::unique_ptr<SSL, void (*)(SSL*)>;

// Two ends of one connection, without a socket.
class Pair {
public:
    Pair(const ServerTls& tls, SSL_CTX* client_context)
        : server(tls.connection(), SSL_free), client(SSL_new(client_context), SSL_free) {
        BIO* server_side = nullptr;
        BIO* client_side = nullptr;
        BIO_new_bio_pair(&server_side, 0, &client_side, 0);
        SSL_set_bio(server.get(), server_side, server_side);
        SSL_set_bio(client.get(), client_side, client_side);
        SSL_set_connect_state(client.get());
    }

    // True when both ends are through.
    bool handshake() {
        bool done = false;
        for (int turn = 0; turn < 20 && !done; ++turn) {
            ERR_clear_error();
            const bool client_done = SSL_do_handshake(client.get()) == 1;
            ERR_clear_error();
            done = SSL_do_handshake(server.get()) == 1 && client_done;
        }
        if (done) {
            say(server.get(), client.get());  // with it the client reads its ticket
        }
        return done;
    }
    // What `to` reads after `from` wrote an octet: true when it arrived.
    static bool say(SSL* from, SSL* to) {
        std::array<char, 8> octets{};
        return SSL_write(from, "x", 1) == 1 && SSL_read(to, octets.data(), octets.size()) == 1;
    }
    std::string subject() const {
        const X509* certificate = SSL_get0_peer_certificate(client.get());
        std::array<char, 128> name{};
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(),
                                  name.size());
        return name.data();
    }

    SslPtr server;
    SslPtr client;
};

class ServerTlsTest : public testing::Test {
protected:
    // A certificate with this common name and these names, as files.
    CertificateFiles make(const std::string& common, const std::string& names, bool rsa = false) {
        test::CertificateOptions options;
        options.name = common;
        options.alternative = names;
        options.rsa = rsa;
        CertificateFiles files{dir_.file(common + ".pem"), dir_.file(common + ".key")};
        test::TlsCert::self_signed(options).write(files.certificate_file, files.key_file);
        return files;
    }
    static std::shared_ptr<const ServerTls> load(const std::vector<CertificateFiles>& files,
                                                 const ServerTlsRules& rules = {}) {
        auto loaded = ServerTls::load(files, rules);
        EXPECT_TRUE(loaded.has_value()) << loaded.error().what;
        return loaded ? *loaded : nullptr;
    }
    // The common name of the certificate that a client asking for this name is shown.
    std::string shown(const ServerTls& tls, const char* server_name) {
        Pair pair(tls, client_.get());
        if (*server_name != '\0') {
            SSL_set_tlsext_host_name(pair.client.get(), server_name);
        }
        return pair.handshake() ? pair.subject() : "no handshake";
    }
    // A session to resume, got by a handshake of this version with this name.
    std::unique_ptr<SSL_SESSION, void (*)(SSL_SESSION*)> session(Pair& pair, int version, const char* name) {
        SSL_set_max_proto_version(pair.client.get(), version);
        SSL_set_tlsext_host_name(pair.client.get(), name);
        EXPECT_TRUE(pair.handshake());
        EXPECT_EQ(SSL_session_reused(pair.client.get()), 0);
        return {SSL_get1_session(pair.client.get()), SSL_SESSION_free};
    }
    // Comes again with that session.
    bool resumes(Pair& pair, SSL_SESSION* session, const char* name) {
        SSL_set_max_proto_version(pair.client.get(), SSL_SESSION_get_protocol_version(session));
        SSL_set_tlsext_host_name(pair.client.get(), name);
        SSL_set_session(pair.client.get(), session);
        EXPECT_TRUE(pair.handshake());
        EXPECT_EQ(SSL_session_reused(pair.client.get()), SSL_session_reused(pair.server.get()));
        return SSL_session_reused(pair.client.get()) == 1;
    }

    test::TempDir dir_;
    SslContext client_{SSL_CTX_new(TLS_client_method())};
};

TEST_F(ServerTlsTest, CertificatesAreChosenByName) {
    const auto tls = load({make("first", "DNS:mail.example.org"), make("wild", "DNS:*.example.com"),
                           make("exact", "DNS:smtp.example.com,DNS:other.example.net"),
                           make("late", "DNS:smtp.example.com")});
    ASSERT_TRUE(tls);
    EXPECT_EQ(shown(*tls, "mail.example.org"), "first");
    EXPECT_EQ(shown(*tls, "smtp.example.com"), "exact");  // before the wildcard, and before one listed later
    EXPECT_EQ(shown(*tls, "SMTP.Example.COM"), "exact");
    EXPECT_EQ(shown(*tls, "other.example.net"), "exact");
    EXPECT_EQ(shown(*tls, "mx.example.com"), "wild");
    EXPECT_EQ(shown(*tls, "a.b.example.com"), "first");  // a wildcard is one label (RFC 6125 s6.4.3)
    EXPECT_EQ(shown(*tls, "example.com"), "first");
    EXPECT_EQ(shown(*tls, "unknown.test"), "first");  // the default, never an alert
    EXPECT_EQ(shown(*tls, ""), "first");
    EXPECT_TRUE(tls->covers("mx.example.com"));
    EXPECT_FALSE(tls->covers("example.com"));
    ASSERT_EQ(tls->certificates().size(), 4U);
    EXPECT_EQ(tls->certificates()[2]->names(),
              (std::vector<std::string>{"other.example.net", "smtp.example.com"}));
}

TEST_F(ServerTlsTest, RsaAndEcdsaOfEqualNamesServeTogether) {
    const auto tls = load({make("ecdsa", "DNS:mx.test"), make("rsa", "DNS:mx.test", true)});
    ASSERT_TRUE(tls);
    EXPECT_EQ(shown(*tls, "mx.test"), "ecdsa");
    SSL_CTX_set1_sigalgs_list(client_.get(), "RSA-PSS+SHA256:RSA+SHA256");
    Pair pair(*tls, client_.get());
    ASSERT_TRUE(pair.handshake());
    EXPECT_EQ(pair.subject(), "rsa");
    // The binding is of the one that was shown (RFC 5929 s4.1).
    EXPECT_EQ(ServerTls::end_point_of(pair.server.get()),
              server_end_point(SSL_get0_peer_certificate(pair.client.get())));
}

TEST_F(ServerTlsTest, NothingBelowTls12) {  // TLS-5, RFC 8996, RFC 8997
    const auto files = make("mx", "DNS:mx.test");
    const auto usual = load({files});
    ServerTlsRules modern;
    modern.min_version = TlsVersion::v1_3;
    const auto strict = load({files}, modern);
    SSL_CTX_set_security_level(client_.get(), 0);
    SSL_CTX_set_min_proto_version(client_.get(), TLS1_VERSION);
    const auto agreed = [&](const ServerTls& tls, int newest) {
        Pair pair(tls, client_.get());
        SSL_set_max_proto_version(pair.client.get(), newest);
        return pair.handshake();
    };
    EXPECT_FALSE(agreed(*usual, TLS1_VERSION));
    EXPECT_FALSE(agreed(*usual, TLS1_1_VERSION));
    EXPECT_TRUE(agreed(*usual, TLS1_2_VERSION));
    EXPECT_TRUE(agreed(*usual, TLS1_3_VERSION));
    EXPECT_FALSE(agreed(*strict, TLS1_2_VERSION));
    EXPECT_TRUE(agreed(*strict, TLS1_3_VERSION));
}

TEST_F(ServerTlsTest, SuitesOfRfc9325InTheClientsOrder) {
    const auto tls = load({make("ecdsa", "DNS:mx.test"), make("rsa", "DNS:mx.test", true)});
    SSL_CTX_set_security_level(client_.get(), 0);
    SSL_CTX_set_max_proto_version(client_.get(), TLS1_2_VERSION);
    const auto agreed = [&](const char* suites) -> std::string {
        Pair pair(*tls, client_.get());
        SSL_set_cipher_list(pair.client.get(), suites);
        return pair.handshake() ? SSL_get_cipher_name(pair.server.get()) : "";
    };
    EXPECT_EQ(agreed("ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256"),
              "ECDHE-RSA-CHACHA20-POLY1305");
    EXPECT_EQ(agreed("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305"),
              "ECDHE-RSA-AES128-GCM-SHA256");
    EXPECT_EQ(agreed("AES128-GCM-SHA256"), "");        // no forward secrecy (s4.1)
    EXPECT_EQ(agreed("ECDHE-RSA-AES128-SHA256"), "");  // CBC
    EXPECT_EQ(agreed("DHE-RSA-AES128-GCM-SHA256"), "");
    EXPECT_EQ(agreed("NULL:aNULL:RC4:3DES"), "");
}

TEST_F(ServerTlsTest, RenegotiationIsRefused) {  // RFC 9325 s3.5
    const auto tls = load({make("mx", "DNS:mx.test")});
    Pair pair(*tls, client_.get());
    SSL_set_max_proto_version(pair.client.get(), TLS1_2_VERSION);
    ASSERT_TRUE(pair.handshake());
    ASSERT_EQ(SSL_renegotiate(pair.client.get()), 1);
    EXPECT_FALSE(pair.handshake());
    std::array<char, 8> octets{};
    EXPECT_LE(SSL_read(pair.client.get(), octets.data(), octets.size()), 0);
    EXPECT_EQ(SSL_num_renegotiations(pair.server.get()), 0);
}

TEST_F(ServerTlsTest, TicketsSurviveAReloadWithTheirOldBinding) {
    ServerTlsRules rules;
    rules.tickets = std::make_shared<TicketKeys>();
    const auto files = make("mx", "DNS:mx.test");
    const auto before = load({files}, rules);
    make("mx", "DNS:mx.test");  // renewed: another certificate under the same path
    const auto after = load({files}, rules);
    ASSERT_NE(before->stamps(), after->stamps());
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        SCOPED_TRACE(version);
        Pair first(*before, client_.get());
        const auto kept = session(first, version, "mx.test");
        EXPECT_EQ(SSL_SESSION_get_max_early_data(kept.get()), 0U);  // a replayed MAIL would be mail
        const std::string binding = ServerTls::end_point_of(first.server.get());
        Pair second(*after, client_.get());
        EXPECT_TRUE(resumes(second, kept.get(), "mx.test"));
        // What the client saw, and takes its binding from, is the old certificate.
        EXPECT_EQ(ServerTls::end_point_of(second.server.get()), binding);
        EXPECT_EQ(server_end_point(SSL_get0_peer_certificate(second.client.get())), binding);
        // Also over the ticket that came with the resumed connection.
        const std::unique_ptr<SSL_SESSION, void (*)(SSL_SESSION*)> next(SSL_get1_session(second.client.get()),
                                                                        SSL_SESSION_free);
        Pair third(*after, client_.get());
        EXPECT_TRUE(resumes(third, next.get(), "mx.test"));
        EXPECT_EQ(ServerTls::end_point_of(third.server.get()), binding);
        Pair fresh(*after, client_.get());
        ASSERT_TRUE(fresh.handshake());
        EXPECT_NE(ServerTls::end_point_of(fresh.server.get()), binding);
    }
}

TEST_F(ServerTlsTest, ATicketIsForOneNameAndOneSetOfKeys) {  // RFC 6066 s3
    const std::vector<CertificateFiles> files = {make("one", "DNS:one.test"), make("two", "DNS:two.test")};
    ServerTlsRules rules;
    rules.tickets = std::make_shared<TicketKeys>();
    const auto tls = load(files, rules);
    const auto stranger = load(files);
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        SCOPED_TRACE(version);
        Pair first(*tls, client_.get());
        const auto kept = session(first, version, "two.test");
        Pair elsewhere(*tls, client_.get());
        EXPECT_FALSE(resumes(elsewhere, kept.get(), "one.test"));
        EXPECT_EQ(elsewhere.subject(), "one");
        Pair other_keys(*stranger, client_.get());
        EXPECT_FALSE(resumes(other_keys, kept.get(), "two.test"));
        Pair again(*tls, client_.get());
        EXPECT_TRUE(resumes(again, kept.get(), "two.test"));
    }
}

TEST_F(ServerTlsTest, AWeakKeyIsRefusedWithAdvice) {
    const CertificateFiles files{dir_.file("weak.pem"), dir_.file("weak.key")};
    const std::string command =
        "openssl req -x509 -newkey rsa:1024 -nodes -subj /CN=mx.test -days 2 -keyout " + files.key_file +
        " -out " + files.certificate_file + " 2>/dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0);
    const auto weak = ServerTls::load({files});
    ASSERT_FALSE(weak.has_value());
    EXPECT_NE(weak.error().what.find("2048 bits"), std::string::npos) << weak.error().what;
    EXPECT_FALSE(ServerTls::load(std::vector<CertificateFiles>()).has_value());
}

TEST(TicketKeysTest, LiveForADayAndOpenForTwo) {  // RFC 9325 s3.4
    TicketKeys keys;
    const SteadyTime start{};
    const auto hours = [&](int number) { return start + std::chrono::hours(number); };
    const auto first = keys.current(hours(0));
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(keys.current(hours(23))->name, first->name);
    ASSERT_TRUE(keys.find(first->name, hours(23)).has_value());
    EXPECT_FALSE(keys.find(first->name, hours(23))->old);

    const auto second = keys.current(hours(25));
    EXPECT_NE(second->name, first->name);
    EXPECT_NE(second->cipher, first->cipher);
    EXPECT_NE(second->mac, first->mac);
    ASSERT_TRUE(keys.find(first->name, hours(47)).has_value());
    EXPECT_TRUE(keys.find(first->name, hours(47))->old);  // used, and the client gets a newer ticket
    EXPECT_EQ(keys.find(first->name, hours(47))->key.mac, first->mac);
    EXPECT_FALSE(keys.find(first->name, hours(48)).has_value());
    EXPECT_TRUE(keys.find(second->name, hours(48)).has_value());
    // Nobody came for a month: what was recorded then cannot be opened now.
    EXPECT_FALSE(keys.find(second->name, hours(24 * 30)).has_value());
}

}  // namespace
}  // namespace posthorn::net
