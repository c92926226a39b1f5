// As whom this machine's programs send, and by which doors: the checks that keep [[site]] tables from saying
// what cannot hold.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "config/checks.hpp"
#include "toml/value.hpp"

namespace posthorn::config {
namespace {

bool is_one_of(const std::vector<std::string>& domains, std::string_view domain) {
    return std::any_of(domains.begin(), domains.end(), [&](const std::string& known) {
        return domain == known || domain.ends_with("." + known);
    });
}

std::vector<std::string> signed_domains(const Config& config) {
    std::vector<std::string> names;
    for (const auth::DomainOptions& domain : config.auth.domains) names.push_back(domain.name);
    return names;
}

bool is_plain_name(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return text::is_alnum(c) || c == '.' || c == '-' || c == '_';
    });
}

void check_sender(const std::string& key, const std::string& sender, const std::vector<std::string>& domains,
                  const Place& place, Findings& findings) {
    if (sender.empty()) return;
    const auto at = sender.rfind('@');
    const std::string domain =
        at == std::string::npos ? std::string() : text::to_lower(sender.substr(at + 1));
    const std::string_view local = std::string_view(sender).substr(0, sender.size() - domain.size());
    const bool plain = std::all_of(local.begin(), local.end(),
                                   [](char c) { return text::is_graphic(c) && c != '"' && c != ','; });
    if (at == 0 || !plain || sender.find_first_of("<>()") != std::string::npos ||
        sender.find("..") != std::string::npos || !is_domain_name(domain)) {
        findings.mistake(place, key + " is " + quote(sender) +
                                    "; allowed: an address such as \"wordpress@example.com\", or \"\"");
    } else if (!domains.empty() && !is_one_of(domains, domain)) {
        findings.mistake(
            place,
            fmt::format(
                "{} is {}, which is at none of the domains it may send as; allowed: an address at {}{}", key,
                quote(sender), domains.front(), domains.size() > 1 ? " or another of them" : ""));
    }
}

// Where unix sockets are made, and for whom.
class Sockets {
public:
    explicit Sockets(Findings& findings) : findings_(findings) {}

    void add(const std::string& path, const std::string& what, const Place& place) {
        constexpr std::size_t kLongest = 107;  // sockaddr_un::sun_path with its NUL
        if (path.empty()) return;
        if (path.size() > kLongest) {
            findings_.mistake(place, fmt::format("{} has {} octets; a unix socket's path may have {}", what,
                                                 path.size(), kLongest));
        } else if (const auto [known, fresh] = owners_.try_emplace(path, what); !fresh) {
            findings_.mistake(place,
                              fmt::format("{} wants the same socket as {}; give each a path of its own", what,
                                          known->second));
        }
    }
    [[nodiscard]] bool has(const std::string& path) const { return owners_.contains(path); }

private:
    Findings& findings_;
    std::map<std::string, std::string> owners_;
};

void check_kept(const Config& config, intake::ForeignFrom from, const std::string& key, const Place& place,
                Findings& findings) {
    if (from != intake::ForeignFrom::keep || config.auth.dkim.unknown_domain != auth::UnsignedPolicy::hold)
        return;
    findings.warning(
        place,
        key +
            " is \"keep\", but mail of domains that are no [[domain]] cannot be signed and will be held; see "
            "dkim.unknown_domain");
}

// Mail for local names must not end at another local name.
void check_users_to(const Config& config, const Places& places, Findings& findings) {
    for (const std::string& address : config.intake.local.users_to) {
        const auto at = address.rfind('@');
        const std::string domain =
            at == std::string::npos ? std::string() : text::to_lower(address.substr(at + 1));
        const bool plain = std::all_of(address.begin(), address.end(),
                                       [](char c) { return text::is_graphic(c) && c != '<' && c != '>'; });
        if (at == 0 || !plain || !is_domain_name(domain)) {
            findings.mistake(places.of("local.users_to"),
                             "local.users_to has " + quote(address) +
                                 "; allowed: addresses with their domain, such as \"admin@example.com\"");
            continue;
        }
        const auto& own = config.intake.local_domains;
        const bool ours = is_one_of(signed_domains(config), domain);
        if (!ours &&
            (domain == config.hostname || domain.ends_with(".localdomain") ||
             domain.ends_with(".localhost") || std::find(own.begin(), own.end(), domain) != own.end())) {
            findings.mistake(places.of("local.users_to"),
                             "local.users_to has " + quote(address) +
                                 ", which is a name of this machine itself; allowed: an address whose mail "
                                 "arrives in a mailbox elsewhere");
        }
    }
}

void check_doors(const Config& config, const Places& places, Findings& findings) {
    Sockets sockets(findings);
    sockets.add(config.admin.socket, "admin.socket", places.of("admin.socket"));
    for (const smtp::server::ListenerOptions& listener : config.server.listeners) {
        // Two of them that collide are check_listeners' business.
        if (listener.address.is_unix() && !sockets.has(listener.address.unix_path))
            sockets.add(listener.address.unix_path, "a [[listener]]", {});
    }
    const smtp::server::LocalDoorOptions& local = config.server.local;
    // Beside the admin socket somebody may listen already; then that is the door.
    if (local.needed || !sockets.has(local.socket))
        sockets.add(local.socket, "local.socket", places.of("local.socket"));
    const bool trusted = config.server.relay.trust_unix_socket;
    const auto refuse = [&](const std::string& key) {
        findings.mistake(
            places.of(key),
            key +
                " is set, but submission.trust_unix_socket is false, so nobody could send there; allowed: "
                "one of them");
    };
    if (local.needed && !local.socket.empty() && !trusted) refuse("local.socket");
    std::map<std::string, std::string> spools;
    for (std::size_t i = 0; i < config.intake.sites.size(); ++i) {
        const intake::SiteOptions& site = config.intake.sites[i];
        const std::string path = fmt::format("site[{}]", i);
        sockets.add(site.socket, "site.socket of " + quote(site.name), places.of(path + ".socket"));
        if (!site.socket.empty() && !trusted) refuse(path + ".socket");
        if (site.spool.empty()) continue;
        if (const auto [known, fresh] = spools.try_emplace(site.spool, site.name); !fresh) {
            findings.mistake(
                places.of(path + ".spool"),
                fmt::format("site.spool of {} is that of {} as well; give each a directory of its own",
                            quote(site.name), quote(known->second)));
        }
    }
}

void check_site(const Config& config, const intake::SiteOptions& site, const std::string& path,
                const Places& places, Findings& findings) {
    if (places.given(path + ".name") && !is_plain_name(site.name)) {
        findings.mistake(places.of(path + ".name"),
                         "site.name is " + quote(site.name) + "; allowed: letters, digits, '.', '-' and '_'");
    }
    if (site.users.empty() && site.socket.empty() && site.spool.empty()) {
        findings.mistake(places.of(path),
                         "the site " + quote(site.name) + " has nobody; give it users, a socket or a spool");
    }
    const std::vector<std::string> ours = signed_domains(config);
    for (const std::string& domain : site.domains) {
        if (!is_domain_name(domain)) {
            findings.mistake(places.of(path + ".domains"),
                             "site.domains has " + quote(domain) +
                                 "; allowed: domains such as \"example.com\", in their ASCII form");
        } else if (!is_one_of(ours, domain)) {
            findings.mistake(places.of(path + ".domains"),
                             fmt::format("site.domains has {}, which no [[domain]] covers, so its mail could "
                                         "not be signed; add a [[domain]] for it",
                                         quote(domain)));
        }
    }
    check_sender("site.sender", site.sender, site.domains.empty() ? ours : site.domains,
                 places.of(path + ".sender"), findings);
    check_kept(config, site.from, "site.from", places.of(path + ".from"), findings);
}

}  // namespace

void check_sites(const Config& config, const Places& places, Findings& findings) {
    check_users_to(config, places, findings);
    const std::vector<intake::SiteOptions>& sites = config.intake.sites;
    std::map<std::string, std::string> owner_of;
    for (std::size_t i = 0; i < sites.size(); ++i) {
        const intake::SiteOptions& site = sites[i];
        const std::string path = fmt::format("site[{}]", i);
        check_site(config, site, path, places, findings);
        for (std::size_t k = 0; k < i; ++k) {
            if (site.name.empty() || sites[k].name != site.name) continue;
            findings.mistake(places.of(path + ".name"),
                             "the site " + quote(site.name) + " is given twice; put all into one [[site]]");
            break;
        }
        for (const std::string& user : site.users) {
            if (user.empty() || text::has_control(user) || user.find(' ') != std::string::npos) {
                findings.mistake(
                    places.of(path + ".users"),
                    "site.users has " + quote(user) + "; allowed: system users, their numbers, or \"*\"");
            } else if (const auto [known, fresh] = owner_of.try_emplace(user, site.name); !fresh) {
                findings.mistake(
                    places.of(path + ".users"),
                    fmt::format("site.users has {}, who belongs to the site {} already; a user can "
                                "be in one only, give the other a socket",
                                quote(user), quote(known->second)));
            }
        }
    }
    check_sender("local.sender", config.intake.sender.address, signed_domains(config),
                 places.of("local.sender"), findings);
    check_kept(config, config.intake.sender.from, "local.from", places.of("local.from"), findings);
    if (places.given("local.clients_from"))
        check_kept(config, config.intake.sender.clients_from, "local.clients_from",
                   places.of("local.clients_from"), findings);
    check_doors(config, places, findings);
}

}  // namespace posthorn::config
