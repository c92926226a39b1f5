// Opening a connection by a plan: hosts in order, addresses by their health, TLS as demanded, and how failures add up.
#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "delivery/dialler.hpp"
#include "delivery/opening.hpp"
#include "delivery/relays.hpp"
#include "delivery/require_tls.hpp"
#include "delivery/sts_policies.hpp"
#include "delivery/tls_outcome.hpp"
#include "mail/domain.hpp"

namespace posthorn::delivery {

using smtp::protocol::Stage;
using smtp::protocol::TlsUse;
using Follower = smtp::protocol::Transcript::Follower;

struct Dialler::Attempt {
    Attempt(const DeliveryPlan& planned, DeliveryTerms asked, net::TaskGroup& group, const Follower& follower)
        : plan(planned), settings(*planned.settings), stop_with(group), live(follower), terms(asked) {}

    struct Resting {
        smtp::client::Target target;
        HostSecurity security;
        bool refused = false;  // it has said what it would say again (KnownQuirks); else it did not answer lately
    };

    const DeliveryPlan& plan;
    const Settings& settings;
    net::TaskGroup& stop_with;
    const Follower& live;
    const DeliveryTerms terms;
    std::uint32_t tried = 0;
    bool failed = false;  // at least one failure is in `failure`
    std::uint32_t loops_at = 0x10000;  // RFC 5321 s5.1: hosts of this preference and worse ones lead back to us
    bool by_sts = false;  // MTA-STS forbade a host, or what it demands was not there
    Outcome failure;
    std::vector<Resting> resting;  // addresses left out for now
    std::unique_ptr<smtp::client::Connection> connection;
    std::string transcript;  // of openings that failed

    [[nodiscard]] bool enough() const {
        return tried >= settings.delivery.hosts_per_attempt || stop_with.stopping() || failure.shortage;
    }
    // A host that only asks for patience outweighs those that refuse, and a shortage of ours all others.
    void note(Outcome outcome) {
        if (failed && failure.shortage) return;
        const bool weaker = failure.result == Disposition::deferred && outcome.result == Disposition::failed;
        if (failed && weaker && !outcome.shortage) return;
        failure = std::move(outcome);
        failed = true;
    }
};

namespace {

Outcome host_failure(Disposition result, Class failure_class, std::uint16_t code, smtp::protocol::EnhancedCode enhanced,
                     const std::string& host, std::string text) {
    Outcome outcome = own_outcome(result, failure_class, Scope::host, code, enhanced, std::move(text));
    outcome.host = host;
    return outcome;
}

dns::Family family_of(IpFamily family) {
    switch (family) {
        case IpFamily::v4: return dns::Family::v4;
        case IpFamily::v6: return dns::Family::v6;
        case IpFamily::automatic:
        case IpFamily::any: return dns::Family::any;
    }
    return dns::Family::any;
}

TlsRules rules_of(const DeliveryPlan& plan) {
    TlsRules rules;
    rules.domain = plan.domain;
    rules.domain_alias = plan.domain_alias;
    rules.general = plan.settings->delivery.tls;
    rules.provider = plan.provider_tls;
    if (plan.relay) rules.relay = plan.relay->tls;
    rules.sts = plan.sts;
    return rules;
}

// Nobody looks for a PTR record of loopback and private addresses (SourceAddresses).
void leave_v6_out(AddressChoice& choice, const SourceAddresses& source) {
    if (source.allow_v6) return;
    const auto gone = std::erase_if(choice.addresses, [](const IpAddress& address) { return !address.is_v4() && !address.is_private(); });
    if (gone > 0 && choice.addresses.empty()) choice.refused = "IPv6 is not used from here (" + source.why + ")";
}

// The probe of an address that did not answer lately is this attempt's until it is destroyed.
class Probe {
public:
    Probe(HostHealth& health, std::string key) : health_(health), key_(std::move(key)) {
        const HostHealth::Standing standing = health_.standing(key_, std::chrono::steady_clock::now());
        mine_ = standing == HostHealth::Standing::due || standing == HostHealth::Standing::resting;
        if (mine_) health_.begin_probe(key_);
    }
    ~Probe() {
        if (mine_) health_.gave_up(key_);
    }
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;
    [[nodiscard]] const std::string& key() const { return key_; }

private:
    HostHealth& health_;
    const std::string key_;
    bool mine_ = false;
};

}  // namespace

net::awaitable<Dialled> Dialler::dial(const DeliveryPlan& plan, DeliveryTerms terms, net::TaskGroup& stop_with, const Follower& live) {
    bool by_sts = false;
    Dialled dialled = co_await dial_once(plan, terms, stop_with, live, by_sts);
    if (dialled.connection || !by_sts || learnt_.sts == nullptr || stop_with.stopping()) co_return dialled;
    // RFC 8461 s5.1: perhaps the domain has published another policy since.
    const bool renewed = co_await learnt_.sts->renewed(plan.domain);
    if (!renewed) co_return dialled;
    DeliveryPlan fresh = plan;
    co_await add_sts(fresh);
    co_return co_await dial_once(fresh, terms, stop_with, live, by_sts);
}

net::awaitable<Dialled> Dialler::dial_once(const DeliveryPlan& plan, DeliveryTerms terms, net::TaskGroup& stop_with,
                                           const Follower& live, bool& by_sts) {
    Attempt attempt(plan, terms, stop_with, live);
    std::vector<RouteHost> order = attempt_order(plan.route.hosts, random_);
    bool all_asked = true;
    for (std::size_t i = 0; i < order.size(); ++i) {
        if (i == 0 || order[i].preference != order[i - 1].preference) co_await put_ourselves_first(plan, order, i);
        const RouteHost& host = order[i];
        if (host.preference >= attempt.loops_at) break;
        if (attempt.enough()) {
            all_asked = false;
            break;
        }
        if (co_await try_host(attempt, host)) break;
    }
    // Nobody is there but addresses that did not answer lately, or refused: better one of them than none.
    if (!attempt.connection && attempt.tried == 0 && !attempt.enough()) co_await try_resting(attempt);
    by_sts = attempt.by_sts;
    Dialled dialled;
    dialled.connection = std::move(attempt.connection);
    if (dialled.connection) co_return dialled;
    dialled.failure = std::move(attempt.failure);
    dialled.transcript = smtp::protocol::shorten_transcript(std::move(attempt.transcript));
    // Final is only what every host refused; the others have their turn another time.
    const bool silent = std::any_of(attempt.resting.begin(), attempt.resting.end(), [](const auto& left_out) { return !left_out.refused; });
    if (!all_asked || silent) dialled.failure.result = Disposition::deferred;
    co_return dialled;
}

// RFC 5321 s5.1: hosts that are no better than ourselves are out, so none of our equals may be tried before that is known.
net::awaitable<void> Dialler::put_ourselves_first(const DeliveryPlan& plan, std::vector<RouteHost>& order, std::size_t begin) {
    const DeliveryOptions& options = plan.settings->delivery;
    std::size_t end = begin;
    while (end < order.size() && order[end].preference == order[begin].preference) ++end;
    if (end - begin < 2 || plan.settings->own.listeners.empty()) co_return;
    for (std::size_t i = begin; i < end; ++i) {
        if (order[i].literal) continue;
        const dns::AddressAnswer answer = co_await resolver_.addresses(order[i].name, family_of(options.family));
        const std::uint16_t port = order[i].port != 0 ? order[i].port : options.port;
        if (!usable_addresses(answer, options, &plan.settings->own, port).leads_back) continue;
        std::swap(order[begin], order[i]);
        co_return;
    }
}

net::awaitable<Dialler::HostView> Dialler::look_at(const DeliveryPlan& plan, DeliveryTerms terms, RouteHost host) {
    const DeliveryOptions& options = plan.settings->delivery;
    HostView view;
    view.port = host.port != 0 ? host.port : options.port;
    view.facts.name = host.name;
    view.facts.origin = host.origin;
    view.facts.literal = host.literal;
    view.facts.certain = host.certain;
    view.facts.mx_secure = plan.relay ? host.certain : plan.mx_secure;
    dns::AddressAnswer answer;
    if (host.literal) {
        answer.status = dns::Status::ok;
        const auto address = IpAddress::parse(host.name);
        if (address && address->is_v4()) answer.v4.push_back(*address);
        else if (address) answer.v6.push_back(*address);
    } else {
        answer = co_await resolver_.addresses(host.name, family_of(options.family));
    }
    if (answer.status == dns::Status::temporary) {
        view.obstacle = host_failure(Disposition::deferred, Class::dns, 451, {4, 4, 3}, host.name,
                                     "DNS gave no answer about the address of " + host.name + ": " + answer.detail);
        view.obstacle->shortage = answer.local_shortage;
        co_return view;
    }
    DeliveryOptions allowed;
    allowed.family = options.family;
    allowed.allow_private_addresses = options.allow_private_addresses || plan.relay != nullptr;  // a relay is where we say
    AddressChoice choice = usable_addresses(answer, allowed, &plan.settings->own, view.port);
    if (choice.leads_back) {
        view.loops = true;
        view.obstacle = leads_back(plan.domain, host);
        if (plan.relay) view.obstacle->result = Disposition::deferred;
        if (plan.relay) view.obstacle->failure_class = Class::local;
        co_return view;
    }
    const bool had_any = !choice.addresses.empty();
    leave_v6_out(choice, plan.source);
    if (choice.addresses.empty()) {
        // Addresses that we may not use today are no reason to return mail.
        const Disposition result = had_any || plan.relay ? Disposition::deferred : Disposition::failed;
        const Class why_class = had_any || plan.relay ? Class::local : Class::permanent;
        const std::string why = choice.refused.empty() ? "has no address that can be used here" : "cannot be used: " + choice.refused;
        const bool waits = result == Disposition::deferred;
        if (!waits && choice.refused.empty() && text::iequals(host.name, plan.domain)) {   // RFC 5321 s5.1: no MX but the name itself
            view.obstacle = host_failure(result, Class::rcpt_perm, 550, {5, 1, 2}, host.name,
                                         "The domain " + plan.domain + " has no address of a mail host in DNS, so it takes no mail");
            co_return view;
        }
        view.obstacle = host_failure(result, why_class, waits ? 451 : 550, {static_cast<std::uint8_t>(waits ? 4 : 5), 4, 4}, host.name,
                                     (plan.relay ? "The host " + host.name + " of the relay " + plan.relay->name
                                                 : "The mail host " + host.name + " of " + plan.domain) +
                                         " " + why);
        co_return view;
    }
    view.addresses = std::move(choice.addresses);
    view.facts.alias = answer.cname_target;
    view.facts.address_secure = answer.authenticated;
    view.facts.alias_secure = answer.alias_authenticated;

    const TlsRules rules = rules_of(plan);
    TlsaFindings found;
    for (const std::string& base : tlsa_base_domains(rules, view.facts, terms)) {
        const dns::TlsaAnswer records = co_await resolver_.tlsa(tlsa_name(base, view.port));
        if (delivery::heed(found, base, records)) break;
    }
    view.security = host_security(rules, view.facts, found, terms);
    co_return view;
}

net::awaitable<bool> Dialler::try_host(Attempt& attempt, RouteHost host) {
    HostView view = co_await look_at(attempt.plan, attempt.terms, host);
    if (view.loops) attempt.loops_at = host.preference;
    if (view.obstacle) {
        attempt.note(std::move(*view.obstacle));
        co_return false;
    }
    const HostSecurity& security = view.security;
    if (!view.facts.alias.empty() && !attempt.plan.relay) {   // SMTP-26: against the standard, and followed all the same
        if (const auto times = alias_said_.happened(std::chrono::steady_clock::now()))
            log::info("mx_alias").kv("domain", attempt.plan.domain).kv("mx", host.name).kv("alias_of", view.facts.alias)
                .kv("times", *times).kv("note", "an MX record should not name an alias (RFC 5321 s5.1); said once an hour");
    }
    if (!security.usable) {
        attempt.by_sts |= security.security == Security::sts;
        report(attempt, host.name, security, security.finding.value_or(TlsResultType::validation_failure), nullptr,
               std::string(), security.why);
        log::warning("tls").kv("to", host.name).kv("domain", attempt.plan.domain).kv("policy", to_string(security.security))
            .kv("error", security.why).kv("action", "not used");
        attempt.note(passed_over(security, host.name));
        co_return false;
    }
    if (attempt.terms.require_tls && !security.certain) {
        attempt.note(tls_not_assured(Lacking::certainty, attempt.plan.domain, host.name, {}));
        co_return false;
    }
    for (const IpAddress& address : view.addresses) {
        if (attempt.enough()) break;
        smtp::client::Target target(address, view.port, host.name);
        const auto standing = health_.standing(health_key(address, view.port), std::chrono::steady_clock::now());
        // What would be refused there again is worth a try only where there is nobody else.
        const KnownQuirks& quirks = attempt.plan.quirks;
        const bool refuses = (quirks.no_ipv6 && !address.is_v4()) || quirks.has(host.name, Quirk::no_relaying);
        if (refuses || standing == HostHealth::Standing::probed || standing == HostHealth::Standing::resting) {
            attempt.resting.push_back(Attempt::Resting{std::move(target), security, refuses});
            continue;
        }
        const bool open = co_await try_address(attempt, std::move(target), security);
        if (open) co_return true;
    }
    co_return false;
}

// The one whose rest ends first; where others are at it with all of them, beside one of those.
net::awaitable<bool> Dialler::try_resting(Attempt& attempt) {
    const SteadyTime now = std::chrono::steady_clock::now();
    const Attempt::Resting* best = nullptr;
    SteadyTime earliest = SteadyTime::max();
    for (const Attempt::Resting& candidate : attempt.resting) {
        const std::string key = health_key(candidate.target.address, candidate.target.port);
        const bool resting = health_.standing(key, now) == HostHealth::Standing::resting;
        const SteadyTime until = resting ? health_.rests_until(key) : SteadyTime::max();
        if (best != nullptr && until >= earliest) continue;
        best = &candidate;
        earliest = until;
    }
    if (best == nullptr) co_return false;
    const bool open = co_await try_address(attempt, best->target, best->security);
    co_return open;
}

net::awaitable<bool> Dialler::try_address(Attempt& attempt, smtp::client::Target target, const HostSecurity& demanded) {
    const std::string name = target.to_string();
    HostSecurity security = demanded;
    if (security.remembers && broken_tls_.holds(name, wall_now())) security.tls = TlsUse::never;
    const Probe probe(health_, health_key(target.address, target.port));
    ++attempt.tried;
    for (;;) {
        const SteadyTime began = std::chrono::steady_clock::now();
        smtp::client::ConnectionOptions options = connection_options(attempt.plan, target, security);
        options.stop_with = &attempt.stop_with;
        options.live = attempt.live;
        const std::shared_ptr<net::ClientTls> contexts = tls_of(attempt.settings);
        smtp::client::Opened opened = co_await smtp::client::Connection::open(target, std::move(options), *contexts, files_);
        const OpeningFacts facts = facts_of(opened);
        attempt.transcript += opened.transcript;
        const bool stopping = attempt.stop_with.stopping();
        if (const auto result = tls_result(security, facts); result && !stopping)
            report(attempt, target.host, security, *result, &opened, target.address.to_string(), facts.words);
        if (!stopping) note_health(probe.key(), target, opened, began);
        if (!opened.ok() && opened.tls_failed && security.clear_text_will_do && !stopping) {
            // Opportunistic TLS is never stricter than clear text: once more, on a connection of its own.
            log::warning("tls").kv("to", name).kv("error", opened.failure.reply.joined()).kv("action", "using clear text");
            if (security.remembers) remember_broken_tls(name, attempt.settings.delivery.broken_tls_memory);
            security.tls = TlsUse::never;
            security.clear_text_will_do = false;
            continue;
        }
        if (!opened.ok()) {
            judge_opening(attempt, target, security, opened);
            co_return false;
        }
        if (attempt.terms.require_tls && !opened.connection->may_carry_require_tls()) {
            attempt.note(tls_not_assured(Lacking::support, attempt.plan.domain, name, {}));
            co_await opened.connection->quit();
            co_return false;
        }
        log_connection(*opened.connection, attempt.plan, security);
        attempt.connection = std::move(opened.connection);
        co_return true;
    }
}

// A stop ends connections that might have come about; what is missing here says nothing of the peer.
void Dialler::note_health(const std::string& key, const smtp::client::Target& target, const smtp::client::Opened& opened,
                          SteadyTime began) {
    const smtp::protocol::SessionFailure& failure = opened.failure;
    const bool spoke = opened.ok() || !opened.greeting.empty() || failure.stage > Stage::greeting || failure.reply.code != 0;
    if (spoke) {
        if (health_.answered(key)) log::info("reachable").kv("to", target.to_string());
        return;
    }
    if (is_own_shortage(opened.connect_error) || lacks_v6(target.address, opened.connect_error)) return;
    const SteadyTime now = std::chrono::steady_clock::now();
    const double chance = std::uniform_real_distribution<double>(0, 1)(random_);
    if (!health_.failed(key, failure.reply.joined(), began, now, chance)) return;
    const auto rest = std::chrono::ceil<std::chrono::seconds>(health_.rests_until(key) - now);
    log::warning("unreachable").kv("to", target.to_string()).kv("error", failure.reply.joined())
        .kv("action", "left out for " + std::to_string(rest.count()) + " s where there are other addresses");
}

void Dialler::judge_opening(Attempt& attempt, const smtp::client::Target& target, const HostSecurity& security,
                            const smtp::client::Opened& opened) {
    const std::string name = target.to_string();
    const smtp::protocol::Reply& reply = opened.failure.reply;
    Outcome outcome = outcome_of(opened.failure, name, !target.address.is_v4(), attempt.plan);
    if (lacks_v6(target.address, opened.connect_error)) {
        // There may be IPv4 addresses yet, which cost no attempt more; and what they say counts for more than this.
        --attempt.tried;
        if (attempt.failed) return;
    } else if (opened.failure.stage == Stage::connect && is_own_shortage(opened.connect_error)) {
        outcome.shortage = true;
        outcome.failure_class = Class::local;
        if (const auto times = shortage_said_.happened(std::chrono::steady_clock::now()))
            log::error("shortage").kv("to", name).kv("error", reply.joined()).kv("times", *times)
                .kv("meaning", "this machine has no descriptor, memory, local port or source address left for the connection")
                .kv("action", "trying again in a moment; see LimitNOFILE, and delivery.source_v4 and source_v6");
    } else if (attempt.terms.require_tls && opened.untrusted) {
        outcome = tls_not_assured(Lacking::identity, attempt.plan.domain, name, reply.joined());
    } else if (attempt.terms.require_tls && opened.failure.stage == Stage::starttls && !reply.temporary() &&
               !attempt.stop_with.stopping()) {
        outcome = tls_not_assured(Lacking::tls, attempt.plan.domain, name, reply.code == 0 ? std::string() : reply.joined());
    } else if (attempt.terms.require_tls && opened.tls_failed) {
        // A host that cannot be reached now, or asks for patience, may meet the terms later.
        outcome.scope = Scope::message;
    } else if (opened.tls_failed && security.tls == TlsUse::required) {
        attempt.by_sts |= security.security == Security::sts;
        outcome = not_secured(security, facts_of(opened), name);
        log::warning("tls").kv("to", name).kv("domain", attempt.plan.domain).kv("policy", to_string(security.security))
            .kv("error", reply.joined()).kv("action", "not used");
    }
    attempt.note(std::move(outcome));
}

// RFC 8460 is about mail to domains: relays and literals have no policy domain. Mail to which no policy applies tells nothing
// about one, and that includes the reports themselves (RPT-4).
void Dialler::report(const Attempt& attempt, const std::string& host, const HostSecurity& security, TlsResultType result,
                     const smtp::client::Opened* opened, std::string address, std::string detail) {
    const DeliveryPlan& plan = attempt.plan;
    if (learnt_.tls_results == nullptr || plan.relay || attempt.terms.ignore_policy || mail::is_address_literal(plan.domain)) return;
    TlsResult noted;
    noted.policy_domain = plan.domain;
    noted.policy_type = security.report_as;
    noted.policy_strings = security.policy_strings;
    if (plan.sts && security.report_as == TlsPolicyType::sts) noted.mx_patterns = plan.sts->mx;
    noted.result = result;
    noted.receiving_mx = host;
    noted.receiving_address = std::move(address);
    if (opened != nullptr) {
        noted.sending_address = opened->local_address;
        noted.receiving_helo = opened->greeting;
    }
    if (result != TlsResultType::success) noted.detail = detail.empty() ? security.why : std::move(detail);
    learnt_.tls_results->note(std::move(noted));
}

}  // namespace posthorn::delivery
