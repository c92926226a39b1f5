// What crosses threads: shards, and the way to the crypto pool and back.
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "net/connect.hpp"
#include "net/listener.hpp"
#include "net/offload.hpp"
#include "net/shard.hpp"
#include "net/task_group.hpp"
#include "support/run_awaitable.hpp"

namespace posthorn::net {
namespace {

// The pool ends before the context to which it posts (net/offload.hpp).
TEST(Offload, RunsOnThePoolAndResumesAtHome) {
    asio::io_context context(1);
    asio::thread_pool pool(2);
    test::run_on(context, [&](asio::io_context&) -> awaitable<void> {
        const std::thread::id home = std::this_thread::get_id();
        std::thread::id there;
        std::string owned(100, 'k');  // owning captures: named first, as docs/COROUTINES.md says
        auto work = [owned, &there] {
            there = std::this_thread::get_id();
            return owned + "!";
        };
        const std::string result = co_await offload(pool, std::move(work));
        EXPECT_EQ(result, owned + "!");
        EXPECT_NE(there, home);
        EXPECT_EQ(std::this_thread::get_id(), home);
    });
    pool.join();
}

TEST(Offload, TakesMoveOnlyWorkAndNoResult) {
    asio::io_context context(1);
    asio::thread_pool pool(1);
    test::run_on(context, [&](asio::io_context&) -> awaitable<void> {
        int seen = 0;
        auto work = [box = std::make_unique<int>(7), &seen] { seen = *box; };
        co_await offload(pool, std::move(work));
        EXPECT_EQ(seen, 7);
        auto boxed = [box = std::make_unique<int>(8)]() mutable { return std::move(box); };
        const std::unique_ptr<int> back = co_await offload(pool, std::move(boxed));
        EXPECT_EQ(*back, 8);
    });
    pool.join();
}

TEST(Offload, BringsExceptionsHome) {
    asio::io_context context(1);
    asio::thread_pool pool(1);
    test::run_on(context, [&](asio::io_context&) -> awaitable<void> {
        auto work = []() -> int { throw std::runtime_error("no key"); };
        std::string what;
        try {
            co_await offload(pool, work);
        } catch (const std::runtime_error& error) {
            what = error.what();
        }
        EXPECT_EQ(what, "no key");
    });
    pool.join();
}

awaitable<void> many(asio::thread_pool& pool, int& sum) {
    for (int i = 0; i < 500; ++i) {
        auto work = [i] { return i; };
        sum += co_await offload(pool, work);
    }
}

TEST(Offload, ManyAtOnce) {
    asio::io_context context(1);
    asio::thread_pool pool(2);
    int sum = 0;
    test::run_on(context, [&](asio::io_context&) -> awaitable<void> {
        TaskGroup group(context.get_executor(), "many");
        for (int i = 0; i < 8; ++i) {
            group.spawn(many(pool, sum));
        }
        const bool idle =
            co_await group.wait_idle(std::chrono::steady_clock::now() + std::chrono::seconds(15));
        EXPECT_TRUE(idle);
    });
    EXPECT_EQ(sum, 8 * 499 * 500 / 2);
    pool.join();
}

awaitable<void> answer_one(Stream stream) {
    std::array<char, 16> buffer{};
    auto [ec, n] = co_await stream.read_some(buffer);
    if (!ec) {
        co_await stream.write(std::string_view(buffer.data(), n));
    }
}

TEST(IoShard, AConnectionAcceptedOnOneLivesOnAnother) {
    IoShard acceptor("acceptor");
    IoShard worker("worker");
    EXPECT_FALSE(acceptor.on_this_thread());
    Endpoint any;
    any.host = "127.0.0.1";
    auto listener = Listener::open(acceptor.context(), any);
    ASSERT_TRUE(listener.has_value());
    acceptor.start();
    worker.start();
    asio::co_spawn(
        acceptor.context(),
        [](Listener& open, IoShard& home) -> awaitable<void> {
            AcceptResult accepted = co_await open.accept(home.context());
            EXPECT_TRUE(accepted.ok());
            auto stream = std::make_shared<Stream>(std::move(*accepted.stream));
            home.post([&home, stream] {
                EXPECT_TRUE(home.on_this_thread());
                asio::co_spawn(home.context(), answer_one(std::move(*stream)), asio::detached);
            });
        }(*listener, worker),
        asio::detached);
    test::run([&](asio::io_context&) -> awaitable<void> {
        const SteadyTime limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        ConnectResult client = co_await connect(listener->endpoint(), limit);
        EXPECT_TRUE(client.ok());
        co_await client.stream->write("ping");
        std::array<char, 16> buffer{};
        auto [ec, n] = co_await client.stream->read_some(buffer);
        EXPECT_FALSE(ec);
        EXPECT_EQ(std::string_view(buffer.data(), n), "ping");
    });
    acceptor.stop();
    worker.stop();
    acceptor.join();
    worker.join();
    listener->close();
}

TEST(IoShard, DestroyEndsSuspendedCoroutinesBeforeTheirServices) {
    struct Service {
        int* ends;
    };
    struct Leaving {
        Service& service;
        ~Leaving() { ++*service.ends; }
    };
    int ends = 0;
    auto service = std::make_unique<Service>(Service{&ends});
    IoShard shard("ending");
    std::promise<void> waiting;
    shard.start();
    asio::co_spawn(
        shard.context(),
        [](asio::io_context& home, Service& used, std::promise<void>& reached) -> awaitable<void> {
            Leaving leaving{used};
            Event never(home.get_executor());
            reached.set_value();
            co_await never.wait();
        }(shard.context(), *service, waiting),
        asio::detached);
    waiting.get_future().wait();
    shard.stop();
    shard.join();
    EXPECT_EQ(ends, 0);
    shard.destroy();
    EXPECT_EQ(ends, 1);
    service.reset();
}

}  // namespace
}  // namespace posthorn::net
