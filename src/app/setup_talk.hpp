// What `posthorn setup` says and hears: flags, suggestions, a person at a terminal, DNS between the
// questions; writes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/terminal.hpp"
#include "auth/dns_answers.hpp"
#include "config/config.hpp"
#include "setup/interview.hpp"
#include "setup/setup_plan.hpp"

namespace posthorn::app {

struct SetupCommand {
    std::string config_path;
    std::string hostname, certificate, key, root_mail;
    std::vector<std::string> ips, domains, listen, listen_users;
    bool users = false, no_users = false, self_signed = false;
    bool offline = false, no_doctor = false, no_port25 = false, yes = false, dry_run = false;
};

// What one run goes through; lives on the stack of run_setup().
struct SetupRun {
    const SetupCommand& command;
    std::string path;        // of the configuration, absolute
    config::Config present;  // what it comes to before
    setup::Interview interview;
    setup::Machine machine;
    auth::DnsAnswers known;
    std::uint32_t remarked = 0;  // bits of Topic
    Terminal* terminal = nullptr;
};

// The flags as answers. False: one is wrong; it was told.
[[nodiscard]] bool take_flags(SetupRun& run);

// Until all is answered: by the person at run.terminal, or by the suggestions where it is null. kOk, or the
// exit code with which setup ends.
[[nodiscard]] int hold_interview(SetupRun& run);

// Shows what would be done. `leave`: it may be. Else the result is the exit code with which setup ends.
[[nodiscard]] int ask_for_leave(const SetupRun& run, const setup::SetupPlan& plan, bool& leave);

}  // namespace posthorn::app
