// Our addresses: that they are known, the names they go by, IPv6, and what block lists say of them (SD-16,
// SD-73, SD-82).
#include <fmt/format.h>

#include "base/text.hpp"
#include "delivery/examination.hpp"
#include "dns/answers.hpp"
#include "doctor/inspector.hpp"

namespace posthorn::doctor {

using auth::DnsAnswer;
using auth::DnsStatus;
using auth::DnsType;

namespace {

DnsType address_type(const IpAddress& ip) {
    return ip.is_v4() ? DnsType::a : DnsType::aaaa;
}

bool is_among(const DnsAnswer& answer, const IpAddress& ip) {
    return std::find(answer.addresses.begin(), answer.addresses.end(), ip) != answer.addresses.end();
}

// "1.2.0.192" and the nibbles of IPv6: what stands before "in-addr.arpa" and "ip6.arpa" (RFC 5782 s2.1,
// s2.4).
std::string reversed(const IpAddress& ip) {
    const std::string name = dns::reverse_name(ip);
    return name.substr(0, name.rfind('.', name.rfind('.') - 1));
}

}  // namespace

// Behind NAT the machine does not know its public address: then the EHLO name must.
void Inspector::addresses(const Domain& domain) {
    if (!domain.ips.empty() || has("helo", domain.helo)) return;
    const DnsAnswer& v4 = ask(DnsType::a, domain.helo);
    const DnsAnswer& v6 = ask(DnsType::aaaa, domain.helo);
    const bool known = v4.known() && v6.known();
    const bool any = !v4.addresses.empty() || !v6.addresses.empty();
    Finding& name =
        add("helo", domain.helo, known ? Verdict::fail : Verdict::unknown, "EHLO name " + domain.helo,
            !known ? "DNS gave no answer about the addresses of " + domain.helo
            : any  ? "the name we say in EHLO has only addresses that are not of the public Internet"
                   : "the name we say in EHLO has no address in DNS");
    name.repair =
        "publish an A record of it with this server's public address, or set \"hostname\" to a name that has "
        "it; \"--ip ADDRESS\" names the address";
    add("ptr", domain.helo, Verdict::unknown, "Reverse DNS",
        "the public address of this server is not known: " + domain.helo + " does not say it")
        .repair = "name the address: posthorn doctor --ip ADDRESS";
}

void Inspector::names_of_addresses(const Domain& domain) {
    constexpr std::size_t kMaxNames = 10;
    for (const IpAddress& ip : domain.ips) {
        const std::string subject = ip.to_string();
        if (has("ptr-name", subject)) continue;
        const DnsAnswer& answer = ask(DnsType::ptr, dns::reverse_name(ip));
        const std::string title = "Name of " + subject;
        std::vector<std::string> names;
        std::size_t open = 0;
        for (std::size_t i = 0; i < std::min(answer.texts.size(), kMaxNames); ++i) {
            const DnsAnswer& addresses = ask(address_type(ip), answer.texts[i]);
            open += addresses.known() ? 0 : 1;
            if (is_among(addresses, ip)) names.push_back(answer.texts[i]);
        }
        const bool says_helo = std::find(names.begin(), names.end(), domain.helo) != names.end();
        const bool generic =
            !names.empty() && std::all_of(names.begin(), names.end(), [&](const std::string& name) {
                return delivery::looks_generic(name, ip);
            });
        const std::string wish = fmt::format(
            "set the reverse DNS (PTR record) of {} to {} in the hoster's panel", subject, domain.helo);
        if (!answer.known()) {
            add("ptr-name", subject, Verdict::unknown, title,
                "DNS gave no answer about the name of " + subject);
        } else if (names.empty()) {
            add("ptr-name", subject, Verdict::skipped, title, "it has no name that leads back to it");
        } else if (generic) {
            add("ptr-name", subject, Verdict::warn, title,
                names.front() +
                    " looks like a name that a hoster gives to all of his addresses, as home lines have "
                    "them; some receivers refuse those")
                .repair = wish;
        } else if (!says_helo) {
            add("ptr-name", subject, Verdict::warn, title,
                fmt::format(
                    "{} is {}, while EHLO says {}: allowed, but some receivers want both to be the same",
                    subject, names.front(), domain.helo))
                .repair = fmt::format("{}, or set \"hostname\" to {}", wish, names.front());
        } else if (answer.texts.size() > names.size() && open == 0) {
            add("ptr-name", subject, Verdict::warn, title,
                fmt::format("{} has {} names, of which {} lead back to it; receivers that look at one alone "
                            "may take any of them",
                            subject, answer.texts.size(), names.size()))
                .repair = fmt::format("leave {} as its only reverse name", domain.helo);
            for (const std::string& name : answer.texts) found_.findings.back().detail += "\n  " + name;
        } else {
            add("ptr-name", subject, Verdict::pass, title, "it is the name we say in EHLO, " + domain.helo);
        }
        found_.findings.back().seen.ttl = answer.ttl;
    }
}

// Gmail's 550-5.7.1 "does not meet IPv6 sending guidelines regarding PTR records".
void Inspector::ipv6(const Domain& domain) {
    bool any = false;
    for (const IpAddress& ip : domain.ips) {
        if (ip.is_v4()) continue;
        any = true;
        const std::string subject = ip.to_string();
        if (has("ipv6", subject)) continue;
        std::string lacking;
        bool open = false;
        for (const Finding& one : found_.findings) {
            if (one.check != "ptr" && one.check != "helo" && one.check != "spf") continue;
            if (one.subject != subject && !one.subject.ends_with(" " + subject)) continue;
            open = open || one.verdict == Verdict::unknown;
            if (one.verdict == Verdict::fail) lacking += (lacking.empty() ? "" : ", ") + one.title;
        }
        const bool left_out = question_.prefers_v4;
        Finding& finding = add("ipv6", subject,
                               !lacking.empty() ? (left_out ? Verdict::warn : Verdict::fail)
                               : open           ? Verdict::unknown
                                                : Verdict::pass,
                               "IPv6 from " + subject, "");
        if (lacking.empty()) {
            finding.detail = open ? "not all about this address could be found out"
                                  : "reverse DNS, EHLO name and SPF are right for IPv6, too";
        } else {
            finding.detail = "this address is not fit to send from; wrong is: " + lacking;
            finding.repair =
                left_out ? "repair that; or set family = \"4\" in [delivery], so that IPv6 is never used"
                         : "repair that; or set family = \"auto\" in [delivery], which uses IPv6 only where "
                           "its reverse DNS is right";
        }
    }
    if (any || has("ipv6", domain.helo)) return;
    add("ipv6", domain.helo, Verdict::skipped, "IPv6",
        "mail leaves over IPv4 alone, which every receiver takes");
}

// What is wrong with an IPv6 address hurts nobody while mail does not leave from there.
void Inspector::without_ipv6(const Domain& domain) {
    const bool has_v4 =
        std::any_of(domain.ips.begin(), domain.ips.end(), [](const IpAddress& ip) { return ip.is_v4(); });
    if (!question_.prefers_v4 || !has_v4) return;
    for (const IpAddress& ip : domain.ips) {
        if (ip.is_v4()) continue;
        const std::string subject = ip.to_string();
        const bool unused =
            std::any_of(found_.findings.begin(), found_.findings.end(), [&](const Finding& one) {
                return one.check == "ptr" && one.subject == subject && one.verdict == Verdict::fail;
            });
        if (!unused) continue;
        for (Finding& one : found_.findings) {
            const bool about_it = one.subject == subject || one.subject.ends_with(" " + subject);
            if (!about_it || one.verdict != Verdict::fail || one.check == "dnsbl") continue;
            one.verdict = Verdict::warn;
            one.detail += "; mail leaves over IPv4 until the reverse DNS of this address is right";
        }
    }
}

// RFC 5782. Opt-in: the question tells the list's owner of our address, and big lists answer public resolvers
// with a refusal.
void Inspector::block_lists(const Domain& domain) {
    for (const IpAddress& ip : domain.ips) {
        for (const std::string& list : question_.block_lists) {
            const std::string subject = ip.to_string() + " at " + list;
            if (has("dnsbl", subject)) continue;
            const std::string name = reversed(ip) + "." + list;
            const DnsAnswer& answer = ask(DnsType::a, name);
            const std::string title = "Block list: " + subject;
            if (!answer.known()) {
                add("dnsbl", subject, Verdict::unknown, title,
                    "the list gave no answer" + (answer.detail.empty() ? "" : " (" + answer.detail + ")"));
            } else if (answer.addresses.empty()) {
                add("dnsbl", subject, Verdict::pass, title, "not listed");
            } else if (const std::string said = answer.addresses.front().to_string();
                       said.starts_with("127.255.255.")) {
                add("dnsbl", subject, Verdict::unknown, title,
                    fmt::format(
                        "the list refuses to answer this resolver ({}): it is a public one, or asks too much",
                        said))
                    .repair =
                    "let this machine ask a resolver of its own (apt install unbound), or get a key from the "
                    "list";
            } else if (!said.starts_with("127.")) {
                add("dnsbl", subject, Verdict::unknown, title,
                    fmt::format("{} is no answer of a block list: the list is closed, or the resolver makes "
                                "answers up",
                                said))
                    .repair = "leave this list out";
            } else {
                const DnsAnswer& why = ask(DnsType::txt, name);
                Finding& listed = add(
                    "dnsbl", subject, Verdict::fail, title,
                    fmt::format("listed ({}){}", said, why.texts.empty() ? "" : ": " + why.texts.front()));
                listed.repair =
                    "find out what was sent from this address, end that, then ask the list to remove it" +
                    std::string(why.texts.empty() ? "" : " (the answer says where)");
            }
            found_.findings.back().seen.ttl = answer.ttl;
        }
    }
}

}  // namespace posthorn::doctor
