// Where mail comes in: the smtpd services of master.cf as listeners, mynetworks as trusted networks.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "migration/planner.hpp"

namespace posthorn::migration {
namespace {

struct Door {
    std::string host;  // "*", "127.0.0.1", "[::]"
    int port = 0;
    std::string origin;
    bool implicit_tls = false;
    bool logs_in = false;
};

// The hosts of inet_interfaces that a service without one listens on.
std::vector<std::string> interfaces(const Planner& planner, const Parameters& main) {
    const std::string protocols = main.value("inet_protocols");
    const bool v4 = protocols.find("ipv4") != std::string::npos || protocols.find("all") != std::string::npos;
    const bool v6 = planner.sources.machine.ipv6 && (protocols.find("ipv6") != std::string::npos ||
                                                     protocols.find("all") != std::string::npos);
    std::vector<std::string> hosts;
    for (const std::string& name : main.list("inet_interfaces")) {
        if (name == "all") {
            if (v4) hosts.emplace_back("*");
            if (v6) hosts.emplace_back("[::]");
        } else if (name == "loopback-only" || name == "localhost") {
            if (v4) hosts.emplace_back("127.0.0.1");
            if (v6) hosts.emplace_back("[::1]");
        } else {
            const std::string bare = name.starts_with('[') ? name.substr(1, name.size() - 2) : name;
            hosts.push_back(bare.find(':') != std::string::npos ? "[" + bare + "]" : bare);
        }
    }
    return hosts;
}

bool is_loopback(std::string_view host) {
    return host.starts_with("127.") || host == "[::1]";
}

std::string without_brackets(std::string_view network) {
    std::string made;
    for (const char c : network) {
        if (c != '[' && c != ']') made += c;
    }
    return made;
}

// mynetworks as far as Posthorn may trust it.
std::vector<std::string> trusted_networks(Planner& planner) {
    std::vector<std::string> trusted;
    const Origin at = planner.main.origin("mynetworks");
    for (const std::string& item : planner.main.list("mynetworks")) {
        const std::string network = without_brackets(item);
        if (text::istarts_with(network, "::ffff:"))
            continue;  // Posthorn knows such clients by their IPv4 address
        if (item.find(":/") != std::string::npos || item.starts_with('/') || item.starts_with('!')) {
            planner.not_carried("mynetworks", fmt::format("{} is a table or an exception: write the networks "
                                                          "themselves into submission.trusted_networks.",
                                                          text::safe_for_log(item, 100)));
            continue;
        }
        const std::vector<std::string> alone{network};
        // A listener that the whole world reaches: the strictest reading.
        if (is_acceptable("\n[[listener]]\naddress = \"*:25\"\ntls = \"none\"\nauth = "
                          "\"none\"\n[submission]\ntrusted_networks = " +
                          toml_list(alone) + "\n")) {
            trusted.push_back(network);
            continue;
        }
        planner.mistake(
            "mynetworks", at,
            fmt::format("{} is trusted to send without logging in. That is no network, or far more than your "
                        "own clients: who gets in there, or is made to look so by a container's NAT, sends "
                        "as you. It was left out.",
                        text::safe_for_log(item, 100)));
        planner.to_do("mynetworks",
                      fmt::format("Put the addresses of those clients in {} that must send without a "
                                  "password into submission.trusted_networks one by one, or let them log in.",
                                  text::safe_for_log(item, 100)));
    }
    return trusted;
}

bool beyond_loopback(const std::string& network) {
    return !network.starts_with("127.") && network != "::1/128" && network != "::1";
}

void write(Planner& planner, const Door& door, bool trusts_others, std::set<std::string>& written) {
    std::string address = fmt::format("{}:{}", door.host, door.port);
    const bool inner = door.port == 25 && !trusts_others && !is_loopback(door.host);
    if (inner) {
        // Posthorn takes no mail from strangers, so that nobody but this machine has business at port 25.
        address =
            door.host == "[::]" || door.host.find(':') != std::string::npos ? "[::1]:25" : "127.0.0.1:25";
    }
    if (!written.insert(address).second) return;
    const bool loopback = inner || is_loopback(door.host);
    // Who offers TLS from the first octet on offers nothing without: what came in plain text was never meant to.
    const bool live = (!door.logs_in && !door.implicit_tls) || (planner.has_certificate && (planner.has_users || !door.logs_in));
    if (!live) {
        // TOML takes each table but once.
        const bool first = std::none_of(planner.out.to_do.begin(), planner.out.to_do.end(), [](const Note& note) { return note.subject == "listener"; });
        planner.to_do(
            "listener",
            fmt::format("Port {} ({}) was left out: it needs {}{}{}. Then add these lines, with your files:\n"
                        "{}{}\n  [[listener]]\n  address = \"{}\"\n  tls = \"{}\"\n  auth = \"required\"",
                        door.port, door.origin, planner.has_certificate ? "" : "a certificate for " + planner.hostname,
                        planner.has_certificate || planner.has_users ? "" : ", and ",
                        planner.has_users ? "" : "users who may log in (posthorn user add NAME)",
                        planner.has_certificate || !first
                            ? ""
                            : fmt::format("\n  [tls]\n  certificate_file = \"/etc/letsencrypt/live/{0}/fullchain.pem\"\n"
                                          "  key_file = \"/etc/letsencrypt/live/{0}/privkey.pem\"\n",
                                          planner.hostname),
                        planner.has_users || !first ? "" : "\n  [auth]\n  users_file = \"users\"\n", address,
                        door.implicit_tls ? "implicit" : "starttls"));
        return;
    }
    Draft::Table& table = planner.draft.add("listener");
    table.set("address", toml_string(address), door.origin);
    if (door.logs_in) {
        table.set("tls", door.implicit_tls ? "\"implicit\"" : "\"starttls\"", "")
            .set("auth", "\"required\"", "");
    } else if (door.implicit_tls) {
        table.set("tls", "\"implicit\"", "").set("auth", planner.has_users ? "\"optional\"" : "\"none\"", "");
    } else if (loopback || !planner.has_certificate) {
        table.set("tls", "\"none\"", "").set("auth", "\"none\"", "");
    } else {
        table.set("tls", "\"starttls\"", "").set("auth", planner.has_users ? "\"optional\"" : "\"none\"", "");
    }
}

void read_service(Planner& planner, const Service& service, std::vector<Door>& doors) {
    if (service.type != "inet") return;
    if (service.command != "smtpd" && service.command != "postscreen") return;
    const Parameters own = planner.main.with(service.overrides);
    const int port = service.port();
    const std::string shown = fmt::format("{} {}", service.origin.to_string(), service.name);
    if (port == 0) {
        planner.not_carried_at(
            "master.cf", service.origin,
            fmt::format("The port of {} is not known here.", text::safe_for_log(service.name, 60)));
        return;
    }
    if (is_loopback(service.host()) && port != 25 &&
        own.value("content_filter") != planner.main.value("content_filter")) {
        planner.not_carried_at(
            "master.cf", service.origin,
            fmt::format("{} takes mail back from a content filter; Posthorn has none.", service.name));
        return;
    }
    const bool logs_in = port != 25 && own.yes("smtpd_sasl_auth_enable");
    std::vector<std::string> hosts{service.host()};
    if (hosts.front().empty())
        hosts = interfaces(planner, own);
    else if (hosts.front().find(':') != std::string::npos)
        hosts.front() = "[" + hosts.front() + "]";
    for (const std::string& host : hosts) {
        const bool known = std::any_of(doors.begin(), doors.end(),
                                       [&](const Door& d) { return d.host == host && d.port == port; });
        if (!known) doors.push_back({host, port, shown, own.yes("smtpd_tls_wrappermode"), logs_in});
    }
    if (port != 25 && !logs_in && !is_loopback(hosts.front()))
        planner.mistake("master.cf", service.origin,
                        fmt::format("{} takes mail without a login.", text::safe_for_log(service.name, 60)));
}

}  // namespace

void plan_doors(Planner& planner) {
    const std::vector<std::string> trusted = trusted_networks(planner);
    const bool trusts_others = std::any_of(trusted.begin(), trusted.end(), beyond_loopback);
    if (planner.main.is_set("mynetworks")) {
        const std::vector<std::string> usual{"127.0.0.0/8", "::1/128"};
        if (trusted != usual)
            planner.draft.section("submission")
                .set("trusted_networks", toml_list(trusted), planner.from("mynetworks"));
        planner.carried("mynetworks", "submission.trusted_networks");
    }
    std::vector<Door> doors;
    for (const Service& service : planner.master.services) read_service(planner, service, doors);
    std::set<std::string> written;
    for (const Door& door : doors) write(planner, door, trusts_others, written);
    if (!planner.draft.has("listener"))
        planner.draft.add("listener")
            .set("address", "\"127.0.0.1:25\"", "programs of this machine")
            .set("tls", "\"none\"", "")
            .set("auth", "\"none\"", "");
    for (const char* name : {"inet_interfaces", "inet_protocols", "smtpd_tls_wrappermode"})
        planner.dealt_with.insert(name);
    const bool logs_in_at_25 = planner.main.yes("smtpd_sasl_auth_enable");
    const bool submission = std::any_of(doors.begin(), doors.end(), [](const Door& d) { return d.logs_in; });
    if (logs_in_at_25 && !submission)
        write(planner,
              {"*", 587,
               planner.main.origin("smtpd_sasl_auth_enable").to_string() +
                   " smtpd_sasl_auth_enable; Postfix let users log in at port 25",
               false, true},
              trusts_others, written);
    const bool takes_mail = std::any_of(doors.begin(), doors.end(),
                                        [](const Door& d) { return d.port == 25 && !is_loopback(d.host); });
    if (takes_mail)
        planner.not_carried_at(
            "master.cf", doors.front().origin.empty() ? Origin{} : planner.master.services.front().origin,
            "Mail from outside at port 25: Posthorn sends and takes no mail from strangers, so that port 25 "
            "is for this machine and trusted networks. If MX records point here, another "
            "program must receive.");
}

}  // namespace posthorn::migration
