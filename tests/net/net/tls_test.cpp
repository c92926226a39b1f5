// Handshakes from both sides on socketpairs, verification, resumption, and certificate files with something
// wrong.
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <fstream>
#include <functional>
#include <thread>

#include "net/deadline.hpp"
#include "net/stream.hpp"
#include "net/task_group.hpp"
#include "support/run_awaitable.hpp"
#include "support/temp_dir.hpp"
#include "support/tls_cert.hpp"

namespace posthorn::net {
namespace {

class Tls : public testing::Test {
protected:
    void SetUp() override {
        cert_.write(dir_.file("cert.pem"), dir_.file("key.pem"));
        auto loaded = ServerTls::load(dir_.file("cert.pem"), dir_.file("key.pem"));
        ASSERT_TRUE(loaded.has_value()) << loaded.error().what;
        server_ = *loaded;
        std::array<int, 2> fds{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
        fds_ = fds;
    }

    test::TempDir dir_;
    test::TlsCert cert_ = test::TlsCert::self_signed();
    std::shared_ptr<const ServerTls> server_;
    std::array<int, 2> fds_{};
};

// Accepts, then sends back what it is sent, until the end.
awaitable<void> echo_server(Stream stream, std::shared_ptr<const ServerTls> tls, TlsFacts& facts,
                            HandshakeResult& shake) {
    shake = co_await stream.handshake_server(tls);
    if (!shake.ok()) {
        stream.close();
        co_return;
    }
    facts = stream.tls_facts();
    std::string buffer(4096, '\0');
    for (;;) {
        auto [ec, n] = co_await stream.read_some(buffer);
        if (ec) {
            co_await stream.shutdown_tls();
            co_return;
        }
        const IoResult sent = co_await stream.write(std::string_view(buffer).substr(0, n));
        if (!sent.ok()) {
            co_return;
        }
    }
}

awaitable<std::string> read_exactly(Stream& stream, std::size_t size) {
    std::string all;
    std::string buffer(8192, '\0');
    while (all.size() < size) {
        auto [ec, n] = co_await stream.read_some(buffer);
        all.append(buffer, 0, n);
        if (ec) {
            break;
        }
    }
    co_return all;
}

awaitable<void> send_pieces(Stream& stream, const std::vector<std::string>& texts) {
    std::vector<std::string_view> pieces(texts.begin(), texts.end());
    const IoResult result = co_await stream.write(pieces);
    EXPECT_TRUE(result.ok()) << result.error.message();
}

SteadyTime soon() {
    return std::chrono::steady_clock::now() + std::chrono::seconds(10);
}

TEST_F(Tls, HandshakeEchoAndShutdown) {
    test::run([this](asio::io_context& context) -> awaitable<void> {
        TaskGroup tasks(context.get_executor(), "server");
        TlsFacts server_facts;
        HandshakeResult server_shake;
        Stream other(context, fds_[1]);
        tasks.spawn(echo_server(std::move(other), server_, server_facts, server_shake));
        ClientTls client_tls;
        Stream client(context, fds_[0]);
        TlsTarget target("mx.test.", 25, false);
        const HandshakeResult shake = co_await client.handshake_client(client_tls, target);
        EXPECT_TRUE(shake.ok()) << shake.detail;
        const TlsFacts facts = client.tls_facts();
        EXPECT_EQ(facts.version, "TLSv1.3");
        EXPECT_FALSE(facts.cipher.empty());
        EXPECT_GE(facts.bits, 128);
        EXPECT_FALSE(facts.verified);
        EXPECT_EQ(facts.peer_subject, "CN=mx.test");
        const IoResult sent = co_await client.write("EHLO client.test\r\n");
        EXPECT_TRUE(sent.ok());
        const std::string back = co_await read_exactly(client, 18);
        EXPECT_EQ(back, "EHLO client.test\r\n");
        EXPECT_EQ(server_facts.server_name, "mx.test");
        // RFC 5929 s4.1: both ends come to the same channel binding.
        EXPECT_EQ(server_facts.server_end_point.size(), 32U);
        EXPECT_EQ(server_facts.server_end_point, facts.server_end_point);
        EXPECT_TRUE(server_shake.ok());
        co_await client.shutdown_tls();
        const bool idle = co_await tasks.wait_idle(soon());
        EXPECT_TRUE(idle);
    });
}

TEST_F(Tls, CarriesMegabytesBothWaysAtOnce) {
    test::run([this](asio::io_context& context) -> awaitable<void> {
        TaskGroup tasks(context.get_executor(), "server");
        TlsFacts facts;
        HandshakeResult server_shake;
        Stream other(context, fds_[1]);
        tasks.spawn(echo_server(std::move(other), server_, facts, server_shake));
        ClientTls client_tls;
        Stream client(context, fds_[0]);
        TlsTarget target("mx.test", 25, false);
        const HandshakeResult shake = co_await client.handshake_client(client_tls, target);
        EXPECT_TRUE(shake.ok()) << shake.detail;
        std::vector<std::string> texts;
        std::string expected;
        for (std::size_t i = 0; i < 300; ++i) {
            texts.emplace_back(i * 37 % 9000, static_cast<char>('a' + i % 26));
            expected += texts.back();
        }
        tasks.spawn(send_pieces(client, texts));
        const std::string back = co_await read_exactly(client, expected.size());
        EXPECT_TRUE(back == expected);
        client.close();
        const bool idle = co_await tasks.wait_idle(soon());
        EXPECT_TRUE(idle);
    });
}

// A TLS server by hand that says nothing but that its keys are new, thousands of times, and "x" at last.
// Blocks.
void update_keys_for_ever(int fd, const std::string& certificate, const std::string& key, int times) {
    const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_server_method()),
                                                               SSL_CTX_free);
    EXPECT_EQ(SSL_CTX_use_certificate_file(context.get(), certificate.c_str(), SSL_FILETYPE_PEM), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM), 1);
    const std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(context.get()), SSL_free);
    SSL_set_fd(ssl.get(), fd);
    EXPECT_EQ(SSL_accept(ssl.get()), 1);
    BIO* gathered = BIO_new(BIO_s_mem());
    SSL_set0_wbio(ssl.get(), gathered);
    for (int i = 0; i < times; ++i) {
        EXPECT_EQ(SSL_key_update(ssl.get(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        EXPECT_EQ(SSL_do_handshake(ssl.get()), 1);
    }
    EXPECT_EQ(SSL_write(ssl.get(), "x", 1), 1);
    char* octets = nullptr;
    const long size = BIO_get_mem_data(gathered, &octets);
    EXPECT_EQ(::send(fd, octets, static_cast<std::size_t>(size), MSG_NOSIGNAL), size);
}

// RFC 8446 s4.6.3. OpenSSL goes on reading behind what is no data: it must come up for air, or one peer has
// the whole thread.
TEST_F(Tls, APeerThatOnlyUpdatesItsKeysDoesNotKeepTheThread) {
    std::thread peer(
        [this] { update_keys_for_ever(fds_[1], dir_.file("cert.pem"), dir_.file("key.pem"), 5000); });
    test::run([this, &peer](asio::io_context& context) -> awaitable<void> {
        ClientTls client_tls;
        Stream client(context, fds_[0]);
        TlsTarget target("mx.test", 25, false);
        const HandshakeResult shake = co_await client.handshake_client(client_tls, target);
        EXPECT_TRUE(shake.ok()) << shake.detail;
        peer.join();
        int whole = 0;
        ::ioctl(fds_[0], FIONREAD, &whole);
        EXPECT_GT(whole, 100'000);
        // What others see who run on this thread meanwhile.
        bool done = false, midway = false;
        std::function<void()> look = [&] {
            int left = 0;
            ::ioctl(fds_[0], FIONREAD, &left);
            midway = midway || (left > 0 && left < whole);
            if (!done) asio::post(context, look);
        };
        asio::post(context, look);
        std::string buffer(100, '\0');
        const IoResult got = co_await client.read_some(buffer);
        done = true;
        EXPECT_EQ(got.size, 1U);
        EXPECT_TRUE(midway) << "nobody else had a turn";
        auto pause = asio::post(context, asio::deferred);
        co_await std::move(pause);
        client.close();
    });
    ::close(fds_[1]);
}

// One connection to the echo server on a fresh socketpair; returns what was agreed.
awaitable<TlsFacts> one_connection(asio::io_context& context, ClientTls& client_tls,
                                   std::shared_ptr<const ServerTls> server, TlsTarget target,
                                   HandshakeResult& shake) {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
    TaskGroup tasks(context.get_executor(), "server");
    TlsFacts ignored;
    HandshakeResult server_shake;
    Stream other(context, fds[1]);
    tasks.spawn(echo_server(std::move(other), server, ignored, server_shake));
    Stream client(context, fds[0]);
    shake = co_await client.handshake_client(client_tls, target);
    TlsFacts facts;
    if (shake.ok()) {
        facts = client.tls_facts();
        const IoResult sent = co_await client.write("x");
        EXPECT_TRUE(sent.ok());
        const std::string back = co_await read_exactly(client, 1);  // the ticket comes with the first read
        EXPECT_EQ(back, "x");
        co_await client.shutdown_tls();
    }
    client.close();
    const bool idle = co_await tasks.wait_idle(soon());
    EXPECT_TRUE(idle);
    co_return facts;
}

TEST_F(Tls, ResumesOnceAndNeverAcrossPolicies) {
    test::run([this](asio::io_context& context) -> awaitable<void> {
        ClientTls tls(dir_.file("cert.pem"));
        TlsTarget opportunistic("mx.test", 25, false);
        TlsTarget verified("mx.test", 25, true);
        HandshakeResult shake;
        const TlsFacts first = co_await one_connection(context, tls, server_, opportunistic, shake);
        EXPECT_TRUE(shake.ok()) << shake.detail;
        EXPECT_FALSE(first.resumed);
        EXPECT_EQ(tls.sessions_kept(), 1U);
        const TlsFacts other = co_await one_connection(context, tls, server_, verified, shake);
        EXPECT_TRUE(shake.ok()) << shake.detail;
        EXPECT_FALSE(other.resumed);
        EXPECT_TRUE(other.verified);
        const TlsFacts second = co_await one_connection(context, tls, server_, opportunistic, shake);
        EXPECT_TRUE(second.resumed);
        EXPECT_FALSE(second.verified);
    });
}

TEST_F(Tls, VerificationSaysWhatIsWrong) {
    test::run([this](asio::io_context& context) -> awaitable<void> {
        HandshakeResult shake;
        ClientTls knows_nobody("/dev/null");
        TlsTarget target("mx.test", 25, true);
        co_await one_connection(context, knows_nobody, server_, target, shake);
        EXPECT_FALSE(shake.ok());
        EXPECT_NE(shake.detail.find("CA certificates"), std::string::npos) << shake.detail;

        ClientTls system_cas;
        co_await one_connection(context, system_cas, server_, target, shake);
        EXPECT_FALSE(shake.ok());
        EXPECT_NE(shake.detail.find("self-signed certificate"), std::string::npos) << shake.detail;

        ClientTls knows_it(dir_.file("cert.pem"));
        TlsTarget wrong_name("other.test", 25, true);
        co_await one_connection(context, knows_it, server_, wrong_name, shake);
        EXPECT_FALSE(shake.ok());
        EXPECT_NE(shake.detail.find("hostname mismatch"), std::string::npos) << shake.detail;

        TlsTarget by_address("127.0.0.1", 25, true);
        const TlsFacts facts = co_await one_connection(context, knows_it, server_, by_address, shake);
        EXPECT_TRUE(shake.ok()) << shake.detail;
        EXPECT_TRUE(facts.verified);
    });
}

awaitable<void> speak_plainly(Stream stream) {
    co_await stream.write("554 I never heard of TLS\r\n");
    std::array<char, 512> buffer{};
    for (;;) {
        const IoResult result = co_await stream.read_some(buffer);
        if (!result.ok()) {
            co_return;
        }
    }
}

TEST_F(Tls, APeerThatSpeaksNoTlsFailsTheHandshake) {
    test::run([this](asio::io_context& context) -> awaitable<void> {
        TaskGroup tasks(context.get_executor(), "peer");
        Stream other(context, fds_[1]);
        tasks.spawn(speak_plainly(std::move(other)));
        ClientTls tls;
        Stream client(context, fds_[0]);
        TlsTarget target("mx.test", 25, false);
        const HandshakeResult shake = co_await client.handshake_client(tls, target);
        EXPECT_FALSE(shake.ok());
        EXPECT_NE(shake.detail.find("wrong version number"), std::string::npos) << shake.detail;
        client.close();
        const bool idle = co_await tasks.wait_idle(soon());
        EXPECT_TRUE(idle);
    });
}

TEST_F(Tls, APeerThatClosesOrHangsInTheHandshake) {
    test::run([this](asio::io_context& context) -> awaitable<void> {
        ClientTls tls;
        TlsTarget target("mx.test", 25, false);
        {
            Stream client(context, fds_[0]);
            ::close(fds_[1]);
            const HandshakeResult shake = co_await client.handshake_client(tls, target);
            EXPECT_FALSE(shake.ok());
        }
        std::array<int, 2> fds{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
        Stream silent(context, fds[1]);
        Stream client(context, fds[0]);
        Deadline deadline(client);
        deadline.set_after(std::chrono::milliseconds(30));
        const HandshakeResult shake = co_await client.handshake_client(tls, target);
        EXPECT_EQ(shake.error, asio::error::operation_aborted);
        EXPECT_TRUE(deadline.expired());
    });
}

TEST_F(Tls, EndWithoutCloseNotifyIsTheEnd) {
    test::run([this](asio::io_context& context) -> awaitable<void> {
        TaskGroup tasks(context.get_executor(), "server");
        TlsFacts facts;
        HandshakeResult server_shake;
        Stream other(context, fds_[1]);
        tasks.spawn(echo_server(std::move(other), server_, facts, server_shake));
        ClientTls tls;
        Stream client(context, fds_[0]);
        TlsTarget target("mx.test", 25, false);
        const HandshakeResult shake = co_await client.handshake_client(tls, target);
        EXPECT_TRUE(shake.ok());
        client.close();  // the server reads the bare end of the socket
        const bool idle = co_await tasks.wait_idle(soon());
        EXPECT_TRUE(idle);
    });
}

TEST_F(Tls, ATlsStreamCanBeMoved) {
    test::run([this](asio::io_context& context) -> awaitable<void> {
        TaskGroup tasks(context.get_executor(), "server");
        TlsFacts facts;
        HandshakeResult server_shake;
        Stream other(context, fds_[1]);
        tasks.spawn(echo_server(std::move(other), server_, facts, server_shake));
        ClientTls tls;
        std::optional<Stream> kept;
        {
            Stream client(context, fds_[0]);
            TlsTarget target("mx.test", 25, false);
            const HandshakeResult shake = co_await client.handshake_client(tls, target);
            EXPECT_TRUE(shake.ok());
            kept.emplace(std::move(client));
        }
        co_await kept->write("NOOP\r\n");
        const std::string back = co_await read_exactly(*kept, 6);
        EXPECT_EQ(back, "NOOP\r\n");
        kept->close();
        const bool idle = co_await tasks.wait_idle(soon());
        EXPECT_TRUE(idle);
    });
}

// Certificate files.

TEST_F(Tls, MissingFilesAreNamed) {
    const auto missing = ServerTls::load(dir_.file("nothing.pem"), dir_.file("key.pem"));
    ASSERT_FALSE(missing.has_value());
    EXPECT_NE(missing.error().what.find(dir_.file("nothing.pem")), std::string::npos);
    EXPECT_NE(missing.error().what.find("No such file"), std::string::npos);
    const auto no_key = ServerTls::load(dir_.file("cert.pem"), dir_.file("nokey.pem"));
    ASSERT_FALSE(no_key.has_value());
    EXPECT_NE(no_key.error().what.find(dir_.file("nokey.pem")), std::string::npos);
}

TEST_F(Tls, FilesThatAreNoPemSaySo) {
    std::ofstream(dir_.file("junk.pem")) << "hello\n";
    const auto no_cert = ServerTls::load(dir_.file("junk.pem"), dir_.file("key.pem"));
    ASSERT_FALSE(no_cert.has_value());
    EXPECT_NE(no_cert.error().what.find("BEGIN CERTIFICATE"), std::string::npos) << no_cert.error().what;
    const auto no_key = ServerTls::load(dir_.file("cert.pem"), dir_.file("junk.pem"));
    ASSERT_FALSE(no_key.has_value());
    EXPECT_NE(no_key.error().what.find("PRIVATE KEY"), std::string::npos) << no_key.error().what;
}

TEST_F(Tls, AKeyOfAnotherCertificateIsRefused) {
    test::TlsCert::self_signed().write(dir_.file("other.pem"), dir_.file("other-key.pem"));
    const auto mixed = ServerTls::load(dir_.file("cert.pem"), dir_.file("other-key.pem"));
    ASSERT_FALSE(mixed.has_value());
    EXPECT_NE(mixed.error().what.find("does not belong to"), std::string::npos) << mixed.error().what;
}

TEST_F(Tls, AKeyWithPassphraseIsExplained) {
    BIO* in = BIO_new_mem_buf(cert_.key.data(), static_cast<int>(cert_.key.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
    BIO_free(in);
    std::string passphrase = "secret";
    BIO* out = BIO_new_file(dir_.file("locked.pem").c_str(), "w");
    PEM_write_bio_PrivateKey(out, key, EVP_aes_128_cbc(), reinterpret_cast<unsigned char*>(passphrase.data()),
                             static_cast<int>(passphrase.size()), nullptr, nullptr);
    BIO_free(out);
    EVP_PKEY_free(key);
    const auto locked = ServerTls::load(dir_.file("cert.pem"), dir_.file("locked.pem"));
    ASSERT_FALSE(locked.has_value());
    EXPECT_NE(locked.error().what.find("passphrase"), std::string::npos) << locked.error().what;
}

TEST_F(Tls, AnExpiredCertificateIsLoadedAndSaysSo) {
    test::CertificateOptions past;
    past.valid_from = -7200;
    past.valid_to = -3600;
    test::TlsCert::self_signed(past).write(dir_.file("old.pem"), dir_.file("old-key.pem"));
    const auto old = ServerTls::load(dir_.file("old.pem"), dir_.file("old-key.pem"));
    ASSERT_TRUE(old.has_value()) << old.error().what;
    const DateNotice notice = date_notice(*(*old)->certificates().front(), wall_now());
    EXPECT_NE(notice.text.find("expired"), std::string::npos);
    EXPECT_TRUE(notice.urgent);
}

}  // namespace
}  // namespace posthorn::net
