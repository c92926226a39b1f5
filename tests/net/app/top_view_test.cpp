// The screen of `posthorn top` at many sizes: never more lines or cells than there are, the chosen line on it, nothing that a terminal obeys.
#include "app/top_view.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <random>

namespace posthorn::app {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

const TimePoint kNow{std::chrono::milliseconds(1'790'000'000'000)};

json::object queue_of(int count, const std::string& reply) {
    json::array messages;
    for (int i = 0; i < count; ++i) {
        json::object recipient;
        recipient["address"] = "someone-with-a-long-name-" + std::to_string(i) + "@dest.example";
        recipient["state"] = i % 7 == 3 ? "held" : "waiting";
        recipient["due_at"] = "2026-09-21T14:20:00.000Z";
        recipient["attempts"] = i % 5;
        recipient["class"] = "temp";
        recipient["reply"] = reply;
        json::object message;
        message["id"] = "1m822bdm8ab" + std::to_string(10 + i);
        message["accepted_at"] = "2026-09-21T10:00:00.000Z";
        message["from"] = "shop@example.com";
        message["recipient_count"] = i % 3 + 1;
        message["recipients"] = json::array{std::move(recipient)};
        messages.push_back(std::move(message));
    }
    json::object queue;
    queue["messages"] = std::move(messages);
    return queue;
}

json::object status_of(const std::string& words) {
    const std::string text = R"({"store":{"healthy":true,"reason":"","recipients":12},"daemon":{"version":"0.1.0","up_seconds":4000,"oldest_seconds":90,
        "server":{"sessions":3,"messages":100},"delivery":{"deliveries":2,"delivered":90,"deferred":5,"failed":1},"relay_troubles":[],"shaping":{},
        "pairs":[]},"success":[{"group":"google","hour":{"delivered":9,"deferred":1,"failed":0},"day":{"delivered":90,"deferred":5,"failed":1}}],"alarms":[]})";
    json::object status = json::parse(text).as_object();
    if (!words.empty()) {
        json::object pair;
        pair["words"] = words;
        pair["phase"] = "suspended";
        status["daemon"].as_object()["pairs"] = json::array{std::move(pair)};
    }
    return status;
}

TopSample sample_of(int rows, const std::string& reply = "451 4.3.0 later", const std::string& words = {}) {
    TopSample sample;
    sample.at = kNow;
    sample.status = status_of(words);
    sample.rows = top_rows(queue_of(rows, reply), kNow);
    return sample;
}

std::size_t cells(const std::string& line) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '\x1b') {   // ours: a colour
            i = line.find('m', i);
            continue;
        }
        count += (static_cast<unsigned char>(line[i]) & 0xC0U) != 0x80U ? 1 : 0;
    }
    return count;
}

TEST(TopView, FitsEveryScreenAndShowsTheChosenLine) {
    const TopSample sample = sample_of(60, "451 Gr\xC3\xBC\xC3\x9F" "e", "mail of example.com to google is held: " + std::string(300, 'w'));
    std::mt19937 random(1);
    for (int round = 0; round < 300; ++round) {
        TopScreen screen;
        screen.columns = 1 + random() % 200;
        screen.lines = 2 + random() % 60;
        screen.colours = random() % 2 == 0;
        screen.selected = sample.rows[random() % sample.rows.size()].id;
        const auto lines = top_lines(sample, nullptr, screen);
        ASSERT_EQ(lines.size(), screen.lines);
        bool shown = false;
        for (const std::string& line : lines) {
            ASSERT_LE(cells(line), screen.columns) << line;
            shown = shown || line.find(screen.selected) != std::string::npos;
        }
        if (screen.columns >= 80 && screen.lines >= 24) {
            ASSERT_TRUE(shown) << screen.columns << "x" << screen.lines;
        }
    }
}

TEST(TopView, At80By24EverythingThatCountsIsThere) {
    TopScreen screen;
    std::string all;
    for (const std::string& line : top_lines(sample_of(3), nullptr, screen)) all += line + "\n";
    for (const char* part : {"posthorn 0.1.0", "up 66m", "Posthorn is well", "google", "9 of 10", "90 of 96", "1m822bdm8ab10", "someone-with-a-", "temp 451 4.3",
                             "q quit", "r retry", "s suspend", "+1"})
        EXPECT_NE(all.find(part), std::string::npos) << part << "\n" << all;
}

TEST(TopView, RatesAreBetweenTwoLooks) {
    TopSample before = sample_of(0), now = sample_of(0);
    now.at = kNow + 4s;
    now.status["daemon"].as_object()["delivery"].as_object()["delivered"] = 110;
    std::string all;
    for (const std::string& line : top_lines(now, &before, {})) all += line + "\n";
    EXPECT_NE(all.find("out 5.0"), std::string::npos) << all;
    // A daemon that was started anew begins at 0: no figure, rather than a wrong one.
    now.status["daemon"].as_object()["delivery"].as_object()["delivered"] = 3;
    all.clear();
    for (const std::string& line : top_lines(now, &before, {})) all += line + "\n";
    EXPECT_NE(all.find("out -"), std::string::npos) << all;
}

TEST(TopView, NothingFromOutsideReachesTheTerminalAsAnOrder) {
    const TopSample sample = sample_of(5, "451 \x1b[2J\x07\x9b evil \r\n second", "held \x1b]0;title\x07");
    for (const bool colours : {false, true}) {
        TopScreen screen;
        screen.colours = colours;
        screen.columns = 160;
        for (std::string line : top_lines(sample, nullptr, screen)) {
            for (std::size_t at = 0; (at = line.find('\x1b', at)) != std::string::npos;) {   // our own colours
                ASSERT_TRUE(colours);
                const std::size_t end = line.find('m', at);
                ASSERT_NE(end, std::string::npos);
                ASSERT_EQ(line.find_first_not_of("\x1b[0123456789;", at), end) << line;
                line.erase(at, end - at + 1);
            }
            for (const char c : line) ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << line;
        }
    }
}

TEST(TopView, TheOrderIsTheOneThatWasAskedFor) {
    auto rows = sample_of(10).rows;
    sort_rows(rows, TopOrder::tries);
    EXPECT_EQ(rows.front().tries, 4U);
    EXPECT_EQ(rows.back().tries, 0U);
    sort_rows(rows, TopOrder::domain);
    EXPECT_EQ(rows.front().recipient_domain, "dest.example");
}

TEST(TopView, OnceIsPlainText) {
    const std::string text = top_once(sample_of(30), 120);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_NE(text.find("1m822bdm8ab39"), std::string::npos) << "all of them, however many\n" << text;
    EXPECT_EQ(text.find("q quit"), std::string::npos);
}

TEST(TopView, APageTakesTheScreenAndCanBeTurned) {
    TopScreen screen;
    for (int i = 0; i < 50; ++i) screen.page.push_back("line " + std::to_string(i));
    screen.page_from = 10;
    const auto lines = top_lines(sample_of(3), nullptr, screen);
    ASSERT_EQ(lines.size(), 24U);
    EXPECT_EQ(lines.front(), "line 10");
    EXPECT_NE(lines.back().find("enter back"), std::string::npos);
}

}  // namespace
}  // namespace posthorn::app
