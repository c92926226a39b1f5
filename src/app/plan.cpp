// Turns one Config into the immutable snapshots of server and delivery.
#include "app/plan.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <utility>

#include "app/admin_access.hpp"
#include "app/certificates.hpp"
#include "app/gateways.hpp"
#include "auth/credentials.hpp"
#include "auth/dkim/keys.hpp"
#include "auth/unsubscribe.hpp"
#include "auth/user_file.hpp"
#include "delivery/configured_rules.hpp"
#include "delivery/relays.hpp"
#include "delivery/routing.hpp"
#include "net/certificate.hpp"
#include "base/text.hpp"
#include "mail/domain.hpp"
#include "net/system_users.hpp"
#include "net/interfaces.hpp"
#include "smtp/server/alias_files.hpp"

namespace posthorn::app {
namespace {

// A Dovecot that starts later is no mistake, so this only warns.
void look_for_dovecot(const std::string& path, Plan& plan) {
    if (path.empty()) return;
    std::error_code failed;
    const std::filesystem::file_status found = std::filesystem::status(path, failed);
    if (found.type() == std::filesystem::file_type::socket) return;
    const bool missing = found.type() == std::filesystem::file_type::not_found;
    plan.warnings.push_back("auth.dovecot_socket: " + path +
                            (missing   ? " does not exist (yet)"
                             : failed ? " cannot be looked at: " + failed.message()
                                       : " is no socket") +
                            "; AUTH is answered 454 until Dovecot listens there: a unix_listener of its service auth, which "
                            "Posthorn's user may read and write");
}

// Limits of a name that nobody has bind nobody.
void look_for_accounts(const auth::AuthOptions& options, const auth::UserFile& users, Plan& plan) {
    for (const auth::AccountOptions& account : options.accounts) {
        if (users.find(account.name) != nullptr || net::look_up_uid(account.name)) continue;  // a system user is bound, too
        plan.warnings.push_back("[[user]] name = \"" + account.name + "\" is about nobody: " + options.credentials.users_file +
                                " has no such user (`posthorn user list` shows all), nor has this machine");
    }
}

std::shared_ptr<auth::Credentials> load_users(const auth::AuthOptions& all, Plan& plan) {
    const auth::CredentialsOptions& options = all.credentials;
    if (options.users_file.empty()) return nullptr;
    std::string warning;
    Result<auth::UserFile> users = auth::UserFile::load(options.users_file, &warning);
    if (!warning.empty()) plan.warnings.push_back(warning);
    if (!users) {
        std::error_code unknown;
        const bool missing = !std::filesystem::exists(options.users_file, unknown) && !unknown;
        plan.problems.push_back(users.error().what +
                                (missing ? "; make it with `posthorn user add NAME`, or take auth.users_file out: then nobody logs in" : ""));
        return nullptr;
    }
    look_for_accounts(all, *users, plan);
    auto credentials = std::make_shared<auth::Credentials>(std::move(*users), options.success_cache);
    if (const std::string lacking = credentials->without_scram(); !lacking.empty()) {
        plan.warnings.push_back("SCRAM is not offered, since " + lacking + " could not log in by it; `posthorn user password NAME` " +
                                "gives a user a secret for it");
    }
    return credentials;
}

std::shared_ptr<const net::ServerTls> load_tls(const config::Config& config, Plan& plan) {
    Result<std::shared_ptr<const net::ServerTls>> tls = load_certificates(config, plan.tickets);
    if (!tls) {
        plan.problems.push_back(tls.error().what);
        return nullptr;
    }
    if (*tls) {
        for (std::string& warning : certificate_warnings(**tls, config)) plan.warnings.push_back(std::move(warning));
    }
    return *tls;
}

std::shared_ptr<const auth::UnsubscribeTokens> load_tokens(const auth::AuthOptions& options, Plan& plan) {
    for (const auth::StreamOptions& stream : options.streams) {
        for (const std::string& mistake : auth::check_templates(stream)) {
            plan.problems.push_back("stream \"" + stream.name + "\": " + mistake);
        }
    }
    if (options.streams.empty()) return nullptr;
    std::string warning;
    Result<auth::UnsubscribeTokens> tokens = auth::UnsubscribeTokens::load(options.unsubscribe.key_file, &warning);
    if (!warning.empty()) plan.warnings.push_back(warning);
    if (!tokens) {
        plan.problems.push_back(tokens.error().what);
        return nullptr;
    }
    return std::make_shared<const auth::UnsubscribeTokens>(std::move(*tokens));
}

std::string postmaster_of(const config::Config& config) {
    if (!config.postmaster.empty()) return config.postmaster;
    return config.auth.domains.empty() ? std::string() : "postmaster@" + config.auth.domains.front().name;
}

// [[user]] stream is another way to write [[stream]] users.
std::vector<auth::StreamOptions> streams_of(const auth::AuthOptions& options) {
    std::vector<auth::StreamOptions> streams = options.streams;
    for (auth::StreamOptions& stream : streams) {
        for (const auth::AccountOptions& account : options.accounts) {
            if (account.stream == stream.name) stream.users.push_back(account.name);
        }
    }
    return streams;
}

// The first word of the file; empty where there is none.
std::string first_word_of(const std::string& path) {
    std::string word;
    if (!path.empty()) std::ifstream(path) >> word;
    return word.size() <= mail::kMaxDomainOctets ? word : std::string();
}

intake::Sites sites_of(const config::Config& config) {
    intake::Sites::Facts facts;
    for (const auth::DomainOptions& domain : config.auth.domains) facts.domains.push_back(domain.name);
    facts.hostname = config.hostname;
    facts.machine_names = config.intake.local_domains;
    facts.machine_names.push_back(config.hostname);
    std::array<char, 256> name{};   // what programs put behind the @ that were told no domain
    if (::gethostname(name.data(), name.size() - 1) == 0) facts.machine_names.emplace_back(name.data());
    facts.qualify_domain = config.intake.qualify_domain;
    facts.mailname = first_word_of(config.intake.sender.mailname_file);
    return intake::Sites(config.intake.sender, config.intake.sites, facts);
}

std::shared_ptr<const smtp::server::Runtime> make_runtime(const config::Config& config, Plan& plan) {
    auto rules = std::make_shared<intake::Rules>();
    rules->hostname = config.hostname;
    rules->postmaster = postmaster_of(config);
    rules->streams = streams_of(config.auth);
    rules->max_received_fields = config.server.limits.max_received_fields;
    rules->max_header_size = config.server.limits.max_header_size;
    rules->max_message_size = config.server.limits.max_message_size;
    rules->inline_body_limit = config.queue.inline_body_limit;
    rules->lifetime = config.queue.lifetime;
    rules->dsn_lifetime = config.queue.dsn_lifetime;
    rules->options = config.intake;
    if (!config.auth.domains.empty()) rules->first_domain = config.auth.domains.front().name;
    rules->sites = sites_of(config);
    rules->local = local_names_of(config);
    for (std::string& fault : smtp::server::local_name_faults(rules->local)) plan.warnings.push_back(std::move(fault));

    auto runtime = std::make_shared<smtp::server::Runtime>();
    runtime->hostname = config.hostname;
    runtime->relay = config.server.relay;
    runtime->guard = config.server.guard;
    runtime->limits = config.server.limits;
    runtime->timeouts = config.server.timeouts;
    runtime->store_deadline = config.queue.store_deadline;
    runtime->accounts = std::make_shared<const auth::Accounts>(config.auth);
    runtime->users = load_users(config.auth, plan);
    look_for_dovecot(config.auth.credentials.dovecot_socket, plan);
    runtime->dovecot_socket = config.auth.credentials.dovecot_socket;
    runtime->tls = load_tls(config, plan);
    runtime->rules = std::move(rules);
    return runtime;
}

std::shared_ptr<const net::Certificate> load_client_certificate(const delivery::DeliveryOptions& options, Plan& plan) {
    if (options.tls_certificate_file.empty() || options.tls_key_file.empty()) return nullptr;
    const net::CertificateFiles files{options.tls_certificate_file, options.tls_key_file};
    const auto loaded = net::Certificate::load(files);
    if (!loaded) {
        plan.problems.push_back("delivery.tls_certificate_file: " + loaded.error().what);
        return nullptr;
    }
    const net::DateNotice notice = net::date_notice(**loaded, wall_now());
    if (!notice.text.empty()) plan.warnings.push_back("delivery.tls_certificate_file: " + notice.text);
    return *loaded;
}

// Read when the first certificate is verified, which is too late to hear of a slip of the pen.
void look_for_authorities(const std::string& path, Plan& plan) {
    if (path.empty()) return;
    if (const Result<void> found = net::check_authorities(path); !found)
        plan.problems.push_back("delivery.tls_ca_file: " + found.error().what);
}

// An address that comes up later (a VPN, a failover address) is no mistake, so this only warns.
void look_for_sources(const config::Config& config, const std::vector<IpAddress>& machine, Plan& plan) {
    if (machine.empty()) return;
    const auto look = [&](const std::string& setting, const std::string& text) {
        const auto address = IpAddress::parse(text);
        if (!address || std::find(machine.begin(), machine.end(), *address) != machine.end()) return;
        plan.warnings.push_back(setting + " is " + text + ", which no interface of this machine has; mail that is to leave from there "
                                          "waits until it is there (`ip address` shows all)");
    };
    look("delivery.source_v4", config.delivery.source_v4);
    look("delivery.source_v6", config.delivery.source_v6);
    for (const delivery::SourceOptions& source : config.delivery.sources) {
        look("source_v4 of [[domain]] " + source.domain, source.v4);
        look("source_v6 of [[domain]] " + source.domain, source.v6);
    }
}

std::shared_ptr<const delivery::ProviderRules> load_rules(const std::string& path, Plan& plan) {
    delivery::ProviderRules::Loaded loaded = delivery::ProviderRules::load(path);
    for (const delivery::RuleMistake& mistake : loaded.mistakes) plan.problems.push_back(mistake.to_string());
    return loaded.rules ? std::move(loaded.rules) : delivery::ProviderRules::built_in();
}

std::shared_ptr<const delivery::Settings> make_settings(const config::Config& config, Plan& plan) {
    auto settings = std::make_shared<delivery::Settings>();
    settings->hostname = config.hostname;
    settings->delivery = config.delivery;
    settings->retry = config.retry;
    settings->queue = config.queue;
    settings->dkim = config.auth.dkim;
    settings->streams = config.auth.streams;
    settings->keys = auth::dkim::KeyTable::build(config.auth.domains, config.auth.dkim);
    for (const std::string& problem : settings->keys->problems()) plan.warnings.push_back(problem);
    settings->unsubscribe = load_tokens(config.auth, plan);
    settings->bounces.hostname = config.hostname;
    settings->bounces.bounce_to = config.delivery.bounce_to;
    settings->bounces.returned_size = config.delivery.bounce_returned_size;
    settings->bounces.per_hour = config.delivery.bounces_per_hour;
    for (const auth::DomainOptions& domain : config.auth.domains)
        if (!domain.bounce_to.empty())
            settings->bounces.domains.push_back({domain.name, domain.bounce_to, domain.mailboxes});
    settings->rules = delivery::configured(*load_rules(config.delivery.provider_rules, plan), config.delivery.providers);
    settings->delivery.providers = settings->rules->providers();
    settings->own.machine = net::interface_addresses();
    look_for_sources(config, settings->own.machine, plan);
    look_for_authorities(config.delivery.tls_ca_file, plan);
    for (const smtp::server::ListenerOptions& listener : config.server.listeners)
        settings->own.listeners.push_back(listener.address);
    settings->relays = delivery::Relays::load(config.delivery.relays, plan.problems, plan.warnings);
    for (std::string& problem : delivery::routing_problems(settings->delivery)) plan.problems.push_back(std::move(problem));
    settings->client_certificate = load_client_certificate(config.delivery, plan);
    return settings;
}

bool same_networks(const std::vector<IpNetwork>& a, const std::vector<IpNetwork>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const IpNetwork& x, const IpNetwork& y) { return x.to_string() == y.to_string(); });
}

bool same_doors(const std::vector<smtp::server::ListenerOptions>& a,
                const std::vector<smtp::server::ListenerOptions>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
        return x.address == y.address && x.tls == y.tls && x.auth == y.auth && same_networks(x.proxy_networks, y.proxy_networks) &&
               x.auth_without_tls == y.auth_without_tls && x.socket_mode == y.socket_mode && x.name == y.name;
    });
}

}  // namespace

std::vector<smtp::server::ListenerOptions> unix_doors(const config::Config& config) {
    std::vector<smtp::server::ListenerOptions> doors;
    const auto add = [&](const std::string& path, std::uint32_t mode, const std::string& name) {
        const auto& listeners = config.server.listeners;
        const bool known = std::any_of(listeners.begin(), listeners.end(),
                                       [&](const auto& listener) { return listener.address.unix_path == path; });
        if (path.empty() || known) return;
        smtp::server::ListenerOptions door;
        door.address.unix_path = path;
        door.tls = smtp::server::ListenerTls::none;
        door.auth = smtp::server::ListenerAuth::none;
        door.socket_mode = mode;
        door.name = name;
        doors.push_back(std::move(door));
    };
    add(config.server.local.socket, config.server.local.socket_mode, "local");
    for (const intake::SiteOptions& site : config.intake.sites) add(site.socket, site.socket_mode, "site " + site.name);
    return doors;
}

// SM-45. An own [[domain]] is none of them (SD-12).
intake::LocalNames local_names_of(const config::Config& config) {
    intake::LocalNames names;
    names.options = config.intake.local;
    names.hostname = config.hostname;
    names.postmaster = postmaster_of(config);
    for (const auth::DomainOptions& domain : config.auth.domains) names.own_domains.push_back(text::to_lower(domain.name));
    names.domains = config.intake.local_domains;
    names.domains.push_back(config.hostname);
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) == 0) names.domains.emplace_back(name.data());
    names.domains.push_back(first_word_of(config.intake.sender.mailname_file));
    for (std::string& domain : names.domains) text::lower_in_place(domain);
    std::erase(names.domains, std::string());
    return names;
}

Plan make_plan(config::Config config, std::shared_ptr<net::TicketKeys> tickets) {
    Plan plan;
    plan.tickets = tickets ? std::move(tickets) : std::make_shared<net::TicketKeys>();
    plan.config = std::move(config);
    distrust_gateways(plan.config, plan.warnings);
    plan.runtime = make_runtime(plan.config, plan);
    plan.settings = make_settings(plan.config, plan);
    plan.events = make_event_plan(plan.config, plan.problems, plan.warnings);
    plan.access = make_access(plan.config, plan.problems, plan.warnings);
    return plan;
}

std::vector<std::string> needs_restart(const config::Config& running, const config::Config& wanted) {
    std::vector<std::string> differences;
    if (!same_doors(running.server.listeners, wanted.server.listeners) || !same_doors(unix_doors(running), unix_doors(wanted)))
        differences.emplace_back("listeners");
    const queue::QueueOptions& old_queue = running.queue;
    const queue::QueueOptions& new_queue = wanted.queue;
    if (old_queue.directory != new_queue.directory) differences.emplace_back("queue.directory");
    if (old_queue.min_free_space != new_queue.min_free_space) differences.emplace_back("queue.min_free_space");
    if (old_queue.inbox_limit != new_queue.inbox_limit) differences.emplace_back("queue.inbox_limit");
    if (old_queue.journal.max_rows != new_queue.journal.max_rows) differences.emplace_back("journal.max_rows");
    if (old_queue.journal.keep != new_queue.journal.keep) differences.emplace_back("journal.keep");
    if (running.admin.socket != wanted.admin.socket || running.admin.socket_mode != wanted.admin.socket_mode ||
        running.admin.listen != wanted.admin.listen || running.admin.operators != wanted.admin.operators) {
        differences.emplace_back("admin");
    }
    if (running.state_directory != wanted.state_directory) differences.emplace_back("state_directory");
    if (running.sandbox != wanted.sandbox) differences.emplace_back("sandbox");
    return differences;
}

}  // namespace posthorn::app
