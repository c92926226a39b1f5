// Programs that are run for the operator: what they get, what they say, and that they end.
#include "net/command.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <thread>

namespace posthorn::net {
namespace {

using namespace std::chrono_literals;

CommandRun shell(std::string script) {
    CommandRun run;
    run.arguments = {"/bin/sh", "-c", std::move(script)};
    return run;
}

class CommandTest : public testing::Test {
    void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }   // as app/main.cpp
};

TEST_F(CommandTest, GetsItsInputAndSaysItsWord) {
    CommandRun run = shell("cat; echo; echo $0 $WORD; echo trouble >&2; exit 3");
    run.arguments.push_back("name");
    run.environment = {{"WORD", "a b"}};
    run.input = "the input";
    const CommandEnd end = run_command(run);
    EXPECT_EQ(end.error, "");
    EXPECT_FALSE(end.timed_out);
    EXPECT_EQ(end.exit_status, 3);
    EXPECT_FALSE(end.fine());
    EXPECT_EQ(end.words(), "exit status 3");
    EXPECT_EQ(end.output, "the input\nname a b\ntrouble\n");
}

TEST_F(CommandTest, HasNothingOfOurs) {
    ::setenv("POSTHORN_TEST_SECRET", "secret", 1);
    const CommandEnd end = run_command(shell("env; pwd; ls /proc/self/fd | wc -l"));
    EXPECT_TRUE(end.fine()) << end.words();
    EXPECT_EQ(end.output.find("SECRET"), std::string::npos) << end.output;
    EXPECT_NE(end.output.find("PWD=/\n"), std::string::npos) << end.output;
    EXPECT_TRUE(end.output.ends_with("4\n")) << "standard input, output, error, and the one by which ls looks: " << end.output;
}

TEST_F(CommandTest, InputThatNobodyReadsHoldsNobody) {
    CommandRun run = shell("exec true");
    run.input = std::string(1 << 20, 'x');
    const CommandEnd end = run_command(run);
    EXPECT_TRUE(end.fine()) << end.words();
}

TEST_F(CommandTest, LongInputAndOutputPass) {
    CommandRun run = shell("cat");
    run.input = std::string(1 << 20, 'x');
    const CommandEnd end = run_command(run);
    EXPECT_TRUE(end.fine()) << end.words();
    EXPECT_EQ(end.output.size(), run.most_output);
}

TEST_F(CommandTest, EndsInTimeWithAllItStarted) {
    CommandRun run = shell("sleep 600 & sleep 600");
    run.limit = 200ms;
    const auto began = std::chrono::steady_clock::now();
    const CommandEnd end = run_command(run);
    EXPECT_TRUE(end.timed_out);
    EXPECT_FALSE(end.fine());
    EXPECT_LT(std::chrono::steady_clock::now() - began, 30s);
}

TEST_F(CommandTest, IsGivenUpWhenWeEnd) {
    CommandRun run = shell("sleep 600");
    const auto give_up = std::make_shared<std::atomic<bool>>(false);
    run.give_up = give_up;
    run.limit = 600s;
    std::thread ending([give_up] { *give_up = true; });
    EXPECT_TRUE(run_command(run).timed_out);
    ending.join();
}

TEST_F(CommandTest, SaysWhyItCouldNotBeStarted) {
    CommandRun run;
    run.arguments = {"/nowhere/alarm"};
    const CommandEnd end = run_command(run);
    EXPECT_EQ(end.error, "/nowhere/alarm: No such file or directory");
    EXPECT_EQ(run_command(CommandRun()).error, "no program is named");
}

TEST_F(CommandTest, ASignalIsNamed) {
    const CommandEnd end = run_command(shell("kill -9 $$"));
    EXPECT_EQ(end.signal, 9);
    EXPECT_EQ(end.words(), "ended by signal 9");
}

}  // namespace
}  // namespace posthorn::net
