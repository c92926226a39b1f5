// What /proc shows of a process and its parent: our own children, through shells, and what must not be shown.
#include "net/process.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace posthorn::net {
namespace {

// A child that has become that program and waits; ended with this object.
class Child {
public:
    explicit Child(std::vector<std::string> words) {
        int ready[2];
        EXPECT_EQ(::pipe(ready), 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::setpgid(0, 0);
            ::dup2(ready[1], STDOUT_FILENO);
            std::vector<char*> arguments;
            for (std::string& word : words) arguments.push_back(word.data());
            arguments.push_back(nullptr);
            ::execv(arguments[0], arguments.data());
            ::_exit(127);
        }
        ::close(ready[1]);
        char block[32];
        ssize_t got = 0;
        while ((got = ::read(ready[0], block, sizeof block)) > 0) {
            said_.append(block, static_cast<std::size_t>(got));
            if (said_.find('\n') != std::string::npos) break;
        }
        ::close(ready[0]);
    }
    ~Child() {
        ::kill(-pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] std::int32_t said() const { return std::stoi(said_); }  // the number that it printed

private:
    pid_t pid_ = 0;
    std::string said_;
};

TEST(Process, ItselfAndItsParentAreSeen) {
    const Child child({"/bin/sh", "-c", "echo $$; read x < /dev/zero; : a\n\"b"});
    const ProcessSeen seen = see_process(child.said(), ::geteuid());
    EXPECT_EQ(seen.pid, child.pid());
    EXPECT_EQ(seen.command, "/bin/sh -c echo $$; read x < /dev/zero; : a\n\"b");  // raw; whoever shows it escapes it
    EXPECT_EQ(seen.parent_pid, ::getpid());
    EXPECT_NE(seen.parent_command.find("net_tests"), std::string::npos) << seen.parent_command;
}

// PHP starts sendmail through popen(3): the shell between is nobody of interest.
TEST(Process, ShellsThatPassOnAreNotTheParent) {
    const Child child({"/bin/sh", "-c", "/bin/sh -c 'echo $$; read x < /dev/zero; :'; :"});
    EXPECT_NE(child.said(), child.pid());
    const ProcessSeen seen = see_process(child.said(), ::geteuid());
    EXPECT_EQ(seen.pid, child.said());
    EXPECT_EQ(seen.parent_pid, ::getpid());
}

TEST(Process, ALongCommandIsCut) {
    const Child child({"/bin/sh", "-c", "echo $$; read x < /dev/zero; :", std::string(50'000, 'x')});
    EXPECT_EQ(see_process(child.pid(), ::geteuid()).command.size(), ProcessSeen::kLongestCommand);
}

TEST(Process, NothingIsSeenOfOthersAndOfNobody) {
    const Child child({"/bin/sh", "-c", "echo $$; read x < /dev/zero; :"});
    EXPECT_EQ(see_process(child.pid(), ::geteuid() + 1).pid, 0);  // the number is somebody else's by now
    for (const std::int32_t nobody : {0, -1, 0x7FFFFFFF}) {
        const ProcessSeen seen = see_process(nobody, ::geteuid());
        EXPECT_EQ(seen.pid, 0);
        EXPECT_EQ(seen.command, "");
        EXPECT_EQ(seen.parent_pid, 0);
    }
}

}  // namespace
}  // namespace posthorn::net
