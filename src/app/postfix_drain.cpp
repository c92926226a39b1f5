// The programs of Postfix, run one after the other: status, master, postqueue; and who is waited for.
#include "app/postfix_drain.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include "app/command_line.hpp"
#include "app/import_files.hpp"
#include "base/sysexits.hpp"
#include "base/text.hpp"
#include "migration/drain.hpp"
#include "migration/parameters.hpp"

extern char** environ;

namespace posthorn::app {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

std::atomic<bool> interrupted = false;

void on_signal(int) {
    interrupted = true;
}

struct Ran {
    int code = -1;
    std::string output;
};

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> made;
    for (std::string& word : words) made.push_back(word.data());
    made.push_back(nullptr);
    return made;
}

// A program to its end, with what it prints on standard output.
Ran run(std::vector<std::string> words) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return {};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    std::vector<char*> arguments = pointers(words);
    const int failed =
        ::posix_spawn(&child, words.front().c_str(), &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    Ran ran;
    char part[4096];
    ssize_t n = 0;
    while (failed == 0 && ((n = ::read(ends[0], part, sizeof part)) > 0 || (n < 0 && errno == EINTR))) {
        if (n > 0) ran.output.append(part, static_cast<std::size_t>(n));
    }
    ::close(ends[0]);
    if (failed != 0) return {};
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return ran;
}

// A directory of ours for the copies, which Postfix's processes can read; gone at the end.
class Copies {
public:
    Copies() : path_((fs::temp_directory_path() / "posthorn-drain-XXXXXX").string()) {
        made_ = ::mkdtemp(path_.data()) != nullptr && ::chmod(path_.c_str(), 0755) == 0;
    }
    ~Copies() {
        std::error_code ignored;
        if (made_) fs::remove_all(path_, ignored);
    }
    Copies(const Copies&) = delete;
    Copies& operator=(const Copies&) = delete;

    [[nodiscard]] bool write(const std::string& name, const std::string& text) const {
        std::ofstream out(path_ + "/" + name, std::ios::binary);
        out << text;
        out.close();
        return made_ && out.good();
    }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
    bool made_ = false;
};

// Postfix's master with that configuration, a child of ours; stopped at the end by SIGTERM, which lets
// deliveries end.
class Master {
public:
    Master(const std::string& program, const std::string& directory) {
        std::vector<std::string> words{program, "-c", directory, "-d"};
        std::vector<char*> arguments = pointers(words);
        posix_spawnattr_t attributes;
        ::posix_spawnattr_init(&attributes);
        ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // Ctrl-C reaches us alone
        if (::posix_spawn(&child_, program.c_str(), nullptr, &attributes, arguments.data(), environ) != 0)
            child_ = 0;
        ::posix_spawnattr_destroy(&attributes);
    }
    ~Master() {
        if (!runs()) return;
        ::kill(child_, SIGTERM);
        while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    Master(const Master&) = delete;
    Master& operator=(const Master&) = delete;

    [[nodiscard]] bool runs() {
        if (child_ != 0 && ::waitpid(child_, nullptr, WNOHANG) == child_) child_ = 0;
        return child_ != 0;
    }

private:
    pid_t child_ = 0;
};

// The first listener that takes mail of this machine without a login and without TLS from the start.
std::optional<std::string> listener_of(const config::Config& config) {
    using smtp::server::ListenerAuth;
    using smtp::server::ListenerTls;
    for (const auto& listener : config.server.listeners) {
        if (listener.address.is_unix() || listener.auth == ListenerAuth::required ||
            listener.tls == ListenerTls::implicit || !listener.proxy_networks.empty())
            continue;
        const std::string& host = listener.address.host;
        if (host.find(':') != std::string::npos) continue;
        if (host.starts_with("127.")) return fmt::format("{}:{}", host, listener.address.port);
        if (host == "0.0.0.0" || host == "*" || host.empty())
            return fmt::format("127.0.0.1:{}", listener.address.port);
    }
    return std::nullopt;
}

bool greets(const std::string& host, int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) return false;
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return false;
    char first[4] = {};
    bool good = ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    pollfd wait{descriptor, POLLIN, 0};
    good = good && ::poll(&wait, 1, 10000) == 1 &&
           ::recv(descriptor, first, sizeof first, MSG_WAITALL) == 4 && std::memcmp(first, "220", 3) == 0;
    ::close(descriptor);
    return good;
}

int finish(const PostfixDrain& drain, const migration::QueueCount& before, const migration::QueueCount& after,
           bool timed_out) {
    const std::size_t handed = before.total() - std::min(before.total(), after.total());
    if (drain.as_json) {
        boost::json::object reasons;
        for (const auto& [reason, count] : after.reasons) reasons[reason] = count;
        print_json(boost::json::serialize(boost::json::object{{"before", before.total()},
                                                              {"handed_over", handed},
                                                              {"left", after.total()},
                                                              {"on_hold", after.in("hold")},
                                                              {"reasons", reasons}}));
    } else {
        print(fmt::format(
            "{} of {} messages were handed over; {} are left in Postfix's queue{}.\n", handed, before.total(),
            after.total(),
            after.in("hold") > 0
                ? fmt::format(", {} of them on hold (postsuper -H ALL releases them)", after.in("hold"))
                : ""));
        for (const auto& [reason, count] : after.reasons)
            print(fmt::format("  {} recipient(s): {}\n", count, text::safe_for_log(reason, 300)));
        if (timed_out)
            print("Time is up. Postfix's queue is as it should be; run this again for the rest.\n");
    }
    return after.total() == after.in("hold") ? exit_code::kOk : exit_code::kTempFail;
}

}  // namespace

int drain_postfix(const PostfixDrain& drain) {
    const DiskFiles disk;
    const auto main_cf = disk.text(drain.postfix + "/main.cf");
    const auto master_cf = disk.text(drain.postfix + "/master.cf");
    if (!main_cf || !master_cf) {
        complain(drain.postfix +
                 "/main.cf or master.cf cannot be read: without them Postfix's queue cannot be found");
        return exit_code::kNoInput;
    }
    if (::geteuid() != 0) {
        complain("--drain starts Postfix's queue manager, which only root may do");
        return exit_code::kNoPermission;
    }
    std::string to = drain.to;
    if (to.empty()) {
        const auto config = load_config(drain.config);
        if (!config) return exit_code::kConfig;
        to = listener_of(*config).value_or("");
        if (to.empty()) {
            complain(drain.config +
                     " has no listener at loopback that takes mail without a login and TLS; name one with "
                     "--drain-to HOST:PORT");
            return exit_code::kConfig;
        }
    }
    const std::size_t colon = to.rfind(':');
    const std::string host = to.substr(0, colon);
    const int port =
        colon == std::string::npos
            ? 0
            : static_cast<int>(
                  text::parse_unsigned(std::string_view(to).substr(colon + 1), 65535).value_or(0));
    if (!host.starts_with("127.") || !greets(host, port)) {
        complain(
            fmt::format("nobody greets at {}, where Posthorn should take Postfix's mail: start Posthorn "
                        "first, or name another place with --drain-to 127.0.0.1:PORT",
                        to));
        return exit_code::kUnavailable;
    }
    const migration::Parameters parameters(*main_cf, drain.postfix + "/main.cf", {});
    const std::string commands = parameters.value("command_directory");
    if (const Ran status = run({commands + "/postfix", "-c", drain.postfix, "status"}); status.code == 0) {
        complain(
            "Postfix is still running, and two queue managers must not share a queue: stop it first "
            "(systemctl stop postfix); its queue stays as it is");
        return exit_code::kTempFail;
    }
    const Copies copies;
    if (!copies.write("main.cf", migration::drain_main_cf(*main_cf, drain.postfix,
                                                          fmt::format("[{}]:{}", host, port))) ||
        !copies.write("master.cf", migration::drain_master_cf(*master_cf))) {
        complain("cannot write to " + copies.path());
        return exit_code::kCannotCreate;
    }
    for (const char* name : {"dynamicmaps.cf"}) {
        if (const auto text = disk.text(drain.postfix + "/" + name); text && !copies.write(name, *text))
            return exit_code::kCannotCreate;
    }
    struct sigaction stop {};
    stop.sa_handler = on_signal;
    ::sigaction(SIGINT, &stop, nullptr);
    ::sigaction(SIGTERM, &stop, nullptr);
    const std::string postqueue = commands + "/postqueue";
    const auto count = [&] {
        const Ran asked = run({postqueue, "-c", copies.path(), "-j"});
        return asked.code == 0 ? std::optional(migration::count_queue(asked.output)) : std::nullopt;
    };
    const auto deadline = Clock::now() + drain.patience;
    std::optional<migration::QueueCount> before = count(), now;  // the stopped Postfix lets root look, too
    Master master(parameters.value("daemon_directory") + "/master", copies.path());
    std::optional<std::size_t> left_by_last_round;
    bool flushed = false;
    while (!interrupted && Clock::now() < deadline) {
        if (!master.runs()) {
            complain(
                "Postfix's master ended; its log (maillog, journalctl -t postfix/master) says why. The queue "
                "is as it was");
            return exit_code::kTempFail;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(before ? 500 : 100));
        if (auto counted = count())
            now = std::move(counted);
        else
            continue;
        if (!before) before = now;
        if (now->total() == now->in("hold")) break;
        if (now->moving() > 0) continue;
        // All that is left is deferred: once more, until a round brings nothing.
        if (flushed && left_by_last_round && *left_by_last_round == now->total()) break;
        left_by_last_round = flushed ? std::optional(now->total()) : std::nullopt;
        if (run({postqueue, "-c", copies.path(), "-f"}).code == 0) flushed = true;
        std::this_thread::sleep_for(std::chrono::seconds(1));
    }
    if (!before || !now) {
        complain("Postfix's queue could not be looked at (postqueue -j); it is as it was");
        return exit_code::kTempFail;
    }
    return finish(drain, *before, *now, Clock::now() >= deadline);
}

}  // namespace posthorn::app
