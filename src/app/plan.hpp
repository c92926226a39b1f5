// What a configuration comes to once the files it names were read: keys, users, certificate, in the form the parts want.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "admin/access.hpp"
#include "app/event_plan.hpp"
#include "config/config.hpp"
#include "delivery/agent.hpp"
#include "net/ticket_keys.hpp"
#include "smtp/server/runtime.hpp"

namespace posthorn::app {

struct Plan {
    config::Config config;
    std::shared_ptr<const smtp::server::Runtime> runtime;
    std::shared_ptr<const delivery::Settings> settings;
    EventPlan events;
    admin::AccessRules access;
    // A plan with problems is not carried out: the daemon does not start, a reload keeps what it has.
    std::vector<std::string> problems;
    std::shared_ptr<net::TicketKeys> tickets;
    std::vector<std::string> warnings;         // among them each domain whose key cannot be used: it alone is held
};

// tickets: those of the process, so that clients' sessions outlive a reload; null: new ones.
// Reads every file; changes nothing. Complete also where it finds problems, so that all are told at once.
[[nodiscard]] Plan make_plan(config::Config config, std::shared_ptr<net::TicketKeys> tickets = nullptr);

// The unix sockets that are opened beside the [[listener]]s: local.socket, and those of sites.
[[nodiscard]] std::vector<smtp::server::ListenerOptions> unix_doors(const config::Config& config);

// What this machine goes by, for mail to its users: asks the machine for its name, reads local.mailname_file.
[[nodiscard]] intake::LocalNames local_names_of(const config::Config& config);

// What differs between the two that a reload cannot change, in words for the log: "listeners", "queue.directory", ...
[[nodiscard]] std::vector<std::string> needs_restart(const config::Config& running, const config::Config& wanted);

}  // namespace posthorn::app
