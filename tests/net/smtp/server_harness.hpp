// A submission server on a shard of its own with a queue in memory, and a blocking client that says exactly what it is told.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/credentials.hpp"
#include "auth/user_file.hpp"
#include "base/base64.hpp"
#include "net/shard.hpp"
#include "net/server_tls.hpp"
#include "queue/memory_store.hpp"
#include "smtp/server/server.hpp"
#include "support/temp_dir.hpp"
#include "support/tls_cert.hpp"

namespace posthorn::test {

// The store alone, without a delivery agent.
class StorePostbox final : public smtp::server::Postbox {
public:
    StorePostbox(net::asio::io_context& home, queue::QueueStore& store) : home_(home), store_(store) {}
    void put(queue::NewMessage message, SteadyTime deadline, queue::Done<queue::Added> done) override {
        store_.add(std::move(message), deadline, [this, done = std::move(done)](queue::StoreResult<queue::Added> added) mutable {
            net::asio::post(home_, [done = std::move(done), added = std::move(added)]() mutable { done(std::move(added)); });
        });
    }
    [[nodiscard]] bool open() const override { return store_.health().healthy; }
    [[nodiscard]] const std::string& spool_directory() const override { return store_.spool_directory(); }

private:
    net::asio::io_context& home_;
    queue::QueueStore& store_;
};

// Blocking; each read gives up after ten seconds, so that a hanging server fails the test.
class SmtpClient {
public:
    explicit SmtpClient(int fd) : fd_(fd) {
        const timeval limit{10, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    SmtpClient(SmtpClient&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), ssl_(std::move(other.ssl_)), context_(std::move(other.context_)),
          read_(std::move(other.read_)) {}
    SmtpClient& operator=(SmtpClient&&) = delete;
    ~SmtpClient() { close(); }

    void close() {
        ssl_.reset();
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    void send(std::string_view octets) {
        while (!octets.empty()) {
            const long sent = ssl_ ? SSL_write(ssl_.get(), octets.data(), static_cast<int>(octets.size()))
                                   : ::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
            ASSERT_GT(sent, 0) << "the server has closed the connection";
            octets.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    // One reply, its lines joined by "\n"; empty at the end of the connection.
    std::string reply() {
        std::string lines;
        for (;;) {
            const std::string line = this->line();
            if (line.empty()) return lines;
            lines += (lines.empty() ? "" : "\n") + line;
            if (line.size() < 4 || line[3] != '-') return lines;
        }
    }
    std::string say(std::string_view command) {
        send(std::string(command) + "\r\n");
        return reply();
    }
    // Octets that came and were not read.
    [[nodiscard]] int waiting() const {
        int octets = 0;
        ::ioctl(fd_, FIONREAD, &octets);
        return octets;
    }
    [[nodiscard]] bool at_end() { return line().empty(); }
    [[nodiscard]] bool start_tls() {
        context_.reset(SSL_CTX_new(TLS_client_method()));
        ssl_.reset(SSL_new(context_.get()));
        SSL_set_fd(ssl_.get(), fd_);
        return SSL_connect(ssl_.get()) == 1;
    }
    [[nodiscard]] std::string tls_version() const { return SSL_get_version(ssl_.get()); }

private:
    struct Free {
        void operator()(SSL* ssl) const { SSL_free(ssl); }
        void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    };
    std::string line() {
        for (;;) {
            if (const auto end = read_.find("\r\n"); end != std::string::npos) {
                std::string line = read_.substr(0, end);
                read_.erase(0, end + 2);
                return line;
            }
            char buffer[4096];
            const long got = ssl_ ? SSL_read(ssl_.get(), buffer, sizeof buffer) : ::recv(fd_, buffer, sizeof buffer, 0);
            if (got <= 0) return {};
            read_.append(buffer, static_cast<std::size_t>(got));
        }
    }

    int fd_;
    std::unique_ptr<SSL, Free> ssl_;
    std::unique_ptr<SSL_CTX, Free> context_;
    std::string read_;
};

class ServerHarness {
public:
    ServerHarness() : shard("server"), crypto(1), disk(1), store(spool.path()), postbox(shard.context(), store) {
        const TlsCert cert = TlsCert::self_signed();
        cert.write(files.file("cert.pem"), files.file("key.pem"));
        auto rules = std::make_shared<intake::Rules>();
        rules->hostname = "mail.example.net";
        rules->inline_body_limit = 64 * 1024;
        runtime.hostname = "mail.example.net";
        runtime.relay.trusted_networks.push_back(IpNetwork::parse("127.0.0.0/8").value());
        runtime.users = users();
        runtime.tls = net::ServerTls::load(files.file("cert.pem"), files.file("key.pem")).value();
        runtime.rules = rules;
        listener.address = Endpoint::parse("127.0.0.1:0").value();
    }
    ~ServerHarness() {
        if (server) stop();
        crypto.join();
        disk.join();
        shard.stop();
        shard.join();
        server.reset();
        store.stop();
    }

    void start() {
        server = std::make_unique<smtp::server::Server>(shard.context(), crypto, disk, postbox,
                                                        std::make_shared<const smtp::server::Runtime>(runtime), 1);
        const Result<void> bound = server->listen(listener);
        if (!bound) throw std::runtime_error(bound.error().what);
        shard.start();
        on_shard([this] { server->start(); });
    }
    // Begins the staged end; the future is ready when all sessions are gone.
    std::future<void> begin_stop() {
        auto done = std::make_shared<std::promise<void>>();
        shard.post([this, done] {
            net::asio::co_spawn(shard.executor(), server->stop(), [done](std::exception_ptr) { done->set_value(); });
        });
        stopped_ = true;
        return done->get_future();
    }
    void stop() {
        if (stopped_) return;
        ASSERT_EQ(begin_stop().wait_for(std::chrono::seconds(20)), std::future_status::ready);
    }

    SmtpClient connect() {
        const Endpoint at = server->addresses().front();
        int fd = -1;
        if (at.is_unix()) {
            fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            at.unix_path.copy(address.sun_path, sizeof address.sun_path - 1);
            EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        } else {
            fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_port = htons(at.port);
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        }
        return SmtpClient(fd);
    }
    // Connected, greeted, EHLO said.
    SmtpClient greeted() {
        SmtpClient client = connect();
        EXPECT_EQ(client.reply().substr(0, 4), "220 ");
        EXPECT_EQ(client.say("EHLO client.example.com").substr(0, 3), "250");
        return client;
    }

    template <class F>
    std::invoke_result_t<F&> on_shard(F f) {
        std::packaged_task<std::invoke_result_t<F&>()> task(std::move(f));
        auto result = task.get_future();
        shard.post([&task] { task(); });
        return result.get();
    }
    smtp::server::ServerFigures figures() {
        return on_shard([this] { return server->figures(); });
    }
    std::vector<queue::QueueEntry> stored() {
        std::promise<std::vector<queue::QueueEntry>> entries;
        store.list({}, [&](queue::StoreResult<std::vector<queue::QueueEntry>> listed) { entries.set_value(std::move(*listed)); });
        return entries.get_future().get();
    }
    mail::MessagePtr message(QueueId id) {
        std::promise<mail::MessagePtr> found;
        store.message(id, [&](queue::StoreResult<mail::MessagePtr> message) { found.set_value(std::move(*message)); });
        return found.get_future().get();
    }

    TempDir files, spool;
    net::IoShard shard;
    net::asio::thread_pool crypto, disk;
    queue::MemoryStore store;
    StorePostbox postbox;
    smtp::server::Runtime runtime;
    smtp::server::ListenerOptions listener;
    std::unique_ptr<smtp::server::Server> server;

private:
    static std::shared_ptr<auth::Credentials> users() {
        // yescrypt takes its time on purpose; one hash serves all tests of the run.
        static const std::string hash = auth::make_hash("correct horse").value();
        auth::UserFile file = auth::UserFile::parse("shop:" + hash + "\n", "users").value();
        return std::make_shared<auth::Credentials>(std::move(file), std::chrono::minutes(5));
    }

    bool stopped_ = false;
};

inline std::string plain(std::string_view user, std::string_view password) {
    std::string text;
    text.append(1, '\0').append(user).append(1, '\0').append(password);
    return base64_encode(text);
}

}  // namespace posthorn::test
