// `posthorn serve`: from a configuration file to a running daemon, with an exit code for each way to fail.
#include "app/serve.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <utility>

#include "app/certificates.hpp"
#include "app/daemon.hpp"
#include "app/plan.hpp"
#include "base/log.hpp"
#include "base/sysexits.hpp"
#include "config/config.hpp"
#include "queue/sqlite/sqlite_store.hpp"

namespace posthorn::app {
namespace {

void say(const std::string& line) { std::fprintf(stderr, "posthorn: %s\n", line.c_str()); }

// Each connection is a descriptor; the soft limit of 1024 that most systems start with is for programs that use select().
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace

int serve(const ServeOptions& options) {
    config::Loaded loaded = config::load(options.config_path);
    for (const config::Mistake& mistake : loaded.mistakes) say(mistake.to_string());
    if (!loaded.mistakes.empty()) return exit_code::kConfig;

    if (const Result<bool> made = make_due_certificate(loaded.config, wall_now()); !made) {
        say(made.error().what);
        return exit_code::kCannotCreate;
    }
    Plan plan = make_plan(std::move(loaded.config));
    for (const std::string& problem : plan.problems) say(problem);
    if (!plan.problems.empty()) return exit_code::kConfig;

    log::configure(plan.config.log);
    for (const config::Mistake& warning : loaded.warnings) log::warning("config").kv("warning", warning.to_string());
    for (const std::string& warning : plan.warnings) log::warning("config").kv("warning", warning);

    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a file over its limit is an error of that write, not the end of the daemon
    raise_descriptor_limit();

    const std::string directory = plan.config.queue.directory;
    Result<std::unique_ptr<queue::QueueStore>> store = queue::sqlite::open_sqlite_store(plan.config.queue);
    if (!store) {
        say(store.error().what);
        // Another process has the queue, or the disk refuses: for a service manager, try again later.
        return ::access(directory.c_str(), W_OK | X_OK) == 0 ? exit_code::kTempFail : exit_code::kCannotCreate;
    }

    Daemon daemon(options.config_path, std::move(plan), std::move(*store));
    if (const Result<void> opened = daemon.open(); !opened) {
        say(opened.error().what);
        return exit_code::kOsError;
    }
    daemon.run();
    return exit_code::kOk;
}

}  // namespace posthorn::app
