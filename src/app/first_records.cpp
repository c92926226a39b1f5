// The records as log lines.
#include "app/first_records.hpp"

#include "auth/dkim/record.hpp"
#include "auth/dns_record.hpp"
#include "base/log.hpp"
#include "net/interfaces.hpp"
#include "setup/records.hpp"

namespace posthorn::app {

FirstRun first_run_of(const config::Config& config) {
    FirstRun facts;
    facts.hostname = config.hostname;
    constexpr std::size_t kMost = 4;  // temporary addresses of IPv6 come and go
    for (const std::string& source : {config.delivery.source_v4, config.delivery.source_v6}) {
        const auto ip = IpAddress::parse(source);
        if (ip && !ip->is_private()) facts.ips.push_back(*ip);
    }
    if (!facts.ips.empty()) return facts;
    for (const IpAddress& ip : net::interface_addresses())
        if (!ip.is_private() && facts.ips.size() < kMost) facts.ips.push_back(ip);
    return facts;
}

void tell_first_records(const FirstRun& facts, const std::string& domain,
                        const std::vector<std::pair<std::string, auth::dkim::PrivateKeyPtr>>& keys) {
    setup::RecordsQuestion question;
    question.domain = domain;
    question.hostname = facts.hostname;
    question.ips = facts.ips;
    question.ipv6 = facts.ipv6;
    for (const auto& [selector, key] : keys)
        question.keys.emplace_back(selector, auth::dkim::key_record(domain, selector, *key).value);
    if (facts.ips.empty()) {
        // Behind NAT nobody here knows the address (DO-14).
        log::info("dns_record")
            .kv("domain", domain)
            .kv("need", "required")
            .kv("name", facts.hostname)
            .kv("type", "A")
            .kv("value", "the public address that mail leaves from")
            .kv("purpose", "and that address needs the name " + facts.hostname +
                               " in reverse DNS (PTR), which its hoster sets");
    }
    for (const setup::WantedRecord& one : setup::wanted_records(question, auth::DnsAnswers()).records) {
        if (one.need == setup::Need::hint) continue;
        log::info("dns_record")
            .kv("domain", domain)
            .kv("need", setup::to_string(one.need))
            .kv("name", one.record.name)
            .kv("type", one.record.type)
            .kv("value", auth::one_line(one.record))
            .kv("purpose", one.record.purpose);
    }
    log::info("dns_records")
        .kv("domain", domain)
        .kv("action",
            "publish these; `posthorn dns show " + domain + "` compares, mail waits until its key is there");
}

}  // namespace posthorn::app
