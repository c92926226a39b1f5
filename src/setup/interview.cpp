// The order of the questions, what DNS is asked for them, and what is remarked on answers.
#include "setup/interview.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/checks.hpp"
#include "mail/domain.hpp"
#include "mail/organisational_domain.hpp"
#include "setup/reverse_name.hpp"

namespace posthorn::setup {
namespace {

using auth::DnsQuestion;
using auth::DnsType;

constexpr std::size_t kMostAddresses = 16;  // of one machine are asked about

bool is_one_of(const std::vector<IpAddress>& all, const IpAddress& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

bool is_host_name(std::string_view name) {
    return !name.empty() && config::fault_of_hostname(name).empty();
}

std::string joined(const std::vector<IpAddress>& addresses) {
    std::string out;
    for (const IpAddress& address : addresses) out += (out.empty() ? "" : " ") + address.to_string();
    return out;
}

}  // namespace

std::vector<IpAddress> Machine::public_addresses() const {
    std::vector<IpAddress> out;
    for (const IpAddress& address : addresses)
        if (!address.is_private() && out.size() < kMostAddresses) out.push_back(address);
    return out;
}

Interview::Interview(Machine machine, const config::Config& present)
    : machine_(std::move(machine)), present_(present) {
    answers_.certificate_file = present.server.tls.certificate_file;
    answers_.key_file = present.server.tls.key_file;
    answers_.self_signed = present.server.tls.self_signed;
}

bool Interview::needed(Topic topic) const {
    switch (topic) {
        case Topic::certificate:
            return answers_.users && !answers_.self_signed;
        case Topic::key:
            return answers_.users && !answers_.self_signed && !answers_.certificate_file.empty() &&
                   !answers_.certificate_later;
        default:
            return true;
    }
}

std::vector<IpAddress> Interview::addresses_of_hostname(const auth::DnsAnswers& known) const {
    std::vector<IpAddress> out;
    for (const DnsType type : {DnsType::a, DnsType::aaaa}) {
        const auth::DnsAnswer* answer = known.find({type, answers_.hostname});
        if (answer == nullptr) continue;
        for (const IpAddress& address : answer->addresses)
            if (!address.is_private()) out.push_back(address);
    }
    return out;
}

std::vector<DnsQuestion> Interview::wanted(const auth::DnsAnswers& known) const {
    std::vector<DnsQuestion> out;
    const auto want = [&](DnsType type, const std::string& name) {
        if (DnsQuestion question(type, name); known.find(question) == nullptr)
            out.push_back(std::move(question));
    };
    for (const IpAddress& address : machine_.public_addresses()) want(DnsType::ptr, reverse_name(address));
    if (answered(Topic::hostname)) {
        want(DnsType::a, answers_.hostname);
        want(DnsType::aaaa, answers_.hostname);
    }
    for (const IpAddress& address : answers_.addresses) want(DnsType::ptr, reverse_name(address));
    for (const std::string& domain : answers_.domains)
        want(DnsType::soa, mail::organisational_domain(domain));
    return out;
}

// The machine's own name first: a PTR record often still has the name that the provider gave.
std::string Interview::suggest_hostname(const auth::DnsAnswers& known) const {
    if (!present_.hostname.empty()) return present_.hostname;
    if (const std::string name = text::to_lower(machine_.name); is_host_name(name)) return name;
    for (const IpAddress& address : machine_.public_addresses()) {
        const auth::DnsAnswer* names = known.find({DnsType::ptr, reverse_name(address)});
        if (names != nullptr && !names->texts.empty() && is_host_name(names->texts.front()))
            return names->texts.front();
    }
    return {};
}

// Behind a NAT the interfaces do not show the address that others see, but DNS may.
std::string Interview::suggest_addresses(const auth::DnsAnswers& known) const {
    const std::vector<IpAddress> own = machine_.public_addresses();
    const std::vector<IpAddress> in_dns = addresses_of_hostname(known);
    std::vector<IpAddress> both;
    for (const IpAddress& address : own)
        if (is_one_of(in_dns, address)) both.push_back(address);
    if (!both.empty()) {
        // Of a family that the name does not have, what the machine has: mail would leave from there.
        for (const IpAddress& address : own) {
            const bool family = std::any_of(both.begin(), both.end(), [&](const IpAddress& other) {
                return other.is_v4() == address.is_v4();
            });
            if (!family) both.push_back(address);
        }
        return joined(both);
    }
    if (!own.empty()) return joined(own);
    return in_dns.empty() ? std::string("unknown") : joined(in_dns);
}

std::string Interview::suggest_certificate() const {
    if (!present_.server.tls.certificate_file.empty()) return present_.server.tls.certificate_file;
    for (const std::string& file : machine_.certificates)
        if (file.ends_with("/" + answers_.hostname + "/fullchain.pem")) return file;
    return "later";
}

std::optional<Question> Interview::next(const auth::DnsAnswers& known) const {
    const auto open = [&](Topic topic) { return needed(topic) && !answered(topic); };
    if (open(Topic::hostname))
        return Question{Topic::hostname,
                        "What is this server called? Other mail servers ask for its name and look it up, so "
                        "it must be a name in DNS that "
                        "belongs to you, such as mail.example.com. It need not be the name of a web site.",
                        "Name of this server", suggest_hostname(known)};
    if (open(Topic::addresses))
        return Question{Topic::addresses,
                        "From which public IP addresses will its mail come? Receivers compare them with what "
                        "you publish in DNS. Several are "
                        "separated by spaces; answer \"unknown\" if you do not know them.",
                        "Public IP addresses", suggest_addresses(known)};
    if (open(Topic::domains)) {
        std::string domains;
        for (const auth::DomainOptions& domain : present_.auth.domains)
            domains += (domains.empty() ? "" : " ") + domain.name;
        return Question{Topic::domains,
                        "Whose mail will it send? Name the domains behind the @ of your sender addresses: "
                        "for shop@example.com that is "
                        "example.com. Several are separated by spaces. Each gets a key of its own, by which "
                        "receivers know that the mail is yours.",
                        "Your domains",
                        domains.empty() ? mail::organisational_domain(answers_.hostname) : domains};
    }
    if (open(Topic::senders)) {
        const bool users = std::any_of(
            present_.server.listeners.begin(), present_.server.listeners.end(),
            [](const auto& listener) { return listener.auth == smtp::server::ListenerAuth::required; });
        return Question{Topic::senders,
                        "Who may send by it?\n"
                        "  1  only programs on this machine (web sites, cron, monitoring)\n"
                        "  2  also people and programs elsewhere, who log in with a password",
                        "1 or 2", users ? "2" : "1"};
    }
    if (open(Topic::certificate))
        return Question{Topic::certificate,
                        "Passwords travel encrypted only. For that this server needs a certificate for its "
                        "name: `certbot certonly --standalone -d " +
                            answers_.hostname +
                            "` gets one for free. Name the file with the certificate chain, or answer "
                            "\"later\": until then only programs on "
                            "this machine can send.",
                        "Certificate file", suggest_certificate()};
    if (open(Topic::key)) {
        const auto slash = answers_.certificate_file.rfind('/');
        const std::string beside =
            slash == std::string::npos ? std::string() : answers_.certificate_file.substr(0, slash + 1);
        const std::string& present = present_.server.tls.key_file;
        return Question{Topic::key, "The file with the private key of that certificate.", "Key file",
                        present.empty() || answers_.certificate_file != present_.server.tls.certificate_file
                            ? beside + "privkey.pem"
                            : present};
    }
    if (open(Topic::root_mail)) {
        const auto& present = present_.intake.local.users_to;
        // A configuration that names nobody may mean it: the aliases decide.
        std::string suggestion = !present_.hostname.empty()    ? std::string("none")
                                 : machine_.root_alias.empty() ? "postmaster@" + answers_.domains.front()
                                                               : machine_.root_alias;
        for (std::size_t i = 0; i < present.size(); ++i)
            suggestion = i == 0 ? present[0] : suggestion + " " + present[i];
        return Question{Topic::root_mail,
                        "Who reads what this machine writes to its own users, above all to root: failed cron "
                        "jobs, warnings? An address that "
                        "somebody reads, elsewhere. \"none\" leaves it to /etc/aliases.",
                        "Address for root's mail", suggestion};
    }
    return std::nullopt;
}

std::vector<std::string> Interview::remarks(Topic topic, const auth::DnsAnswers& known) const {
    std::vector<std::string> out;
    const auto is_gone = [&](DnsType type, const std::string& name) {
        const auth::DnsAnswer* answer = known.find({type, name});
        return answer != nullptr &&
               (answer->status == auth::DnsStatus::nxdomain || answer->status == auth::DnsStatus::no_data);
    };
    if (topic == Topic::hostname && is_gone(DnsType::a, answers_.hostname) &&
        is_gone(DnsType::aaaa, answers_.hostname))
        out.push_back(fmt::format("{} is not in DNS yet: it needs an A record with this server's address.",
                                  answers_.hostname));
    if (topic == Topic::addresses) {
        const std::vector<IpAddress> in_dns = addresses_of_hostname(known);
        for (const IpAddress& address : answers_.addresses) {
            if (!in_dns.empty() && !is_one_of(in_dns, address))
                out.push_back(fmt::format("{} does not lead to {} but to {}.", answers_.hostname,
                                          address.to_string(), joined(in_dns)));
            const auth::DnsAnswer* names = known.find({DnsType::ptr, reverse_name(address)});
            if (names == nullptr || !names->known()) continue;
            const auto& all = names->texts;
            if (all.empty()) {
                out.push_back(
                    fmt::format("{} has no name (PTR record): Gmail and others refuse its mail. Set it to {} "
                                "where you rent the address.",
                                address.to_string(), answers_.hostname));
            } else if (std::find(all.begin(), all.end(), answers_.hostname) == all.end()) {
                out.push_back(
                    fmt::format("{} is called {} (PTR record). Change that to {} where you rent the address.",
                                address.to_string(), all.front(), answers_.hostname));
            }
        }
        if (answers_.addresses.empty())
            out.emplace_back(
                "Without the addresses there will be no SPF record to publish; `posthorn setup --ip ADDRESS` "
                "makes up for it.");
    }
    if (topic == Topic::domains) {
        for (const std::string& domain : answers_.domains) {
            const std::string zone = mail::organisational_domain(domain);
            const auth::DnsAnswer* answer = known.find({DnsType::soa, zone});
            if (answer != nullptr && answer->status == auth::DnsStatus::nxdomain)
                out.push_back(
                    fmt::format("There is no domain {} in DNS. Is it spelt right? Mail from a domain that "
                                "does not exist is refused everywhere.",
                                zone));
        }
        for (const auth::DomainOptions& domain : present_.auth.domains)
            if (std::find(answers_.domains.begin(), answers_.domains.end(), domain.name) ==
                answers_.domains.end())
                out.push_back(fmt::format("{} stays; `posthorn domain remove {}` takes it out.", domain.name,
                                          domain.name));
    }
    if (topic == Topic::senders && !answers_.users) {
        for (const auto& listener : present_.server.listeners)
            if (listener.auth == smtp::server::ListenerAuth::required)
                out.push_back(fmt::format(
                    "The [[listener]] {} stays, where users log in; take it out of the file if nobody does.",
                    listener.address.to_string()));
    }
    return out;
}

}  // namespace posthorn::setup
