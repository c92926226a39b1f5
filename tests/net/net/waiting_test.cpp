// Deadline, Event, Signal, TaskGroup: what fires, what does not, and what may be gone by then.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "net/deadline.hpp"
#include "net/stream.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"
#include "support/run_awaitable.hpp"

namespace posthorn::net {
namespace {

using std::chrono::milliseconds;

SteadyTime in(milliseconds delay) {
    return std::chrono::steady_clock::now() + delay;
}

TEST(Deadline, ClosesTheStreamAndIsToldFromThePeersEnd) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        std::array<int, 2> fds{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
        Stream stream(context, fds[0]);
        Stream silent(context, fds[1]);
        Deadline deadline(stream);
        deadline.set_after(milliseconds(20));
        std::array<char, 16> buffer{};
        auto [ec, n] = co_await stream.read_some(buffer);
        EXPECT_EQ(ec, asio::error::operation_aborted);
        EXPECT_TRUE(deadline.expired());
        EXPECT_FALSE(stream.is_open());
        deadline.set_after(milliseconds(1));  // closed stays closed
        EXPECT_TRUE(deadline.expired());
        EXPECT_EQ(n, 0U);
    });
}

TEST(Deadline, MovedLaterDoesNotFireAtTheOldTime) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        int fired = 0;
        Deadline deadline(context.get_executor(), [&] { ++fired; });
        asio::steady_timer timer(context);
        for (int i = 0; i < 10; ++i) {
            deadline.set(in(std::chrono::seconds(1)));
            if (i == 0) {
                deadline.set(in(milliseconds(5)));  // earlier: the timer is set anew
                deadline.set(in(std::chrono::seconds(1)));
            }
            timer.expires_after(milliseconds(2));
            co_await timer.async_wait(kAwait);
        }
        EXPECT_EQ(fired, 0);
        EXPECT_FALSE(deadline.expired());
        deadline.set(in(milliseconds(1)));
        Event never(context.get_executor());
        timer.expires_after(milliseconds(30));
        co_await timer.async_wait(kAwait);
        EXPECT_EQ(fired, 1);
        EXPECT_TRUE(deadline.expired());
    });
}

TEST(Deadline, ClearedDoesNotFireAndCanBeSetAgain) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        int fired = 0;
        Deadline deadline(context.get_executor(), [&] { ++fired; });
        deadline.set(in(milliseconds(2)));
        deadline.clear();
        asio::steady_timer timer(context);
        timer.expires_after(milliseconds(15));
        co_await timer.async_wait(kAwait);
        EXPECT_EQ(fired, 0);
        deadline.set(in(milliseconds(1)));
        timer.expires_after(milliseconds(20));
        co_await timer.async_wait(kAwait);
        EXPECT_EQ(fired, 1);
    });
}

TEST(Deadline, GoneBeforeItsHandlerRuns) {
    asio::io_context context(1);
    int fired = 0;
    {
        Deadline deadline(context.get_executor(), [&] { ++fired; });
        deadline.set(std::chrono::steady_clock::now() - milliseconds(1));
        // The timer has expired, its handler has not run: and now the Deadline goes.
    }
    context.run();
    EXPECT_EQ(fired, 0);
}

TEST(Deadline, OutlivedByThePendingTimerWhenTheContextGoesFirst) {
    auto context = std::make_unique<asio::io_context>(1);
    asio::co_spawn(
        *context,
        [](asio::io_context& home) -> awaitable<void> {
            Deadline deadline(home.get_executor(), [] {});
            deadline.set(in(std::chrono::hours(1)));
            Event never(home.get_executor());
            co_await never.wait();
        }(*context),
        asio::detached);
    context->run_for(milliseconds(5));
    context.reset();  // destroys the frame, its Deadline and the handler: under ASan this must be silent
}

TEST(Event, WakesAllAndStaysSet) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        Event event(context.get_executor());
        int woken = 0;
        TaskGroup waiters(context.get_executor(), "waiter");
        auto waiter = [&]() -> awaitable<void> {
            co_await event.wait();
            ++woken;
        };
        waiters.spawn(waiter());
        waiters.spawn(waiter());
        co_await asio::post(context, asio::deferred);
        co_await asio::post(context, asio::deferred);
        EXPECT_EQ(woken, 0);
        event.set();
        const bool idle = co_await waiters.wait_idle(in(std::chrono::seconds(5)));
        EXPECT_TRUE(idle);
        EXPECT_EQ(woken, 2);
        co_await event.wait();
    });
}

TEST(Signal, IsRememberedOnceAndTimesOut) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        Signal signal(context.get_executor());
        signal.notify();
        signal.notify();
        const bool remembered = co_await signal.wait_until(in(std::chrono::seconds(5)));
        EXPECT_TRUE(remembered);
        const bool again = co_await signal.wait_until(in(milliseconds(10)));
        EXPECT_FALSE(again);
        asio::post(context, [&] { signal.notify(); });
        const bool while_waiting = co_await signal.wait_until(in(std::chrono::seconds(5)));
        EXPECT_TRUE(while_waiting);
        asio::post(context, [&] { signal.notify(); });
        co_await signal.wait();
    });
}

awaitable<void> session(TaskGroup& group, Event& ended, int& asked, int& aborted) {
    TaskGroup::StopCallback stop(
        group, [&] { ++asked; },
        [&] {
            ++aborted;
            ended.set();
        });
    co_await ended.wait();
}

TEST(TaskGroup, AsksThenAbortsAndWaits) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        TaskGroup group(context.get_executor(), "session");
        Event ended(context.get_executor());
        int asked = 0;
        int aborted = 0;
        group.spawn(session(group, ended, asked, aborted));
        EXPECT_EQ(group.size(), 1U);
        const bool early = co_await group.wait_idle(in(milliseconds(5)));
        EXPECT_FALSE(early);
        group.request_stop();
        group.request_stop();
        EXPECT_EQ(asked, 1);
        group.spawn(session(group, ended, asked, aborted));  // a late comer is told at once
        const bool still = co_await group.wait_idle(in(milliseconds(5)));
        EXPECT_FALSE(still);
        EXPECT_EQ(asked, 2);
        group.abort();
        EXPECT_EQ(aborted, 2);
        const bool idle = co_await group.wait_idle(in(std::chrono::seconds(5)));
        EXPECT_TRUE(idle);
        EXPECT_EQ(group.size(), 0U);
    });
}

awaitable<void> crash(asio::io_context& context) {
    co_await asio::post(context, asio::deferred);
    throw std::runtime_error("broken invariant (a test)");
}

TEST(TaskGroup, OneTasksExceptionDoesNotEndTheOthers) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        TaskGroup group(context.get_executor(), "session");
        group.spawn(crash(context));
        const bool idle = co_await group.wait_idle(in(std::chrono::seconds(5)));
        EXPECT_TRUE(idle);
        EXPECT_EQ(group.crashes(), 1U);
    });
}

}  // namespace
}  // namespace posthorn::net
