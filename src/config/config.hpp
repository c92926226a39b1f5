// The whole configuration as one immutable value: the options structs of the modules, filled from TOML and
// the environment.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/options.hpp"
#include "auth/options.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "delivery/options.hpp"
#include "dns/options.hpp"
#include "events/options.hpp"
#include "intake/options.hpp"
#include "queue/options.hpp"
#include "sandbox/options.hpp"
#include "smtp/server/options.hpp"

namespace posthorn::config {

// What this program reads. Raised only when a file that was right becomes wrong or means something else (SD-54).
inline constexpr int kConfigVersion = 1;

struct Config {
    int version = kConfigVersion;  // config_version
    std::string
        hostname;  // our name in greetings, EHLO, Received and Reporting-MTA: a fully qualified domain name
    std::string state_directory = "/var/lib/posthorn";
    std::string postmaster;  // who gets mail for <postmaster>; "postmaster@" + the first domain when empty
    smtp::server::ServerOptions server;
    auth::AuthOptions auth;
    queue::QueueOptions queue;
    queue::RetryOptions retry;
    dns::DnsOptions dns;
    intake::IntakeOptions intake;
    delivery::DeliveryOptions delivery;
    events::EventOptions events;
    admin::AdminOptions admin;
    sandbox::SandboxOptions sandbox;
    log::LogOptions log;
};

// One mistake, with the place it was found: "file:line:column: what is wrong; what is allowed".
struct Mistake {
    std::string where;
    std::string what;
    [[nodiscard]] std::string to_string() const { return where.empty() ? what : where + ": " + what; }
};

struct Loaded {
    Config config;                  // meaningful only when mistakes is empty
    std::vector<Mistake> mistakes;  // all of them, in file order
    std::vector<Mistake> warnings;
};

// Reads text as TOML; file_name is used in messages and to resolve relative paths against its directory.
// Environment variables POSTHORN_SECTION_KEY override single-valued keys; POSTHORN_..._FILE reads the value
// from a file. Pure but for the files that _FILE names: checks syntax, types, ranges and consistency, opens
// no key and no socket.
[[nodiscard]] Loaded parse(std::string_view text, const std::string& file_name,
                           const std::vector<std::pair<std::string, std::string>>& environment);
// As load() would, were this the text of the file: with this process's environment.
[[nodiscard]] Loaded parse_here(std::string_view text, const std::string& path);
// Without a file, out of the environment alone, as in a container (DO-16, docs/DOCKER.md). Here: nothing where this process's environment
// says neither POSTHORN_HOSTNAME nor POSTHORN_DOMAINS.
[[nodiscard]] Loaded parse_environment(const std::vector<std::pair<std::string, std::string>>& environment);
[[nodiscard]] std::optional<Loaded> parse_environment_here();
// Reads the file and this process's environment. Where kDefaultPath does not exist, the environment may stand for it; a file that was
// named must be there.
inline constexpr std::string_view kDefaultPath = "/etc/posthorn/posthorn.toml";
[[nodiscard]] Loaded load(const std::string& path);

}  // namespace posthorn::config
