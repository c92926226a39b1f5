// Tests of base/log.hpp: the lines, as they arrive on the descriptor.
#include "base/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <regex>
#include <string>
#include <thread>
#include <vector>

namespace posthorn::log {
namespace {

// Sends standard output into a temporary file while it lives.
class Captured {
public:
    explicit Captured(LogOptions options = {Level::info, Format::logfmt, false, false}) {
        testing::internal::CaptureStdout();
        configure(options);
    }
    ~Captured() {
        if (!taken_) static_cast<void>(text());
        configure({Level::error, Format::logfmt, true, false});
    }
    std::string text() {
        flush();
        taken_ = true;
        return testing::internal::GetCapturedStdout();
    }

private:
    bool taken_ = false;
};

LogOptions json() {
    return {Level::debug, Format::json, false, false};
}

TEST(Log, PlainValuesStandAsTheyAre) {
    Captured log;
    info("stored")
        .kv("id", "0abc")
        .kv("size", 1234)
        .kv("big", UINT64_MAX)
        .kv("less", std::int64_t{-5})
        .kv("tls", true)
        .kv("took", 0.25);
    EXPECT_EQ(log.text(), "stored id=0abc size=1234 big=18446744073709551615 less=-5 tls=true took=0.250\n");
}

TEST(Log, ValuesAreQuotedWhereTheyNeedIt) {
    Captured log;
    info("e")
        .kv("a", "")
        .kv("b", "two words")
        .kv("c", "k=v")
        .kv("d", "say \"hi\"")
        .kv("e", "C:\\x")
        .kv("f", "<a@b>");
    EXPECT_EQ(log.text(), "e a=\"\" b=\"two words\" c=\"k=v\" d=\"say \\\"hi\\\"\" e=\"C:\\\\x\" f=<a@b>\n");
}

// A peer's reply must not be able to write a second line, or to move the operator's cursor.
TEST(Log, OneEventIsOneLineWhateverTheValue) {
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    for (const Format format : {Format::logfmt, Format::json}) {
        Captured log({Level::info, format, false, false});
        info("failed").kv("reply", all).kv("after", 1);
        const std::string text = log.text();
        ASSERT_FALSE(text.empty());
        EXPECT_EQ(text.find('\n'), text.size() - 1);
        for (const char c : text.substr(0, text.size() - 1))
            EXPECT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c);
    }
}

TEST(Log, Utf8IsKept) {
    Captured log;
    info("e").kv("who", "J\xc3\xbcrgen").kv("latin1", "J\xfcrgen");
    EXPECT_EQ(log.text(), "e who=\"J\xc3\xbcrgen\" latin1=\"J\\xfcrgen\"\n");
}

TEST(Log, JsonIsOneObjectALine) {
    Captured log(json());
    warning("deferred")
        .kv("reply", "450 \"try\tlater\"\r\n")
        .kv("n", 3)
        .kv("ok", false)
        .kv("bad", "\xff\x01");
    debug("quiet");
    EXPECT_EQ(log.text(),
              "{\"level\":\"warning\",\"event\":\"deferred\",\"reply\":\"450 "
              "\\\"try\\tlater\\\"\\r\\n\",\"n\":3,\"ok\":\"false\","
              "\"bad\":\"\\\\xff\\\\x01\"}\n{\"level\":\"debug\",\"event\":\"quiet\"}\n");
}

TEST(Log, LevelsBelowAreDropped) {
    Captured log;
    debug("unseen").kv("a", 1);
    EXPECT_FALSE(enabled(Level::debug));
    EXPECT_TRUE(enabled(Level::error));
    EXPECT_FALSE(dirty());
    error("seen");
    EXPECT_EQ(log.text(), "seen level=error\n");
}

TEST(Log, WarningsAreFlushedAtOnceAndOthersNot) {
    Captured log;
    info("first");
    EXPECT_TRUE(dirty());
    warning("second");
    EXPECT_FALSE(dirty());
    EXPECT_EQ(log.text(), "first\nsecond level=warning\n");
}

TEST(Log, TimestampIsTheFirstField) {
    for (const Format format : {Format::logfmt, Format::json}) {
        Captured log({Level::info, format, false, true});
        info("stored").kv("a", 1);
        const std::string text = log.text();
        const std::regex wanted(
            format == Format::json
                ? R"(\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","level":"info","event":"stored","a":1\}\n)"
                : R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z stored a=1\n)");
        EXPECT_TRUE(std::regex_match(text, wanted)) << text;
    }
}

TEST(Log, EventsMayNestAndOverlap) {
    Captured log;
    {
        Event outer(Level::info, "outer");
        outer.kv("a", 1);
        info("inner").kv("b", 2);
        outer.kv("c", 3);
    }
    EXPECT_EQ(log.text(), "inner b=2\nouter a=1 c=3\n");
}

TEST(Log, LinesOfManyThreadsAreWholeAndInOrderPerThread) {
    Captured log;
    constexpr int kThreads = 4, kLines = 2000;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < kThreads; ++t)
            threads.emplace_back([t] {
                for (int i = 0; i < kLines; ++i) {
                    info("line").kv("t", t).kv("i", i).kv("pad", std::string(50, 'x'));
                    if (i % 500 == 0) flush();
                }
            });
    }
    const std::string text = log.text();
    std::vector<int> next(kThreads, 0);
    std::size_t lines = 0;
    for (std::size_t from = 0; from < text.size(); ++lines) {
        const std::size_t end = text.find('\n', from);
        int t = -1, i = -1;
        ASSERT_EQ(std::sscanf(text.c_str() + from, "line t=%d i=%d pad=", &t, &i), 2);
        ASSERT_EQ(i, next.at(static_cast<std::size_t>(t))++);
        from = end + 1;
    }
    EXPECT_EQ(lines, static_cast<std::size_t>(kThreads * kLines));
}

// For `posthorn tail`: JSON, whatever the log's own form and level are.
TEST(Log, AWatcherSeesEventsThatAreNotWritten) {
    std::vector<std::string> seen;
    Captured log({Level::warning, Format::logfmt, false, false});
    watch(std::make_shared<const Watcher>([&seen](std::string_view line) { seen.emplace_back(line); }));
    EXPECT_TRUE(enabled(Level::info));
    info("delivered").kv("id", "0abc").kv("n", -3).kv("big", std::uint64_t{7}).kv("d", 0.5).kv("reply", "250 \"ok\"\r\n");
    debug("quiet").kv("a", 1);
    warning("deferred").kv("to", "a b");
    watch(nullptr);
    EXPECT_FALSE(enabled(Level::info));
    warning("unseen");
    EXPECT_EQ(log.text(), "deferred level=warning to=\"a b\"\nunseen level=warning\n");
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_TRUE(std::regex_match(
        seen[0], std::regex(R"re(\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","level":"info","event":"delivered","id":"0abc",)re"
                            R"re("n":-3,"big":7,"d":0\.500,"reply":"250 \\"ok\\"\\r\\n"\})re")))
        << seen[0];
    EXPECT_NE(seen[1].find(R"("event":"deferred","to":"a b"})"), std::string::npos) << seen[1];
}

TEST(Log, AddressesAreHiddenWhereItIsWanted) {
    LogOptions options{Level::info, Format::logfmt, false, false};
    options.addresses = AddressForm::masked;
    std::string seen;
    watch(std::make_shared<const Watcher>([&](std::string_view line) { seen = line; }));
    Captured log(options);
    info("refused").kv("to", "alice@example.com").kv("reply", "550 no bob@example.org here").kv("user", "carol").kv("at", "@");
    EXPECT_EQ(log.text(), "refused to=a***@example.com reply=\"550 no b***@example.org here\" user=carol at=@\n");
    watch(nullptr);
    EXPECT_NE(seen.find("alice@example.com"), std::string::npos) << "who asks the daemon itself sees them whole";
}

TEST(Log, AHashStaysTheSameWithItsKey) {
    const auto line_with = [](const std::string& key) {
        LogOptions options{Level::info, Format::json, false, false};
        options.addresses = AddressForm::hash;
        options.address_key = key;
        Captured log(options);
        info("stored").kv("to", "alice@example.com");
        return log.text();
    };
    EXPECT_EQ(line_with("one"), line_with("one"));
    EXPECT_NE(line_with("one"), line_with("two"));
    EXPECT_EQ(line_with(""), line_with("")) << "of one start";
    EXPECT_EQ(line_with("one").find("alice"), std::string::npos);
    EXPECT_NE(line_with("one").find("@example.com"), std::string::npos);
}

// A reader that has stopped must not stop the mail: what does not fit is dropped and counted, and the log
// says so.
TEST(Log, AStalledReaderCostsLinesAndIsTold) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe2(pipe_ends, O_NONBLOCK | O_CLOEXEC), 0);
    const int saved = ::dup(STDOUT_FILENO);
    ASSERT_GE(saved, 0);
    configure({Level::info, Format::logfmt, false, false});
    ASSERT_GE(::dup2(pipe_ends[1], STDOUT_FILENO), 0);

    const int capacity = ::fcntl(pipe_ends[1], F_GETPIPE_SZ);
    info("big").kv("x", std::string(static_cast<std::size_t>(capacity) + 1000, 'x'));
    flush();
    std::string got(static_cast<std::size_t>(capacity) * 2, '\0');
    ssize_t n = ::read(pipe_ends[0], got.data(), got.size());
    EXPECT_EQ(n, capacity);
    info("next").kv("a", 1);
    flush();
    n = ::read(pipe_ends[0], got.data(), got.size());

    ::dup2(saved, STDOUT_FILENO);
    ::close(saved);
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
    configure({Level::error, Format::logfmt, true, false});
    ASSERT_GT(n, 0);
    got.resize(static_cast<std::size_t>(n));
    EXPECT_EQ(got, "\nlog-lost octets=1007\nnext a=1\n");
}

}  // namespace
}  // namespace posthorn::log
