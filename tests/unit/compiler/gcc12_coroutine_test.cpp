// The forms of co_await that this project allows itself, held to the compiler: nothing is destroyed twice,
// nothing is lost.
//
// g++ 12 destroys some temporaries of co_await expressions twice, and loses its way in others
// (docs/COROUTINES.md has the table). Each test here writes one of the known-good forms and counts
// constructors against destructors; ASan sees the rest.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/asio.hpp"
#include "net/offload.hpp"
#include "net/wait_event.hpp"
#include "support/run_awaitable.hpp"

namespace posthorn {
namespace {

namespace asio = boost::asio;
using net::awaitable;

// Counts itself; owns memory, so that a second destruction is a double free that ASan names.
class Counted {
public:
    static inline int made = 0;
    static inline int ended = 0;

    Counted() : value_(std::make_unique<std::string>("a value too long for the small string")) { ++made; }
    Counted(const Counted& other) : value_(std::make_unique<std::string>(*other.value_)) { ++made; }
    Counted(Counted&& other) noexcept : value_(std::move(other.value_)) { ++made; }
    Counted& operator=(Counted other) noexcept {
        value_ = std::move(other.value_);
        return *this;
    }
    ~Counted() { ++ended; }
    [[nodiscard]] std::size_t size() const { return value_ ? value_->size() : 0; }

private:
    std::unique_ptr<std::string> value_;
};

constexpr std::size_t kSize = 37;

class GoodForm : public testing::Test {
protected:
    void SetUp() override { Counted::made = Counted::ended = 0; }
    void TearDown() override {
        EXPECT_GT(Counted::made, 0);
        EXPECT_EQ(Counted::made, Counted::ended);
    }
};

awaitable<void> turn() {
    auto executor = co_await asio::this_coro::executor;
    co_await asio::post(executor, asio::deferred);
}

awaitable<std::size_t> take(Counted counted) {
    co_await turn();
    co_return counted.size();
}

awaitable<Counted> give() {
    co_await turn();
    Counted counted;
    co_return counted;
}

template <class F>
awaitable<std::size_t> call(F function) {
    co_await turn();
    co_return function();
}

awaitable<bool> is_third(int& calls) {
    co_await turn();
    co_return ++calls == 3;
}

struct Aggregate {
    Counted counted;
    std::string text;
    int number = 0;
};

class WithConstructor {
public:
    WithConstructor(Counted counted, std::string text)
        : counted_(std::move(counted)), text_(std::move(text)) {}
    [[nodiscard]] std::size_t size() const { return counted_.size() + text_.size(); }

private:
    Counted counted_;
    std::string text_;
};

awaitable<std::size_t> take_aggregate(Aggregate aggregate) {
    co_await turn();
    co_return aggregate.counted.size() + aggregate.text.size();
}

awaitable<std::size_t> take_class(WithConstructor object) {
    co_await turn();
    co_return object.size();
}

Aggregate make_aggregate() {
    return Aggregate{Counted(), std::string(10, 'x'), 1};
}

// A plain function may build the lambda and return the awaitable.
awaitable<std::size_t> call_plainly(Counted counted) {
    return call([counted = std::move(counted)] { return counted.size(); });
}

TEST_F(GoodForm, ALambdaWithOwningCapturesIsNamedFirst) {
    test::run([](asio::io_context&) -> awaitable<void> {
        Counted counted;
        auto work = [counted = std::move(counted)] { return counted.size(); };
        const std::size_t size = co_await call(std::move(work));
        EXPECT_EQ(size, kSize);
    });
}

TEST_F(GoodForm, APlainFunctionMayBuildTheLambda) {
    test::run([](asio::io_context&) -> awaitable<void> {
        const std::size_t size = co_await call_plainly(Counted());
        EXPECT_EQ(size, kSize);
    });
}

TEST_F(GoodForm, ALambdaOfReferencesMayStandInTheExpression) {
    test::run([](asio::io_context&) -> awaitable<void> {
        Counted counted;
        const std::size_t size = co_await call([&counted] { return counted.size(); });
        EXPECT_EQ(size, kSize);
    });
}

TEST_F(GoodForm, OffloadTakesANamedLambda) {
    asio::io_context context(1);
    asio::thread_pool pool(1);   // ends before the context
    test::run_on(context, [&](asio::io_context&) -> awaitable<void> {
        Counted counted;
        auto work = [counted = std::move(counted)] { return counted.size(); };
        const std::size_t size = co_await net::offload(pool, std::move(work));
        EXPECT_EQ(size, kSize);
    });
    pool.join();
}

TEST_F(GoodForm, AnAggregateIsNamedFirstOrComesFromAFunction) {
    test::run([](asio::io_context&) -> awaitable<void> {
        Aggregate aggregate{Counted(), std::string(10, 'x'), 1};
        const std::size_t named = co_await take_aggregate(std::move(aggregate));
        EXPECT_EQ(named, kSize + 10);
        const std::size_t made = co_await take_aggregate(make_aggregate());
        EXPECT_EQ(made, kSize + 10);
    });
}

TEST_F(GoodForm, AnAwaitedValueGoesIntoAnAggregateByName) {
    test::run([](asio::io_context&) -> awaitable<void> {
        Counted counted = co_await give();
        Aggregate aggregate{std::move(counted), std::string(5, 'y'), 2};
        const std::size_t size = co_await take_aggregate(std::move(aggregate));
        EXPECT_EQ(size, kSize + 5);
    });
}

TEST_F(GoodForm, TemporariesOfClassesWithConstructors) {
    test::run([](asio::io_context&) -> awaitable<void> {
        const std::size_t plain = co_await take(Counted());
        EXPECT_EQ(plain, kSize);
        const std::size_t object = co_await take_class(WithConstructor(Counted(), std::string("a") + "b"));
        EXPECT_EQ(object, kSize + 2);
        const std::size_t nested = co_await take(co_await give());
        EXPECT_EQ(nested, kSize);
    });
}

TEST_F(GoodForm, AClassTypedChoiceIsAStatementOfItsOwn) {
    test::run([](asio::io_context&) -> awaitable<void> {
        for (const bool first : {true, false}) {
            Counted counted;
            if (first) {
                counted = co_await give();
            }
            const std::size_t size = co_await take(std::move(counted));
            EXPECT_EQ(size, kSize);
        }
    });
}

TEST_F(GoodForm, AListIsNamedFirst) {
    test::run([](asio::io_context&) -> awaitable<void> {
        std::vector<Counted> list(3);
        auto count = [list = std::move(list)] { return list.size(); };
        const std::size_t size = co_await call(std::move(count));
        EXPECT_EQ(size, 3U);
    });
}

awaitable<std::size_t> throwing(Counted counted) {
    co_await turn();
    if (counted.size() == kSize) {
        throw std::runtime_error("as told");
    }
    co_return 0;
}

TEST_F(GoodForm, ExceptionsAreCaughtAndHandledAfterTheHandler) {
    test::run([](asio::io_context&) -> awaitable<void> {
        bool failed = false;
        try {
            co_await throwing(Counted());
        } catch (const std::runtime_error&) {
            failed = true;  // no co_await in here: the language forbids it
        }
        EXPECT_TRUE(failed);
        const std::size_t size = co_await take(Counted());
        EXPECT_EQ(size, kSize);
    });
}

// A body that declares no variable must not await in a condition (g++ 12 crashes or loops for ever): the
// result is named.
awaitable<void> wait_for_third(int& calls) {
    bool third = false;
    while (!third) {
        third = co_await is_third(calls);
    }
}

TEST_F(GoodForm, AConditionIsNamedWhereTheBodyHasNoOtherVariable) {
    test::run([](asio::io_context&) -> awaitable<void> {
        Counted counted;
        int calls = 0;
        co_await wait_for_third(calls);
        EXPECT_EQ(calls, 3);
        // With a variable in the body a condition may await.
        calls = 0;
        int rounds = 0;
        while (!co_await is_third(calls)) {
            ++rounds;
        }
        EXPECT_EQ(rounds, 2);
    });
}

TEST_F(GoodForm, BindingsOfTuplesAndResultsInLoops) {
    test::run([](asio::io_context& context) -> awaitable<void> {
        Counted counted;
        asio::steady_timer timer(context);
        for (int i = 0; i < 3; ++i) {
            timer.expires_after(std::chrono::milliseconds(1));
            auto [ec] = co_await timer.async_wait(net::kAwait);
            EXPECT_FALSE(ec);
        }
    });
}

TEST_F(GoodForm, FramesDestroyedWhileSuspended) {
    asio::io_context context(1);
    {
        auto waiting = [](asio::io_context& home) -> awaitable<void> {
            Counted counted;
            net::Event never(home.get_executor());
            co_await never.wait();
        };
        asio::co_spawn(context, waiting(context), asio::detached);
        context.run_for(std::chrono::milliseconds(2));
        EXPECT_EQ(Counted::made, Counted::ended + 1);
    }
    // The context goes at the end of this scope, before TearDown counts.
}

}  // namespace
}  // namespace posthorn
