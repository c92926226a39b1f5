// Defaults that depend on other settings.
#include "config/derived.hpp"

#include <filesystem>

#include "base/text.hpp"
#include "config/checks.hpp"

namespace posthorn::config {
namespace {

void derive_local(Config& config, const Places& places) {
    // Beside the admin socket, so that a second daemon with a directory of its own takes nothing from the first.
    smtp::server::LocalDoorOptions& door = config.server.local;
    door.needed = places.given("local.socket");
    if (!door.needed) {
        const bool none = config.admin.socket.empty() || !config.server.relay.trust_unix_socket;
        door.socket = none ? std::string()
                           : (std::filesystem::path(config.admin.socket).parent_path() / "submission.sock").string();
    }
    // A second daemon does not serve the first one's spool.
    if (!places.given("local.spool") && config.state_directory != Config{}.state_directory) config.intake.pickup.directory.clear();
    // Where mail of unknown domains may leave unsigned, clients' From need not become ours.
    if (!places.given("local.clients_from") && config.auth.dkim.unknown_domain == auth::UnsignedPolicy::send_unsigned) {
        config.intake.sender.clients_from = intake::ForeignFrom::keep;
    }
    for (intake::SiteOptions& site : config.intake.sites)
        for (std::string& domain : site.domains) text::lower_in_place(domain);
}

}  // namespace

void derive(Config& config, const Places& places) {
    if (!places.given("queue.directory")) {
        config.queue.directory = (std::filesystem::path(config.state_directory) / "queue").string();
    }
    for (std::size_t i = 0; i < config.server.listeners.size(); ++i) {
        smtp::server::ListenerOptions& listener = config.server.listeners[i];
        if (places.given("listener[" + std::to_string(i) + "].tls")) {
            continue;
        }
        const auto address = IpAddress::parse(listener.address.host);
        const bool loopback = address.has_value() && address->is_loopback();
        if (listener.address.is_unix() || (loopback && !config.server.tls.offered())) {
            listener.tls = smtp::server::ListenerTls::none;
        } else if (listener.address.port == kSubmissionsPort) {
            listener.tls = smtp::server::ListenerTls::implicit;
        }
    }
    for (std::size_t i = 0; i < config.auth.accounts.size(); ++i) {
        auth::AccountOptions& user = config.auth.accounts[i];
        const auth::AccountOptions& all = config.auth.account;
        const auto unset = [&](const char* key) {
            return !places.given("user[" + std::to_string(i) + "]." + key);
        };
        auth::AccountOptions& as_system_user = config.auth.system_accounts.emplace_back(user);
        const auth::AccountOptions& system = config.auth.system_account;
        if (unset("messages_per_hour")) as_system_user.messages_per_hour = system.messages_per_hour;
        if (unset("recipients_per_hour")) as_system_user.recipients_per_hour = system.recipients_per_hour;
        if (unset("burst")) as_system_user.burst = system.burst;
        if (unset("senders")) user.senders = all.senders;
        if (unset("messages_per_hour")) user.messages_per_hour = all.messages_per_hour;
        if (unset("recipients_per_hour")) user.recipients_per_hour = all.recipients_per_hour;
        if (unset("burst")) user.burst = all.burst;
    }
    derive_local(config, places);
    text::lower_in_place(config.hostname);
    for (auth::DomainOptions& domain : config.auth.domains) {
        text::lower_in_place(domain.name);
        if (!domain.source_v4.empty() || !domain.source_v6.empty())
            config.delivery.sources.push_back({domain.name, domain.source_v4, domain.source_v6});
    }
    for (delivery::RelayOptions& relay : config.delivery.relays) {
        for (std::string& mechanism : relay.mechanisms)
            for (char& c : mechanism) c = text::to_upper(c);
    }
}

}  // namespace posthorn::config
