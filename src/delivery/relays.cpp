// Reads what a relay's options name, and fills in what they leave open.
#include "delivery/relays.hpp"

#include <algorithm>

#include "auth/crypto.hpp"
#include "auth/secret_file.hpp"
#include "base/base64.hpp"
#include "base/endpoint.hpp"
#include "base/text.hpp"
#include "mail/domain.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::uint16_t kSmtp = 25, kSubmission = 587, kSubmissions = 465;

// One rule for all hosts: what is safe for the port that would be used. A login asks for proof wherever it
// is.
RelayTls tls_of(const RelayOptions& options) {
    if (options.tls != RelayTls::by_port) return options.tls;
    const auto uses = [&](std::uint16_t port) {
        return std::any_of(options.hosts.begin(), options.hosts.end(),
                           [&](const RelayHost& host) { return host.port == port; });
    };
    if (uses(kSubmissions)) return RelayTls::implicit;
    return !options.user.empty() || uses(kSubmission) ? RelayTls::verified : RelayTls::opportunistic;
}

std::uint16_t default_port(const RelayOptions& options, RelayTls tls) {
    if (tls == RelayTls::implicit) return kSubmissions;
    return options.user.empty() ? kSmtp : kSubmission;
}

bool is_loopback(const RelayHost& host) {
    const auto address = IpAddress::parse(host.name);
    return address ? address->is_loopback() : host.name == "localhost";
}

std::string digest_of(const Relay& relay) {
    std::string all =
        relay.name + '\n' + std::to_string(static_cast<int>(relay.tls)) + (relay.mx ? " mx\n" : "\n");
    for (const RelayHost& host : relay.hosts) all += host.name + ' ' + std::to_string(host.port) + '\n';
    all += relay.login.user + '\n' + relay.login.password + '\n';
    for (const std::string& mechanism : relay.login.mechanisms) all += mechanism + ' ';
    return base64_encode(auth::sha256_of(all)).substr(0, 12);
}

std::string first_line(const std::string& text) {
    std::string line = text.substr(0, text.find('\n'));
    if (line.ends_with('\r')) line.pop_back();
    return line;
}

}  // namespace

std::shared_ptr<const Relays> Relays::load(const std::vector<RelayOptions>& options,
                                           std::vector<std::string>& problems,
                                           std::vector<std::string>& warnings) {
    auto relays = std::make_shared<Relays>();
    for (const RelayOptions& given : options) {
        auto relay = std::make_shared<Relay>();
        relay->name = given.name;
        relay->mx = given.mx;
        relay->tls = tls_of(given);
        relay->hosts = given.hosts;
        for (RelayHost& host : relay->hosts) {
            if (host.port == 0) host.port = default_port(given, relay->tls);
            if (host.literal) continue;
            const auto ascii = mail::to_ascii(host.name);
            if (ascii)
                host.name = *ascii;
            else
                problems.push_back("relay \"" + given.name + "\": " + host.name +
                                   " is no host name: " + ascii.error().what);
        }
        relay->on_this_machine = std::all_of(relay->hosts.begin(), relay->hosts.end(), is_loopback);
        relay->login.user = given.user;
        relay->login.password = given.password;
        relay->login.mechanisms = given.mechanisms;
        if (!given.password_file.empty()) {
            auto file = auth::read_secret_file(given.password_file);
            if (!file) {
                problems.push_back("relay \"" + given.name + "\": " + file.error().what);
            } else {
                relay->login.password = first_line(file->content);
                if (!file->exposed_to.empty())
                    warnings.push_back("relay \"" + given.name + "\": " + file->exposed_to);
                if (relay->login.password.empty())
                    problems.push_back("relay \"" + given.name + "\": the first line of " +
                                       given.password_file + " is empty; it must be the password");
            }
        }
        // RFC 4616 s2: NUL separates.
        if ((relay->login.user + relay->login.password).find('\0') != std::string::npos)
            problems.push_back("relay \"" + given.name +
                               "\": its user or password has a NUL octet, which no login can say");
        relay->manner = relay->site_key() + "#" + digest_of(*relay);
        relays->by_name_.emplace(given.name, std::move(relay));
    }
    return relays;
}

std::shared_ptr<const Relay> Relays::find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
}

}  // namespace posthorn::delivery
