// The server with a scripted Dovecot: what is asked, what each answer becomes, and what happens when it
// breaks off.
#include <gtest/gtest.h>
#include <poll.h>

#include <optional>

#include "server_harness.hpp"

namespace posthorn::test {
namespace {

using smtp::server::DovecotAuthenticator;

constexpr auto kHandshake =
    "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tXTEST\nSPID\t1\nCUID\t1\nCOOKIE\tx"
    "\nDONE\n";

// Says what the test says; each wait gives up after ten seconds.
class FakeDovecot {
public:
    explicit FakeDovecot(std::string path) : path_(std::move(path)) { listen(); }
    ~FakeDovecot() {
        hang_up();
        stop_listening();
    }
    void listen() {
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(listener_, 8), 0);
    }
    void stop_listening() {
        if (listener_ < 0) return;
        ::close(std::exchange(listener_, -1));
        ::unlink(path_.c_str());
    }
    void accept() {
        pollfd waiting{listener_, POLLIN, 0};
        ASSERT_EQ(::poll(&waiting, 1, 10000), 1) << "the server does not connect";
        fd_ = ::accept(listener_, nullptr, nullptr);
        const timeval limit{10, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        read_.clear();
    }
    void greet() {
        accept();
        EXPECT_EQ(line(), "VERSION\t1\t1");
        EXPECT_TRUE(line().starts_with("CPID\t"));
        say(kHandshake);
    }
    void say(std::string_view text) {
        EXPECT_EQ(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    }
    std::string line() {
        for (;;) {
            if (const auto end = read_.find('\n'); end != std::string::npos) {
                const std::string line = read_.substr(0, end);
                read_.erase(0, end + 1);
                return line;
            }
            char octets[4096];
            const ssize_t got = ::recv(fd_, octets, sizeof octets, 0);
            if (got <= 0) return "(nothing)";
            read_.append(octets, static_cast<std::size_t>(got));
        }
    }
    // A request's number.
    static std::string id_of(const std::string& line) {
        const auto begin = line.find('\t') + 1;
        return line.substr(begin, line.find('\t', begin) - begin);
    }
    void hang_up() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

private:
    std::string path_;
    int listener_ = -1;
    int fd_ = -1;
    std::string read_;
};

class DovecotTest : public ::testing::Test {
protected:
    DovecotTest() : dovecot(harness.files.file("auth")) {
        harness.runtime.users.reset();
        harness.runtime.dovecot_socket = harness.files.file("auth");
        harness.listener.auth = smtp::server::ListenerAuth::required;
        harness.listener.tls = smtp::server::ListenerTls::none;
        harness.listener.auth_without_tls = true;
    }
    // After it was greeted, the server has read that once the mechanism only we know is offered.
    SmtpClient ready() {
        for (int i = 0; i < 1000; ++i) {
            SmtpClient client = harness.connect();
            client.reply();
            if (client.say("EHLO client.example.com").find("AUTH XTEST PLAIN LOGIN") != std::string::npos)
                return client;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        ADD_FAILURE() << "the server does not take the mechanisms";
        return harness.connect();
    }

    ServerHarness harness;
    FakeDovecot dovecot;
};

TEST_F(DovecotTest, IsAskedAndBelieved) {
    harness.start();
    dovecot.greet();
    SmtpClient client = ready();
    client.send("AUTH PLAIN " + plain("joe", "geheim") + "\r\n");
    const std::string request = dovecot.line();
    EXPECT_TRUE(request.starts_with("AUTH\t")) << request;
    EXPECT_NE(request.find("\tPLAIN\tservice=smtp\tsecured\tnologin\t"), std::string::npos) << request;
    EXPECT_NE(request.find("\trip=127.0.0.1\t"), std::string::npos) << request;
    EXPECT_TRUE(request.ends_with("\tno-penalty\tresp=" + plain("joe", "geheim"))) << request;
    dovecot.say("OK\t" + FakeDovecot::id_of(request) + "\tuser=joe@example.com\n");
    EXPECT_EQ(client.reply().substr(0, 3), "235");
    EXPECT_EQ(client.say("MAIL FROM:<joe@example.com>").substr(0, 3), "250");
}

TEST_F(DovecotTest, LeadsThroughAnExchange) {
    harness.start();
    dovecot.greet();
    SmtpClient client = ready();
    client.send("AUTH XTEST\r\n");
    std::string line = dovecot.line();
    EXPECT_EQ(line.find("resp="), std::string::npos) << "no initial response is not an empty one";
    const std::string id = FakeDovecot::id_of(line);
    dovecot.say("CONT\t" + id + "\tVXNlcm5hbWU6\n");
    EXPECT_EQ(client.reply(), "334 VXNlcm5hbWU6");
    client.send("am9l\r\n");
    EXPECT_EQ(dovecot.line(), "CONT\t" + id + "\tam9l");
    dovecot.say("OK\t" + id + "\tuser=joe\tresp=bGFzdCB3b3Jkcw==\n");
    EXPECT_EQ(client.reply(), "334 bGFzdCB3b3Jkcw==");  // RFC 4954 s4
    EXPECT_EQ(client.say("").substr(0, 3), "235");
}

TEST_F(DovecotTest, AnswersReachTheirSessionsInAnyOrder) {
    harness.start();
    dovecot.greet();
    SmtpClient one = ready(), two = ready(), three = ready();
    one.send("AUTH PLAIN " + plain("one", "x") + "\r\n");
    const std::string first = FakeDovecot::id_of(dovecot.line());
    two.send("AUTH PLAIN " + plain("two", "x") + "\r\n");
    const std::string second = FakeDovecot::id_of(dovecot.line());
    three.send("AUTH PLAIN " + plain("three", "x") + "\r\n");
    const std::string third = FakeDovecot::id_of(dovecot.line());
    dovecot.say("FAIL\t" + third + "\tuser=three\nOK\t" + second +
                "\tuser=two\nOK\t999999\tuser=ghost\nFAIL\t" + first + "\tcode=temp_fail\n");
    EXPECT_EQ(three.reply().substr(0, 9), "535 5.7.8");
    EXPECT_EQ(two.reply().substr(0, 9), "235 2.7.0");
    EXPECT_EQ(one.reply().substr(0, 9), "454 4.7.0");
}

TEST_F(DovecotTest, ABrokenConnectionIsNoWrongPassword) {
    harness.start();
    dovecot.greet();
    SmtpClient client = ready();
    client.send("AUTH PLAIN " + plain("joe", "geheim") + "\r\n");
    dovecot.line();
    dovecot.hang_up();
    EXPECT_EQ(client.reply().substr(0, 9), "454 4.7.0");
    dovecot.greet();  // it is opened again by itself
    client.send("AUTH LOGIN\r\n");
    std::string line = dovecot.line();
    dovecot.say("CONT\t" + FakeDovecot::id_of(line) + "\tVXNlcm5hbWU6\n");
    EXPECT_EQ(client.reply().substr(0, 3), "334");
    // An exchange belongs to the connection on which it began.
    dovecot.hang_up();
    dovecot.greet();
    EXPECT_EQ(client.say("am9l").substr(0, 9), "454 4.7.0");
    EXPECT_EQ(harness.figures().auth_failures, 0U);
}

TEST_F(DovecotTest, WhoeverIsNoDovecotIsLeft) {
    harness.start();
    dovecot.accept();
    dovecot.say("220 mail.example.com ESMTP\r\n");
    EXPECT_EQ(dovecot.line(), "VERSION\t1\t1");
    dovecot.line();
    EXPECT_EQ(dovecot.line(), "(nothing)");
    SmtpClient client = harness.greeted();
    dovecot.stop_listening();
    EXPECT_EQ(client.say("AUTH PLAIN " + plain("joe", "geheim")).substr(0, 9), "454 4.7.0");
}

TEST_F(DovecotTest, AnAbandonedExchangeIsCancelled) {
    harness.start();
    dovecot.greet();
    SmtpClient client = ready();
    client.send("AUTH LOGIN\r\n");
    const std::string id = FakeDovecot::id_of(dovecot.line());
    dovecot.say("CONT\t" + id + "\tVXNlcm5hbWU6\n");
    EXPECT_EQ(client.reply().substr(0, 3), "334");
    EXPECT_EQ(client.say("*").substr(0, 3), "501");
    client.send("AUTH PLAIN " + plain("joe", "geheim") + "\r\n");
    EXPECT_EQ(dovecot.line(), "CANCEL\t" + id);
    const std::string request = dovecot.line();
    EXPECT_TRUE(request.starts_with("AUTH\t")) << request;
    dovecot.say("OK\t" + FakeDovecot::id_of(request) + "\tuser=joe\n");
    EXPECT_EQ(client.reply().substr(0, 3), "235");
}

TEST_F(DovecotTest, TheEndDoesNotWaitForIt) {
    harness.start();
    dovecot.greet();
    SmtpClient client = ready();
    client.send("AUTH PLAIN " + plain("joe", "geheim") + "\r\n");
    dovecot.line();
    auto ended = harness.begin_stop();
    EXPECT_EQ(client.reply().substr(0, 9), "454 4.7.0");
    EXPECT_EQ(client.reply().substr(0, 9), "421 4.3.2");
    EXPECT_EQ(ended.wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST_F(DovecotTest, AReloadKeepsTheConnectionOrTakesAnotherSource) {
    harness.start();
    dovecot.greet();
    SmtpClient old = ready();
    harness.on_shard(
        [this] { harness.server->reload(std::make_shared<const smtp::server::Runtime>(harness.runtime)); });
    SmtpClient same = ready();  // the mechanisms are known still: no new connection
    harness.runtime.dovecot_socket.clear();
    auto users = auth::UserFile::parse("joe:" + auth::make_hash("geheim").value() + "\n", "users").value();
    harness.runtime.users = std::make_shared<auth::Credentials>(std::move(users), std::chrono::minutes(5));
    harness.on_shard(
        [this] { harness.server->reload(std::make_shared<const smtp::server::Runtime>(harness.runtime)); });
    SmtpClient fresh = harness.greeted();
    EXPECT_EQ(fresh.say("AUTH PLAIN " + plain("joe", "geheim")).substr(0, 3), "235");
    // Sessions keep what they began with.
    old.send("AUTH PLAIN " + plain("ann", "geheim") + "\r\n");
    dovecot.say("OK\t" + FakeDovecot::id_of(dovecot.line()) + "\tuser=ann\n");
    EXPECT_EQ(old.reply().substr(0, 3), "235");
    // With the last of them goes the connection.
    old.close();
    same.close();
    EXPECT_EQ(dovecot.line(), "(nothing)");
}

}  // namespace
}  // namespace posthorn::test
