// Stream over socketpairs and loopback: what arrives, how it ends, what is gathered.
#include "net/stream.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/connect.hpp"
#include "net/listener.hpp"
#include "net/task_group.hpp"
#include "support/run_awaitable.hpp"

namespace posthorn::net {
namespace {

struct Pair {
    Stream a;
    Stream b;

    explicit Pair(asio::io_context& context, std::array<int, 2> fds = make())
        : a(context, fds[0]), b(context, fds[1]) {}
    static std::array<int, 2> make() {
        std::array<int, 2> fds{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
        return fds;
    }
};

SteadyTime in(std::chrono::milliseconds delay) {
    return std::chrono::steady_clock::now() + delay;
}

awaitable<void> write_and_close(Stream& stream, std::string data) {
    const IoResult result = co_await stream.write(data);
    EXPECT_TRUE(result.ok());
    EXPECT_EQ(result.size, data.size());
    stream.close();
}

awaitable<std::string> read_to_end(Stream& stream, std::size_t step, error_code& end) {
    std::string all;
    std::string buffer(step, '\0');
    for (;;) {
        auto [ec, n] = co_await stream.read_some(buffer);
        all.append(buffer, 0, n);
        if (ec) {
            end = ec;
            co_return all;
        }
    }
}

TEST(Stream, CarriesMegabytesThroughASmallKernelBuffer) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        Pair pair(context);
        TaskGroup writers(context.get_executor(), "writer");
        std::string sent(3 * 1024 * 1024 + 7, '\0');
        for (std::size_t i = 0; i < sent.size(); ++i) {
            sent[i] = static_cast<char>(i * 31 >> 4);
        }
        writers.spawn(write_and_close(pair.a, sent));
        error_code end;
        const std::string got = co_await read_to_end(pair.b, 5000, end);
        EXPECT_EQ(end, asio::error::eof);
        EXPECT_TRUE(got == sent);
        const bool idle = co_await writers.wait_idle(in(std::chrono::seconds(5)));
        EXPECT_TRUE(idle);
    });
}

awaitable<void> gather_and_close(Stream& stream, const std::vector<std::string>& texts) {
    std::vector<std::string_view> pieces(texts.begin(), texts.end());
    const IoResult result = co_await stream.write(pieces);
    EXPECT_TRUE(result.ok());
    stream.close();
}

TEST(Stream, GathersPiecesInOrderAlsoEmptyOnesAndMoreThanOneSystemCallTakes) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        Pair pair(context);
        std::vector<std::string> texts;
        std::string expected;
        for (int i = 0; i < 200; ++i) {
            texts.push_back(
                i % 3 == 0 ? std::string()
                           : std::string(static_cast<std::size_t>(i) * 50, static_cast<char>('a' + i % 26)));
            expected += texts.back();
        }
        TaskGroup writers(context.get_executor(), "writer");
        writers.spawn(gather_and_close(pair.a, texts));
        error_code end;
        const std::string got = co_await read_to_end(pair.b, 4096, end);
        EXPECT_TRUE(got == expected);
        const bool idle = co_await writers.wait_idle(in(std::chrono::seconds(5)));
        EXPECT_TRUE(idle);
    });
}

TEST(Stream, CloseEndsAPendingReadWithOperationAborted) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        Pair pair(context);
        asio::post(context, [&] { pair.b.close(); });
        std::array<char, 16> buffer{};
        auto [ec, n] = co_await pair.b.read_some(buffer);
        EXPECT_EQ(ec, asio::error::operation_aborted);
        EXPECT_EQ(n, 0U);
        EXPECT_FALSE(pair.b.is_open());
        const IoResult after = co_await pair.b.write("x");
        EXPECT_EQ(after.error, asio::error::operation_aborted);
        pair.b.close();
    });
}

TEST(Stream, WritingToAPeerThatIsGoneIsAnErrorNotASignal) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        Pair pair(context);
        pair.b.close();
        const IoResult result = co_await pair.a.write("hello");
        EXPECT_EQ(result.error, asio::error::broken_pipe);
    });
}

TEST(Stream, WaitReadableLeavesTheDataForTheRead) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        Pair pair(context);
        co_await pair.a.write("220 hello\r\n");
        const error_code ec = co_await pair.b.wait_readable();
        EXPECT_FALSE(ec);
        const error_code again = co_await pair.b.wait_readable();
        EXPECT_FALSE(again);
        std::array<char, 64> buffer{};
        auto [read_ec, n] = co_await pair.b.read_some(buffer);
        EXPECT_FALSE(read_ec);
        EXPECT_EQ(std::string_view(buffer.data(), n), "220 hello\r\n");
    });
}

awaitable<void> flood(Stream& stream, bool& stop) {
    const std::string block(65536, 'x');
    while (!stop) {
        const IoResult result = co_await stream.write(block);
        if (!result.ok()) {
            co_return;
        }
    }
}

awaitable<void> drain(Stream& stream) {
    std::string buffer(65536, '\0');
    for (;;) {
        const IoResult result = co_await stream.read_some(buffer);
        if (!result.ok()) {
            co_return;
        }
    }
}

TEST(Stream, AFloodDoesNotKeepTheShardFromOthers) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        Pair pair(context);
        bool stop = false;
        TaskGroup busy(context.get_executor(), "busy");
        busy.spawn(flood(pair.a, stop));
        busy.spawn(drain(pair.b));
        asio::steady_timer timer(context);
        for (int i = 0; i < 5; ++i) {
            timer.expires_after(std::chrono::milliseconds(2));
            co_await timer.async_wait(kAwait);
        }
        stop = true;
        pair.a.close();
        const bool idle = co_await busy.wait_idle(in(std::chrono::seconds(5)));
        EXPECT_TRUE(idle);
    });
}

TEST(Stream, KnowsItsEndsAndSetsNoDelay) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        Endpoint any;
        any.host = "127.0.0.1";
        Result<Listener> listener = Listener::open(context, any);
        EXPECT_TRUE(listener.has_value());
        const Endpoint bound = listener->endpoint();
        EXPECT_NE(bound.port, 0);
        ConnectResult client = co_await connect(bound, in(std::chrono::seconds(5)));
        EXPECT_TRUE(client.ok());
        AcceptResult server = co_await listener->accept(context);
        EXPECT_TRUE(server.ok());
        EXPECT_EQ(client.stream->peer().to_string(), bound.to_string());
        EXPECT_EQ(server.stream->local().to_string(), bound.to_string());
        EXPECT_EQ(server.stream->peer().to_string(), client.stream->local().to_string());
        EXPECT_FALSE(server.stream->peer().is_unix());
        EXPECT_FALSE(server.stream->credentials().has_value());
    });
}

TEST(Stream, TellsWhoIsBehindAUnixSocket) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        Pair pair(context);
        EXPECT_TRUE(pair.a.peer().is_unix());
        EXPECT_EQ(pair.a.peer().to_string(), "unix");
        const std::optional<PeerCredentials> who = pair.a.credentials();
        EXPECT_TRUE(who.has_value());
        EXPECT_EQ(who->uid, ::getuid());
        EXPECT_EQ(who->pid, ::getpid());
        co_return;
    });
}

TEST(Stream, MovesWhileNothingIsPending) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        Pair pair(context);
        Stream moved(std::move(pair.a));
        co_await moved.write("one");
        Pair other(context);
        other.a = std::move(moved);  // closes what it held
        std::array<char, 8> buffer{};
        auto [ec, n] = co_await other.b.read_some(buffer);
        EXPECT_EQ(ec, asio::error::eof);
        co_await other.a.write("two");
        auto [ec2, n2] = co_await pair.b.read_some(buffer);
        EXPECT_FALSE(ec2);
        EXPECT_EQ(std::string_view(buffer.data(), n2), "onetwo");
        EXPECT_EQ(n, 0U);
    });
}

}  // namespace
}  // namespace posthorn::net
