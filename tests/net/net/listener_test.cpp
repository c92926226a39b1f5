// Opening, accepting and connecting, and the words for what goes wrong.
#include "net/listener.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>

#include "net/connect.hpp"
#include "support/run_awaitable.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::net {
namespace {

SteadyTime soon() {
    return std::chrono::steady_clock::now() + std::chrono::seconds(10);
}

Endpoint tcp(const std::string& host, std::uint16_t port = 0) {
    Endpoint endpoint;
    endpoint.host = host;
    endpoint.port = port;
    return endpoint;
}

Endpoint unix_at(const std::string& path) {
    Endpoint endpoint;
    endpoint.unix_path = path;
    return endpoint;
}

TEST(Listener, APortInUseIsExplained) {
    asio::io_context context(1);
    auto first = Listener::open(context, tcp("127.0.0.1"));
    ASSERT_TRUE(first.has_value());
    const auto second = Listener::open(context, first->endpoint());
    ASSERT_FALSE(second.has_value());
    EXPECT_NE(second.error().what.find(first->endpoint().to_string()), std::string::npos);
    EXPECT_NE(second.error().what.find("another program listens there"), std::string::npos);
    first->close();
    EXPECT_TRUE(Listener::open(context, first->endpoint()).has_value()) << "SO_REUSEADDR: free at once";
}

TEST(Listener, AnAddressOfAnotherMachineIsExplained) {
    asio::io_context context(1);
    const auto opened = Listener::open(context, tcp("192.0.2.1"));
    ASSERT_FALSE(opened.has_value());
    EXPECT_NE(opened.error().what.find("does not have that address"), std::string::npos)
        << opened.error().what;
}

TEST(Listener, BothFamiliesOnOnePort) {
    asio::io_context context(1);
    auto v6 = Listener::open(context, tcp("::"));
    if (!v6.has_value()) {
        GTEST_SKIP() << "no IPv6 on this machine: " << v6.error().what;
    }
    EXPECT_TRUE(Listener::open(context, tcp("*", v6->endpoint().port)).has_value());
}

TEST(Listener, UnixSocketModeStaleFileAndRemoval) {
    asio::io_context context(1);
    test::TempDir dir;
    const Endpoint at = unix_at(dir.file("submit.sock"));
    struct stat found {};
    {
        auto listener = Listener::open(context, at, 0600);
        ASSERT_TRUE(listener.has_value()) << listener.error().what;
        ASSERT_EQ(::stat(at.unix_path.c_str(), &found), 0);
        EXPECT_EQ(found.st_mode & 0777, 0600U);
        const auto second = Listener::open(context, at);
        ASSERT_FALSE(second.has_value());
        EXPECT_NE(second.error().what.find("another program listens there"), std::string::npos);
        ASSERT_EQ(::stat(at.unix_path.c_str(), &found), 0) << "the one in use must stay";
    }
    EXPECT_NE(::stat(at.unix_path.c_str(), &found), 0) << "removed when closed";

    // What a killed process leaves behind: a file that nobody listens on.
    const int left = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un path{};
    path.sun_family = AF_UNIX;
    at.unix_path.copy(path.sun_path, sizeof path.sun_path - 1);
    ASSERT_EQ(::bind(left, reinterpret_cast<const sockaddr*>(&path), sizeof path), 0);
    ::close(left);
    ASSERT_EQ(::stat(at.unix_path.c_str(), &found), 0);
    EXPECT_TRUE(Listener::open(context, at).has_value());
}

TEST(Listener, NeverRemovesAFileThatIsNoSocket) {
    asio::io_context context(1);
    test::TempDir dir;
    std::ofstream(dir.file("precious")) << "data";
    const auto opened = Listener::open(context, unix_at(dir.file("precious")));
    ASSERT_FALSE(opened.has_value());
    EXPECT_NE(opened.error().what.find("no socket"), std::string::npos);
    EXPECT_EQ(::access(dir.file("precious").c_str(), F_OK), 0);
    EXPECT_FALSE(Listener::open(context, unix_at(dir.file("missing/dir.sock"))).has_value());
    EXPECT_FALSE(Listener::open(context, unix_at(dir.file(std::string(200, 'x')))).has_value());
}

TEST(Listener, CloseEndsAPendingAccept) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        auto listener = Listener::open(context, tcp("127.0.0.1"));
        EXPECT_TRUE(listener.has_value());
        asio::post(context, [&] { listener->close(); });
        const AcceptResult result = co_await listener->accept(context);
        EXPECT_FALSE(result.ok());
        EXPECT_EQ(result.error, asio::error::operation_aborted);
    });
}

TEST(Connect, UnixAndTcpReachTheListener) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        test::TempDir dir;
        for (int i = 0; i < 2; ++i) {
            Endpoint where = unix_at(dir.file("s"));
            if (i == 1) {
                where = tcp("127.0.0.1");
            }
            auto listener = Listener::open(context, where);
            EXPECT_TRUE(listener.has_value());
            ConnectResult client = co_await connect(listener->endpoint(), soon());
            EXPECT_TRUE(client.ok()) << client.error.message();
            AcceptResult server = co_await listener->accept(context);
            EXPECT_TRUE(server.ok());
            co_await client.stream->write("hello");
            std::array<char, 16> buffer{};
            auto [ec, n] = co_await server.stream->read_some(buffer);
            EXPECT_FALSE(ec);
            EXPECT_EQ(std::string_view(buffer.data(), n), "hello");
        }
    });
}

TEST(Connect, RefusedIsSaid) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        auto listener = Listener::open(context, tcp("127.0.0.1"));
        const Endpoint was = listener->endpoint();
        listener->close();
        const ConnectResult result = co_await connect(was, soon());
        EXPECT_FALSE(result.ok());
        EXPECT_EQ(result.error, asio::error::connection_refused);
        Endpoint name;
        name.host = "mx.test";
        name.port = 25;
        const ConnectResult unresolved = co_await connect(name, soon());
        EXPECT_EQ(unresolved.error, asio::error::host_not_found);
    });
}

TEST(Connect, SourceAddressIsUsed) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        auto listener = Listener::open(context, tcp("127.0.0.1"));
        const IpAddress to = *IpAddress::parse("127.0.0.1");
        std::optional<IpAddress> from = *IpAddress::parse("127.0.0.77");
        ConnectResult client = co_await connect(to, listener->endpoint().port, from, soon());
        EXPECT_TRUE(client.ok()) << client.error.message();
        AcceptResult server = co_await listener->accept(context);
        EXPECT_EQ(server.stream->peer().ip->to_string(), "127.0.0.77");

        std::optional<IpAddress> foreign = *IpAddress::parse("192.0.2.1");
        const ConnectResult refused = co_await connect(to, listener->endpoint().port, foreign, soon());
        EXPECT_EQ(refused.error, boost::system::errc::address_not_available);
    });
}

TEST(Connect, TimesOutWhenTheListenersQueueIsFull) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        // A listener with a backlog of one that never accepts: the kernel drops further SYNs.
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_storage local{};
        const socklen_t length = to_sockaddr(*IpAddress::parse("127.0.0.1"), 0, local);
        EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&local), length), 0);
        EXPECT_EQ(::listen(fd, 0), 0);
        const std::uint16_t port = SocketAddress::local_of(fd).port;
        std::vector<Stream> held;
        error_code end;
        for (int i = 0; i < 8 && !end; ++i) {
            const SteadyTime limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
            ConnectResult result =
                co_await connect(*IpAddress::parse("127.0.0.1"), port, std::nullopt, limit);
            end = result.error;
            if (result.ok()) {
                held.push_back(std::move(*result.stream));
            }
        }
        EXPECT_EQ(end, asio::error::timed_out);
        ::close(fd);
        EXPECT_FALSE(context.stopped());
    });
}

}  // namespace
}  // namespace posthorn::net
