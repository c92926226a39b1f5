// Making flows of plans and lanes, and the names of their gates.
#include "delivery/flow.hpp"

#include <algorithm>
#include <array>

#include "auth/dkim/keys.hpp"
#include "delivery/agent.hpp"
#include "delivery/lane.hpp"
#include "delivery/plan.hpp"
#include "mail/organisational_domain.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::array<std::string_view, 6> kWords = {"provider", "site", "ip", "dkim", "spf", "sender"};
constexpr std::array<GateKind, 6> kGateKinds = {GateKind::provider, GateKind::site, GateKind::ip,
                                            GateKind::dkim,     GateKind::spf,  GateKind::sender};

}  // namespace

std::string_view to_string(GateKind kind) { return kWords[static_cast<std::size_t>(kind)]; }

Flow flow_of(const DeliveryPlan& plan, const Lane& lane, const Settings& settings) {
    Flow flow;
    flow.group = plan.group;
    flow.provider = plan.provider;
    flow.site_key = plan.site_key;
    const std::string& author = lane.author_domain.empty() ? lane.sender_domain : lane.author_domain;
    flow.sender_org = mail::organisational_domain(author);
    flow.author_domain = author;
    if (settings.keys) {
        const auth::dkim::Selection keys = settings.keys->select(author);
        if (keys.can_sign()) flow.dkim_domain = keys.identities.front().domain;
    }
    // RFC 7208 s2.4: for the null reverse-path it is the EHLO name that is checked.
    flow.spf_domain = lane.flow == "dsn" ? settings.hostname : lane.sender_domain;
    // One word for the machine that mail leaves from: which family a connection then takes does not matter here.
    flow.source = plan.source.v4 ? plan.source.v4->to_string() : plan.source.v6 ? plan.source.v6->to_string() : "default";
    return flow;
}

std::string gate_key(const Flow& flow, GateKind kind) {
    const auto named = [&](std::string_view subject) {
        if (subject.empty() || flow.group.empty()) return std::string();
        return std::string(to_string(kind)) + "|" + std::string(subject) + "|" + flow.group;
    };
    switch (kind) {
        case GateKind::provider: return flow.group.empty() ? std::string() : "provider|" + flow.group;
        case GateKind::site: return flow.site_key.empty() ? std::string() : "site|" + flow.site_key;
        case GateKind::ip: return named(flow.source);
        case GateKind::dkim: return named(flow.dkim_domain);
        case GateKind::spf: return named(flow.spf_domain);
        case GateKind::sender: return named(flow.sender_org);
    }
    return {};
}

std::vector<std::string> gate_keys(const Flow& flow) {
    std::vector<std::string> keys;
    keys.reserve(kGateKinds.size());
    for (const GateKind kind : kGateKinds)
        if (std::string key = gate_key(flow, kind); !key.empty()) keys.push_back(std::move(key));
    return keys;
}

GateName gate_name(std::string_view key) {
    GateName name;
    const std::string_view word = key.substr(0, key.find('|'));
    const auto found = std::find(kWords.begin(), kWords.end(), word);
    if (found != kWords.end()) name.kind = kGateKinds[static_cast<std::size_t>(found - kWords.begin())];
    key.remove_prefix(std::min(key.size(), word.size() + 1));
    if (name.kind == GateKind::provider) {
        name.group = key;
    } else if (name.kind == GateKind::site) {
        name.subject = key;
    } else {
        // A group has no bar in it, a domain that a sender wrote may have.
        const std::size_t bar = key.rfind('|');
        name.subject = key.substr(0, bar);
        if (bar != std::string_view::npos) name.group = key.substr(bar + 1);
    }
    return name;
}

bool is_of_stranger(std::string_view group) { return group.find('.') != std::string_view::npos && !group.starts_with("relay:"); }

std::string in_words(std::string_view key) {
    const GateName name = gate_name(key);
    const std::string subject(name.subject), group(name.group);
    switch (name.kind) {
        case GateKind::provider: return "all mail to " + group;
        case GateKind::site: return "all mail to the hosts " + subject;
        case GateKind::ip:
            return (name.subject == "default" ? std::string("mail from this machine") : "mail from the address " + subject) + " to " + group;
        case GateKind::dkim: return "mail signed by " + subject + " to " + group;
        case GateKind::spf: return "mail with envelope senders of " + subject + " to " + group;
        case GateKind::sender: return "mail from " + subject + " to " + group;
    }
    return std::string(key);
}

}  // namespace posthorn::delivery
