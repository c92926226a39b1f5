// The sandbox in force: each test confines a child of its own, since there is no way back.
#include "sandbox/confinement.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include "base/descriptor.hpp"
#include "sandbox/trial.hpp"

namespace posthorn::sandbox {
namespace {

namespace fs = std::filesystem;

class Confinement : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "sandbox-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        top_ = fs::canonical(name);
        fs::create_directories(top_ / "own/a");
        fs::create_directories(top_ / "own/b");
        fs::create_directories(top_ / "other");
        const Descriptor file(::open((top_ / "other/file").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
        if (landlock_version() < kOldestLandlock) GTEST_SKIP() << "this kernel has no Landlock of version 2 or later";
        if (const std::string why = why_no_seccomp(); !why.empty()) GTEST_SKIP() << why;
    }
    void TearDown() override { fs::remove_all(top_); }

    Wishes wishes() const {
        Wishes all;
        const Result<Identity> identity = choose_identity("", top_.string());
        all.identity = *identity;
        all.files.places.add(Access::read, "/usr");
        all.files.places.add(Access::read, "/proc");
        all.files.places.add(Access::write, (top_ / "own").string());
        return all;
    }

    // What the child said, after it confined itself; it says what is wrong, or nothing.
    std::string in_child(const Wishes& wishes, const std::function<std::string(const InForce&)>& act) const {
        int ends[2] = {-1, -1};
        if (::pipe2(ends, O_CLOEXEC) != 0) return "no pipe";
        const pid_t child = ::fork();
        if (child == 0) {
            std::string said;
            const Result<InForce> now = confine(wishes);
            said = now ? act(*now) : "not confined: " + now.error().what;
            (void)!::write(ends[1], said.data(), said.size());
            ::_exit(0);
        }
        ::close(ends[1]);
        std::string said;
        char buffer[4096];
        for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) said.append(buffer, static_cast<std::size_t>(got));
        ::close(ends[0]);
        int status = 0;
        ::waitpid(child, &status, 0);
        return WIFEXITED(status) ? said : said + " (ended by signal " + std::to_string(WTERMSIG(status)) + ")";
    }

    static std::string answer(bool done) { return done ? "done" : std::strerror(errno); }
    static std::string open_for(const fs::path& path, int flags) {
        const Descriptor opened(::open(path.c_str(), flags | O_CLOEXEC, 0600));
        return answer(static_cast<bool>(opened));
    }

    fs::path top_;
};

TEST_F(Confinement, RefusesEverythingThatIsTried) {
    EXPECT_EQ(in_child(wishes(), [&](const InForce& now) {
        std::string wrong;
        TrialPlan plan;
        plan.places = now.places;
        plan.ports = now.landlock >= kLandlockWithPorts;
        plan.own_directory = (top_ / "own").string();
        for (const Trial& trial : try_everything(plan)) {
            if (!trial.as_wanted) wrong += trial.what + ": " + trial.answer + "\n";
        }
        return wrong;
    }), "");
}

// Else the trials would prove nothing.
TEST_F(Confinement, TheTrialsFailWhereNothingIsInForce) {
    Wishes none = wishes();
    none.landlock = none.seccomp = Wish::off;
    const std::string allowed = in_child(none, [&](const InForce&) {
        std::string list;
        TrialPlan plan;
        plan.places.add(Access::write, (top_ / "own").string());
        plan.own_directory = (top_ / "own").string();
        for (const Trial& trial : try_everything(plan)) {
            if (!trial.as_wanted) list += trial.what + "\n";
        }
        return list;
    });
    for (const char* what : {"ptrace", "bpf", "io_uring_setup", "unshare", "execve", "fork", "mmap", "kill", "list /", "make a file in /tmp"})
        EXPECT_NE(allowed.find(what), std::string::npos) << what << " was refused all the same:\n" << allowed;
}

TEST_F(Confinement, LeavesItsOwnDirectoryAndKeepsTheOthers) {
    EXPECT_EQ(in_child(wishes(), [&](const InForce&) { return open_for(top_ / "own/new", O_CREAT | O_RDWR); }), "done");
    EXPECT_EQ(in_child(wishes(), [&](const InForce&) { return open_for(top_ / "other/file", O_RDONLY); }), std::strerror(EACCES));
    EXPECT_EQ(in_child(wishes(), [&](const InForce&) { return open_for("/usr/posthorn-was-here", O_CREAT | O_RDWR); }), std::strerror(EACCES));
}

// A file without a name gets one, and moves to another directory: so the queue's bodies and the spools work.
TEST_F(Confinement, FilesMayBeLinkedAndMoved) {
    EXPECT_EQ(in_child(wishes(), [&](const InForce&) -> std::string {
        const Descriptor nameless(::open((top_ / "own").c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
        if (!nameless) return "O_TMPFILE: " + answer(false);
        const std::string self = "/proc/self/fd/" + std::to_string(nameless.get());
        if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, (top_ / "own/a/body").c_str(), AT_SYMLINK_FOLLOW) != 0) return "linkat: " + answer(false);
        return "rename: " + answer(::rename((top_ / "own/a/body").c_str(), (top_ / "own/b/body").c_str()) == 0);
    }), "rename: done");
}

TEST_F(Confinement, HoldsForThreadsThatAreStartedLater) {
    EXPECT_EQ(in_child(wishes(), [&](const InForce&) {
        std::string said;
        std::thread([&] { said = open_for(top_ / "other/file", O_RDONLY); }).join();
        return said;
    }), std::strerror(EACCES));
}

TEST_F(Confinement, PortsAreThoseNamedAndTheKernelsOwnChoice) {
    if (landlock_version() < kLandlockWithPorts) GTEST_SKIP() << "this kernel's Landlock does not know ports";
    const auto listening = [](std::uint16_t port) {
        const Descriptor door(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(0x7F3A0B07);   // of ours alone, in 127/8
        return answer(::bind(door.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    };
    Wishes with_port = wishes();
    with_port.files.ports = {40125};
    EXPECT_EQ(in_child(with_port, [&](const InForce&) { return listening(40125); }), "done");
    EXPECT_EQ(in_child(with_port, [&](const InForce&) { return listening(0); }), "done");
    EXPECT_EQ(in_child(with_port, [&](const InForce&) { return listening(40126); }), std::strerror(EACCES));
}

TEST_F(Confinement, ProgramsStartOnlyWhereTheyAreWanted) {
    const auto run = [](const InForce&) -> std::string {
        const pid_t child = ::fork();
        if (child < 0) return std::strerror(errno);
        if (child == 0) {
            ::execl("/bin/true", "true", nullptr);
            ::_exit(99);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        return std::to_string(WEXITSTATUS(status));
    };
    Wishes with_programs = wishes();
    with_programs.calls.programs = true;
    for (const char* directory : {"/usr", "/bin", "/lib", "/lib64"}) with_programs.files.places.add(Access::run, directory);
    with_programs.files.places.add(Access::read, "/etc");
    EXPECT_EQ(in_child(wishes(), run), std::strerror(ENOSYS));
    EXPECT_EQ(in_child(with_programs, run), "0");
    // Landlock alone: a program that lies elsewhere does not start.
    Wishes elsewhere = with_programs;
    elsewhere.files.places = wishes().files.places;
    EXPECT_EQ(in_child(elsewhere, run), "99");
}

TEST_F(Confinement, SystemCallsCanBeAdded) {
    const auto device = [&](const InForce&) { return answer(::mkfifo((top_ / "own/fifo").c_str(), 0600) == 0); };
    EXPECT_EQ(in_child(wishes(), device), std::strerror(ENOSYS));
    Wishes more = wishes();
    more.calls.more = {"mknod", "mknodat"};
    EXPECT_EQ(in_child(more, device), "done");
    EXPECT_TRUE(is_system_call("mknodat"));
    EXPECT_FALSE(is_system_call("open_the_door"));
}

TEST_F(Confinement, RootBecomesTheUserForGood) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    Wishes other = wishes();
    other.identity = *choose_identity("64123", top_.string());
    EXPECT_EQ(in_child(other, [&](const InForce& now) {
        gid_t groups[4];
        std::string said = now.user + (now.root ? " root " : " ") + std::to_string(::getuid()) + " " + std::to_string(::getegid()) + " " + std::to_string(::getgroups(4, groups));
        return said + " " + open_for("/proc/self/fd", O_RDONLY);
    }), "64123 64123 64123 1 done");
}

// Also without seccomp, which would hide it.
TEST_F(Confinement, NoCapabilityIsLeftAndNoneCanBeHad) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root has any to give up";
    Wishes other = wishes();
    other.identity = *choose_identity("64123", top_.string());
    other.seccomp = other.landlock = Wish::off;
    const auto lines = [](const InForce&) {
        std::string said;
        FILE* status = ::fopen("/proc/self/status", "r");
        char line[256];
        while (::fgets(line, sizeof line, status) != nullptr) {
            const std::string text = line;
            if (text.starts_with("Cap") || text.starts_with("NoNewPrivs")) said += text.substr(0, text.find(':')) + "=" + text.substr(text.find('\t') + 1, text.size() - text.find('\t') - 2) + " ";
        }
        ::fclose(status);
        return said + answer(::setuid(0) == 0);
    };
    EXPECT_EQ(in_child(other, lines),
              "CapInh=0000000000000000 CapPrm=0000000000000000 CapEff=0000000000000000 CapBnd=0000000000000000 CapAmb=0000000000000000 "
              "NoNewPrivs=1 " + std::string(std::strerror(EPERM)));
}

// CHOWN, DAC_OVERRIDE, FOWNER, FSETID: bits 0, 1, 3, 4.
TEST_F(Confinement, RootThatStaysRootKeepsFourCapabilities) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root has any to give up";
    const std::string said = in_child(wishes(), [](const InForce&) {
        std::string all;
        FILE* status = ::fopen("/proc/self/status", "r");
        char line[256];
        while (::fgets(line, sizeof line, status) != nullptr) {
            if (std::string(line).starts_with("CapEff") || std::string(line).starts_with("CapBnd")) all += line;
        }
        ::fclose(status);
        return all;
    });
    EXPECT_EQ(said, "CapEff:\t000000000000001b\nCapBnd:\t000000000000001b\n");
}

TEST(ChooseIdentity, IsTheOwnerOfTheStateDirectoryAndNobodyElse) {
    const Result<Identity> unknown = choose_identity("there-is-no-such-user", "/");
    ASSERT_FALSE(unknown);
    EXPECT_NE(unknown.error().what.find("this machine has no such user"), std::string::npos) << unknown.error().what;
    if (::geteuid() != 0) return;
    std::string name = (fs::temp_directory_path() / "state-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    EXPECT_EQ(choose_identity("", name)->uid, 0U);
    ASSERT_EQ(::chown(name.c_str(), 64123, 64124), 0);
    const Result<Identity> owner = choose_identity("", name);
    EXPECT_EQ(owner->uid, 64123U);
    EXPECT_EQ(owner->gid, 64124U);    // the directory's: passwd does not know him
    EXPECT_FALSE(owner->known);
    EXPECT_EQ(choose_identity("nobody", name)->name, "nobody");
    EXPECT_EQ(choose_identity("0", name)->uid, 0U);
    fs::remove_all(name);
}

}  // namespace
}  // namespace posthorn::sandbox
