// `posthorn serve`: from a configuration file to a running daemon, with an exit code for each way to fail.
#include "app/serve.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <utility>

#include "app/certificates.hpp"
#include "app/daemon.hpp"
#include "app/plan.hpp"
#include "app/restore.hpp"
#include "app/sandbox_plan.hpp"
#include "app/service_manager.hpp"
#include "app/start_checks.hpp"
#include "base/log.hpp"
#include "base/sysexits.hpp"
#include "config/config.hpp"
#include "queue/sqlite/sqlite_store.hpp"
#include "queue/sqlite/upgrade.hpp"

namespace posthorn::app {
namespace {

void say_on_stderr(const std::string& line) { std::fprintf(stderr, "posthorn: %s\n", line.c_str()); }

// Each connection is a descriptor; the soft limit of 1024 that most systems start with is for programs that use select().
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void tell(const sandbox::InForce& now) {
    log::info("sandbox").kv("user", now.user)
        .kv("landlock", now.landlock != 0 ? "version " + std::to_string(now.landlock) : "no: " + now.no_landlock)
        .kv("seccomp", now.system_calls != 0 ? std::to_string(now.system_calls) + " rules" : "no: " + now.no_seccomp);
    if (!now.root) return;
    log::warning("runs_as_root").kv("meaning", "whoever takes the daemon over may change what root owns, where the sandbox lets it write")
        .kv("action", "give state_directory to a user of its own, as whom the daemon then runs: adduser --system --group posthorn; chown -R posthorn: DIRECTORY");
}

// Before the first thread: each would keep the rights it was born with.
Result<Confined> confine_ourselves(const config::Config& config, const std::string& config_path, sandbox::Identity identity) {
    Confined confined;
    Result<std::vector<net::BoundSocket>> sockets = bind_privileged_ports(config, sockets_of_service_manager());
    if (!sockets) return sockets.error();
    confined.sockets = std::move(*sockets);
    for (const ClosedFile& file : closed_files(config, config_path, identity)) {
        log::warning("sandbox_file_closed").kv("file", file.setting + " (" + file.path + ")").kv("user", identity.name)
            .kv("meaning", "it was read as root; the user that the daemon becomes cannot read it, so a reload or a renewal will fail")
            .kv("action", "let that user read it, or restart the daemon after each change");
    }
    const sandbox::Wishes wishes = sandbox_wishes(config, config_path, std::move(identity));
    confined.programs = wishes.calls.programs;
    Result<sandbox::InForce> in_force = sandbox::confine(wishes);
    if (!in_force) return in_force.error();
    confined.in_force = std::move(*in_force);
    tell(confined.in_force);
    return confined;
}

}  // namespace

int serve(const ServeOptions& options) {
    config::Loaded loaded = config::load(options.config_path);
    for (const config::Mistake& mistake : loaded.mistakes) say_on_stderr(mistake.to_string());
    if (!loaded.mistakes.empty()) return exit_code::kConfig;

    Result<sandbox::Identity> identity = sandbox::choose_identity(loaded.config.sandbox.user, loaded.config.state_directory);
    if (!identity) {
        say_on_stderr(identity.error().what);
        return exit_code::kConfig;
    }
    make_directories(loaded.config, *identity);
    // What we make from here on is ours alone, databases above all; what others use has its mode set (sockets, the spool).
    ::umask(077);
    if (const std::string fault = state_directory_fault(loaded.config, *identity); !fault.empty()) {
        say_on_stderr(fault);
        return exit_code::kCannotCreate;
    }
    if (const Result<bool> made = make_due_certificate(loaded.config, wall_now()); !made) {
        say_on_stderr(made.error().what);
        return exit_code::kCannotCreate;
    }
    Plan plan = make_plan(std::move(loaded.config));
    for (std::string& problem : sandbox_problems(plan.config)) plan.problems.push_back(std::move(problem));
    for (const std::string& problem : plan.problems) say_on_stderr(problem);
    if (!plan.problems.empty()) return exit_code::kConfig;

    log::configure(plan.config.log);
    for (const config::Mistake& warning : loaded.warnings) log::warning("config").kv("warning", warning.to_string());
    for (const std::string& warning : plan.warnings) log::warning("config").kv("warning", warning);

    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a file over its limit is an error of that write, not the end of the daemon
    raise_descriptor_limit();

    Result<Confined> confined = confine_ourselves(plan.config, options.config_path, std::move(*identity));
    if (!confined) {
        say_on_stderr(confined.error().what);
        return exit_code::kOsError;
    }
    warn_about_machine(plan.config, wall_now());

    const std::string directory = plan.config.queue.directory;
    if (const std::string left = unfinished_restore(directory); !left.empty()) {
        say_on_stderr("a restore of this queue did not come to its end (" + left + "); run `posthorn restore` again, or, to begin with what is in " +
            directory + " now, remove that directory");
        return exit_code::kConfig;   // trying again would not help
    }
    Result<std::unique_ptr<queue::QueueStore>> store = queue::sqlite::open_sqlite_store(plan.config.queue);
    if (!store) {
        say_on_stderr(store.error().what);
        if (queue::sqlite::is_of_newer_program(directory)) return exit_code::kConfig;
        // Another process has the queue, or the disk refuses: for a service manager, try again later.
        return ::access(directory.c_str(), W_OK | X_OK) == 0 ? exit_code::kTempFail : exit_code::kCannotCreate;
    }

    Daemon daemon(options.config_path, std::move(plan), std::move(*store), std::move(*confined));
    if (const Result<void> opened = daemon.open(); !opened) {
        say_on_stderr(opened.error().what);
        return exit_code::kOsError;
    }
    daemon.run();
    return exit_code::kOk;
}

}  // namespace posthorn::app
