// The subcommands' common ground: where each group registers, which configuration it reads, how it speaks to
// the operator.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace posthorn::app {

inline constexpr const char* kDefaultConfig = config::kDefaultPath.data();

// What the chosen subcommand does, run after the whole command line was read; returns an exit code
// (base/sysexits.hpp).
using Action = std::function<int()>;

// Each adds its subcommands to `app`; the one that is chosen sets `action`. The options live as long as the
// app.
void add_backup_commands(CLI::App& app, Action& action);
void add_serve_command(CLI::App& app, Action& action);
void add_reload_command(CLI::App& app, Action& action);
void add_manual_command(CLI::App& app, Action& action);
void add_setup_commands(CLI::App& app, Action& action);
void add_domain_commands(CLI::App& app, Action& action);
void add_config_commands(CLI::App& app, Action& action);
void add_user_commands(CLI::App& app, Action& action);
void add_account_commands(CLI::App& app, Action& action);  // to the group of the former
void add_diagnose_command(CLI::App& app, Action& action);
void add_doctor_command(CLI::App& app, Action& action);
void add_dkim_commands(CLI::App& app, Action& action);
void add_dkim_testkey_command(CLI::App& group, Action& action);  // these to the group of the former
void add_dkim_verify_command(CLI::App& group, Action& action);
void add_dkim_rotate_command(CLI::App& group, Action& action);
void add_dns_commands(CLI::App& app, Action& action);
void add_queue_commands(CLI::App& app, Action& action);
void add_suppression_commands(CLI::App& app, Action& action);
void add_guard_commands(CLI::App& app, Action& action);
void add_route_commands(CLI::App& app, Action& action);
void add_rules_commands(CLI::App& app, Action& action);
void add_local_commands(CLI::App& app, Action& action);
void add_send_test_command(CLI::App& app, Action& action);
void add_senders_command(CLI::App& app, Action& action);
void add_sandbox_commands(CLI::App& app, Action& action);
void add_status_commands(CLI::App& app, Action& action);
void add_top_command(CLI::App& app, Action& action);
void add_tail_command(CLI::App& app, Action& action);
void add_import_commands(CLI::App& app, Action& action);
void add_why_command(CLI::App& app, Action& action);
void add_tlsrpt_commands(CLI::App& app, Action& action);
void add_alarm_commands(CLI::App& app, Action& action);  // and webhooks
void add_container_commands(CLI::App& app, Action& action);  // healthcheck, install-sendmail

// --config, else POSTHORN_CONFIG, else /etc/posthorn/posthorn.toml.
CLI::Option* add_config_option(CLI::App& command, std::string& path);

// "posthorn: TEXT" on standard error. What could fool a terminal, here and in print(), is escaped.
void complain(std::string_view text);
// While it lives complaints are kept instead, for who has the whole screen and shows them there. One at a time.
class KeptComplaints {
public:
    KeptComplaints();
    ~KeptComplaints();
    KeptComplaints(const KeptComplaints&) = delete;
    KeptComplaints& operator=(const KeptComplaints&) = delete;
    [[nodiscard]] std::string take();  // those since the last call, a blank between them
};
void print(std::string_view text);  // to standard output
// The same for JSON, a line: what came from elsewhere in it is escaped where it could fool a terminal (text::safe_json).
void print_json(std::string_view json);

// The configuration, or nothing after its mistakes were told on standard error.
[[nodiscard]] std::optional<config::Config> load_config(const std::string& path);

}  // namespace posthorn::app
