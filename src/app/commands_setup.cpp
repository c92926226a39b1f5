// `posthorn setup`: asks what it cannot find out, writes the configuration, makes keys, and says what is left
// to do.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>

#include "admin/client.hpp"
#include "app/command_line.hpp"
#include "app/config_file.hpp"
#include "app/doctor.hpp"
#include "app/domain_keys.hpp"
#include "app/ownership.hpp"
#include "app/plan.hpp"
#include "app/sandbox_plan.hpp"
#include "app/records_view.hpp"
#include "app/setup_facts.hpp"
#include "app/setup_talk.hpp"
#include "app/terminal.hpp"
#include "auth/secret_file.hpp"
#include "base/sysexits.hpp"

namespace posthorn::app {
namespace {

namespace fs = std::filesystem;
using setup::Interview;

int make_users_file(const config::Config& config) {
    const std::string& file = config.auth.credentials.users_file;
    std::error_code unknown;
    if (file.empty() || fs::exists(file, unknown)) return exit_code::kOk;
    if (const auto made = auth::write_secret_file(file, "", auth::Existing::refuse); !made) {
        complain(made.error().what);
        return exit_code::kCannotCreate;
    }
    print(fmt::format("{} is made: nobody can log in yet.\n", file));
    return exit_code::kOk;
}

// Keys and the users file first: whatever stops us then, the daemon never sees a configuration that names
// what is not there.
int carry_out(const SetupRun& run, const setup::SetupPlan& plan, const std::string& before) {
    std::error_code error;
    fs::create_directories(fs::path(run.path).parent_path(), error);
    if (error) {
        complain(fmt::format("cannot make {}: {}; a command may need sudo",
                             fs::path(run.path).parent_path().string(), error.message()));
        return exit_code::kCannotCreate;
    }
    const config::Config config = config::parse_here(plan.text, run.path).config;
    const auto keys = make_first_keys(config.auth.domains, wall_now());
    if (!keys) {
        complain(keys.error().what);
        return exit_code::kCannotCreate;
    }
    for (const MadeKey& key : *keys)
        print(
            fmt::format("{}: a key was made, {}. Keep it secret, and keep a copy.\n", key.domain, key.path));
    if (plan.needs_users_file) {
        if (const int code = make_users_file(config); code != exit_code::kOk) return code;
    }
    const auto written = write_config(run.path, before, plan.text);
    if (!written) {
        complain(written.error().what);
        return exit_code::kCannotCreate;
    }
    if (*written) print(fmt::format("{} is written.\n", run.path));
    if (!keys->empty()) print(ownership_hint(keys->front().path, run.path));
    return exit_code::kOk;
}

// What root reads here, the daemon could not, and would end with 78.
void add_steps_for_closed_certificates(std::vector<std::string>& steps, const config::Config& config, const std::string& path) {
    const auto identity = sandbox::choose_identity(config.sandbox.user, config.state_directory);
    if (!identity) return;
    for (const ClosedFile& file : closed_files(config, path, *identity)) {
        if (!file.setting.starts_with("tls.")) continue;
        const std::vector<std::string> copying = certbot_commands(file.path);
        std::string step = copying.empty()
                               ? fmt::format("{} cannot be read by {}, as whom Posthorn runs. Let it, with the directories above, or keep "
                                             "the file in /etc/posthorn:\n      chown {}: {}",
                                             file.path, identity->name, identity->name, file.path)
                               : fmt::format("certbot's own files are root's alone, and Posthorn runs as {}. Have copies made now and after each "
                                             "renewal, and use those:\n      {}",
                                             identity->name, fmt::join(copying, "\n      "));
        if (std::find(steps.begin(), steps.end(), step) == steps.end()) steps.push_back(std::move(step));
    }
}

void print_next_steps(const SetupRun& run, bool changed, bool lacking) {
    const config::Config config = config::load(run.path).config;
    const setup::Answers& answers = run.interview.answers();
    std::vector<std::string> steps;
    if (lacking)
        steps.emplace_back(
            "Publish the records above where the DNS of your domains is kept. Mail of a domain waits until "
            "the record of its new key is "
            "found there: posthorn dkim rotate DOMAIN --status");
    const bool running =
        admin::request(config.admin.socket, "GET", "/v1/health", std::chrono::seconds(5)).has_value();
    const bool local_port = std::any_of(config.server.listeners.begin(), config.server.listeners.end(),
                                        [](const auto& listener) { return listener.address.port == 25; });
    if (!running && local_port && is_port_25_taken())
        steps.push_back(
            "Another program answers on 127.0.0.1 port 25, and Posthorn cannot start beside it. Is it "
            "Postfix? `posthorn import postfix` "
            "takes its settings over; then: systemctl disable --now postfix");
    if (answers.certificate_later) {
        std::error_code unknown;
        const bool hook = fs::exists("/usr/lib/posthorn/certbot-deploy-hook", unknown);   // of the package
        steps.push_back(
            fmt::format("For users elsewhere: certbot certonly --standalone -d {}{}, then run `posthorn setup "
                        "--users` again.",
                        config.hostname, hook ? " --deploy-hook /usr/lib/posthorn/certbot-deploy-hook" : ""));
    }
    add_steps_for_closed_certificates(steps, config, run.path);
    if (answers.users && !answers.certificate_later && !config.auth.credentials.users_file.empty()) {
        std::error_code unknown;
        if (fs::file_size(config.auth.credentials.users_file, unknown) == 0)
            steps.emplace_back("A user who may log in: posthorn user add NAME");
    }
    if (!running) {
        steps.emplace_back(
            "Start it: systemctl enable --now posthorn (or, to see what it does: posthorn serve)");
    } else if (changed) {
        const auto restart = needs_restart(run.present, config);
        const auto reloaded = restart.empty() ? admin::request(config.admin.socket, "POST", "/v1/reload")
                                              : Result<admin::ClientAnswer>(Error{""});
        steps.emplace_back(!restart.empty()
                               ? "New addresses to listen at need a restart: systemctl restart posthorn"
                           : reloaded && reloaded->status == 200
                               ? "The running Posthorn has taken the change."
                               : "Let the running Posthorn take the change: posthorn reload");
    }
    if (has_other_sendmail())
        steps.push_back(
            fmt::format("Programs that call sendmail (PHP, cron, git) use another mail server now. To have "
                        "them use this one:"
                        "\n      install {} /usr/sbin/sendmail"
                        "\n      for name in /usr/lib/sendmail /usr/bin/mailq /usr/bin/newaliases; do ln -sf "
                        "/usr/sbin/sendmail $name; done",
                        our_sendmail()));
    steps.emplace_back("A test, once the records are in DNS: posthorn send-test YOUR-ADDRESS");
    print("\nWhat is left to do\n\n");
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const std::size_t words = std::min(steps[i].find('\n'), steps[i].size());
        std::string step = set_in(wrapped(steps[i].substr(0, words), 74), "    ");
        // Then commands, as they are typed.
        if (words < steps[i].size()) step += steps[i].substr(words + 1) + "\n";
        print(step.replace(0, 3, fmt::format("{:>2}.", i + 1)));
    }
}

// A first user, where somebody sits there to type a password.
void offer_user(const SetupRun& run) {
    const config::Config config = config::load(run.path).config;
    std::error_code unknown;
    const setup::Answers& answers = run.interview.answers();
    const std::string& file = config.auth.credentials.users_file;
    if (!answers.users || answers.certificate_later || file.empty() || fs::file_size(file, unknown) != 0)
        return;
    print("\n" +
          wrapped("Who may log in? Name a first user, or press Enter to do that later (`posthorn user add "
                  "NAME`).") +
          "\n");
    const auto name = run.terminal->ask("First user []: ");
    if (name && name->find_first_not_of(" \t\r") != std::string::npos)
        add_user(run.path, *name, *run.terminal);
}

// In short: nobody reads again what stands above.
void consult_doctor(const SetupRun& run, const std::vector<std::string>& ips,
                    const std::vector<setup::WantedRecord>& told) {
    DoctorOptions options;
    options.config_path = run.path;
    options.ips = ips;
    options.no_port25 = run.command.no_port25;
    std::vector<std::string> known;
    for (const setup::WantedRecord& one : told)
        if (one.state == setup::WantedRecord::State::missing) known.push_back(zone_file(one.record));
    const delivery::DeliveryOptions kept = config::load(run.path).config.delivery;
    std::string see_all = "posthorn doctor";
    for (const IpAddress& address : run.interview.answers().addresses)
        if (kept.source_v4 != address.to_string() && kept.source_v6 != address.to_string())
            see_all += " --ip " + address.to_string();
    if (run.path != kDefaultConfig) see_all += " --config " + run.path;
    tell_verdict(options, known, see_all);
}

int run_setup(const SetupCommand& command) {
    std::error_code error;
    const std::string path = fs::absolute(command.config_path, error).lexically_normal().string();
    auto text = read_config_text(path);
    if (!text) {
        complain(text.error().what);
        return exit_code::kConfig;
    }
    const std::string before = text->text();
    config::Loaded loaded = config::parse_here(before, path);
    for (const config::Mistake& mistake : loaded.mistakes) {
        if (!mistake.what.starts_with("config_version")) continue;  // the others may be what setup puts right
        complain(mistake.to_string());
        return exit_code::kConfig;
    }
    // Before anybody answers questions for nothing.
    fs::path writable = fs::path(path).parent_path();  // the file is replaced by rename
    while (writable.has_relative_path() && !fs::exists(writable, error)) writable = writable.parent_path();
    if (!command.dry_run && ::access(writable.c_str(), W_OK) != 0) {
        complain(
            fmt::format("{} cannot be written by this user: run it as root (sudo posthorn setup), or name "
                        "another file with --config",
                        path));
        return exit_code::kNoPermission;
    }
    setup::Machine machine = look_at_machine(fs::path(path).parent_path().string());
    SetupRun run{command, path, loaded.config, Interview(machine, loaded.config), machine, {}, 0, nullptr};
    if (!take_flags(run)) return exit_code::kUsage;
    std::optional<Terminal> terminal;
    if (!command.yes && Terminal::is_there()) {
        run.terminal = &terminal.emplace();
        print(wrapped("This sets Posthorn up on this machine. An empty answer takes what stands in brackets; "
                      "nothing is changed before you have said "
                      "yes at the end, and ^C leaves everything as it is.") +
              "\n");
    }
    if (const int code = hold_interview(run); code != exit_code::kOk) return code;

    setup::Doors doors;
    if (!command.listen.empty()) {
        doors.programs = command.listen;
        std::erase(*doors.programs, "none");
    }
    if (!command.listen_users.empty()) doors.users = command.listen_users;
    const auto plan = setup::make_setup_plan(std::move(*text), loaded.config, path, run.interview.answers(),
                                             machine, doors);
    if (!plan) {
        complain(plan.error().what);
        return exit_code::kConfig;
    }
    if (const std::string mistakes = mistakes_in(plan->text, path); !mistakes.empty()) {
        complain("the configuration would not be right, so nothing is changed:\n" + mistakes);
        return exit_code::kConfig;
    }
    bool leave = false;
    if (const int code = ask_for_leave(run, *plan, leave); !leave) return code;
    sigset_t endings, as_before;
    ::sigemptyset(&endings);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&endings, signal);
    ::sigprocmask(SIG_BLOCK, &endings, &as_before);  // from here to the end of the writing: all or nothing
    const int done = carry_out(run, *plan, before);
    ::sigprocmask(SIG_SETMASK, &as_before, nullptr);
    if (done != exit_code::kOk) return done;
    if (run.terminal != nullptr) offer_user(run);
    if (const int signal = Terminal::interrupted(); run.terminal != nullptr && signal != 0) {
        print("\nThe configuration is written. `posthorn setup` again shows what is left to do.\n");
        return 128 + signal;
    }
    terminal.reset();  // from now on ^C ends the program, as ever

    std::vector<std::string> ips;
    for (const IpAddress& address : run.interview.answers().addresses) ips.push_back(address.to_string());
    print("\nWhat DNS still lacks\n\n");
    std::vector<setup::WantedRecord> told;
    const bool lacking = show_missing_records(path, "", ips, command.offline, told) != exit_code::kOk;
    if (!command.no_doctor && !command.offline) {
        print("\nThe doctor's verdict\n\n");
        consult_doctor(run, ips, told);
    }
    print_next_steps(run, !plan->changes.empty(), lacking || command.offline);
    return exit_code::kOk;
}

}  // namespace

void add_setup_commands(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "setup",
        "Set Posthorn up: asks what it needs, writes the configuration, makes keys, shows the DNS records");
    auto options = std::make_shared<SetupCommand>();
    add_config_option(*command, options->config_path);
    command->add_option("--hostname", options->hostname, "This server's name in DNS")->type_name("NAME");
    command
        ->add_option("--domain", options->domains,
                     "A domain behind the @ of senders; may be given several times")
        ->type_name("NAME");
    command
        ->add_option("--ip", options->ips,
                     "A public address that mail leaves from; several times, or unknown")
        ->type_name("ADDRESS");
    auto* users = command->add_flag("--users", options->users,
                                    "Also people and programs elsewhere send, with a password");
    command->add_flag("--no-users", options->no_users, "Only programs on this machine send")->excludes(users);
    command
        ->add_option("--certificate", options->certificate,
                     "The certificate chain for users' TLS; \"later\" goes on without")
        ->type_name("FILE");
    command->add_option("--key", options->key, "The certificate's private key [privkey.pem beside it]")
        ->type_name("FILE");
    command->add_flag("--self-signed", options->self_signed, "A certificate of our own making, for tests");
    command
        ->add_option("--listen", options->listen,
                     "Where programs hand in mail without a password, or none [127.0.0.1:25]")
        ->type_name("ADDRESS");
    command->add_option("--listen-users", options->listen_users, "Where users log in [*:465 and *:587]")
        ->type_name("ADDRESS");
    command
        ->add_option("--root-mail", options->root_mail, "Who reads what this machine writes to root, or none")
        ->type_name("ADDRESS");
    command->add_flag("--yes", options->yes,
                      "Ask nothing: take what is found, and change a configuration that is there");
    command->add_flag("--dry-run", options->dry_run, "Only tell what would be done");
    command->add_flag("--offline", options->offline, "Ask nothing of DNS");
    command->add_flag("--no-doctor", options->no_doctor, "Leave out the doctor's verdict");
    command->add_flag("--no-port25", options->no_port25, "The doctor connects to nobody's port 25");
    command->footer(
        "Without a terminal nothing is asked either: what flags do not say is found out or has its default. "
        "docs/SETUP.md.");
    command->callback([options, &action] { action = [options] { return run_setup(*options); }; });
}

}  // namespace posthorn::app
