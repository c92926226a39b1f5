// posix_spawn, two pipes, and a descriptor for the end of the process.
#include "net/command.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/descriptor.hpp"

namespace posthorn::net {
namespace {

struct Pipe {
    Descriptor read, write;
    [[nodiscard]] bool open() {
        int ends[2] = {-1, -1};
        if (::pipe2(ends, O_CLOEXEC) != 0) return false;
        read = Descriptor(ends[0]);
        write = Descriptor(ends[1]);
        return true;
    }
};

std::string system_error(int code) { return std::strerror(code); }

// The child ends here, whatever it was doing: it and what it started.
void end_group(pid_t pid) { ::kill(-pid, SIGKILL); }

void note_status(CommandEnd& end, int status) {
    if (WIFEXITED(status)) end.exit_status = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
}

void keep(CommandEnd& end, const char* octets, ssize_t size, std::size_t most) {
    const std::size_t room = most - std::min(most, end.output.size());
    if (size > 0) end.output.append(octets, std::min(static_cast<std::size_t>(size), room));
}

// Starts it; the error number, or 0.
int start(const CommandRun& run, Pipe& input, Pipe& output, pid_t& pid) {
    std::vector<std::string> pairs;
    for (const auto& [name, value] : run.environment) pairs.push_back(name + "=" + value);
    std::vector<char*> argv, envp;
    for (const std::string& argument : run.arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    for (const std::string& pair : pairs) envp.push_back(const_cast<char*>(pair.c_str()));
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_adddup2(&actions, input.read.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, output.write.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, output.write.get(), STDERR_FILENO);
    ::posix_spawn_file_actions_addchdir_np(&actions, "/");
    ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    // Signals that we ignore or block are its own to choose.
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    const int code = ::posix_spawn(&pid, argv.front(), &actions, &attributes, argv.data(), envp.data());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    return code;
}

}  // namespace

std::string CommandEnd::words() const {
    if (!error.empty()) return "it could not be started: " + error;
    if (timed_out) return "it did not end in time and was killed";
    if (signal != 0) return "ended by signal " + std::to_string(signal);
    return "exit status " + std::to_string(exit_status);
}

CommandEnd run_command(const CommandRun& run) {
    CommandEnd end;
    Pipe input, output;
    if (run.arguments.empty() || !input.open() || !output.open()) {
        end.error = run.arguments.empty() ? "no program is named" : system_error(errno);
        return end;
    }
    pid_t pid = 0;
    if (const int code = start(run, input, output, pid); code != 0) {
        end.error = run.arguments.front() + ": " + system_error(code);
        return end;
    }
    input.read = Descriptor();
    output.write = Descriptor();
    // A program that does not read its input must not hold us. (That it does not end us is app/main.cpp's doing: SIGPIPE is ignored.)
    ::fcntl(input.write.get(), F_SETFL, O_NONBLOCK);
    // glibc 2.36 declares pidfd_open() without extern "C".
    const Descriptor ended(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    const SteadyTime last = std::chrono::steady_clock::now() + run.limit;
    std::string_view waiting = run.input;
    bool running = true;
    while (running) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(last - std::chrono::steady_clock::now()).count();
        if (left <= 0 || (run.give_up && *run.give_up)) {
            end.timed_out = true;
            break;
        }
        std::array<pollfd, 3> watched = {pollfd{ended.get(), POLLIN, 0}, pollfd{output.read.get(), POLLIN, 0},
                                         pollfd{waiting.empty() ? -1 : input.write.get(), POLLOUT, 0}};
        if (waiting.empty()) input.write = Descriptor();   // the end of its input
        // Without pidfd_open (a filter of system calls): looked for in short steps.
        const int step = static_cast<int>(std::min<long>(left, ended.get() < 0 ? 20 : 200));
        if (::poll(watched.data(), watched.size(), step) < 0 && errno != EINTR) break;
        if ((watched[2].revents & (POLLOUT | POLLERR)) != 0) {
            const ssize_t written = (watched[2].revents & POLLERR) != 0 ? -1 : ::write(input.write.get(), waiting.data(), waiting.size());
            if (written > 0) waiting.remove_prefix(static_cast<std::size_t>(written));
            else if (written < 0 && errno != EAGAIN) waiting = {};
        }
        if ((watched[1].revents & (POLLIN | POLLHUP)) != 0) {
            std::array<char, 4096> room;
            const ssize_t size = ::read(output.read.get(), room.data(), room.size());
            keep(end, room.data(), size, run.most_output);
            if (size <= 0) output.read = Descriptor();
        }
        int status = 0;
        if (::waitpid(pid, &status, WNOHANG) == pid) {
            note_status(end, status);
            running = false;
        }
    }
    if (running) {
        end_group(pid);
        int status = 0;
        ::waitpid(pid, &status, 0);
    } else if (output.read.get() >= 0) {
        // What it wrote just before its end.
        ::fcntl(output.read.get(), F_SETFL, O_NONBLOCK);
        std::array<char, 4096> room;
        const ssize_t size = ::read(output.read.get(), room.data(), room.size());
        keep(end, room.data(), size, run.most_output);
    }
    return end;
}

}  // namespace posthorn::net
