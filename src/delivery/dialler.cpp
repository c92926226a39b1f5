// The order in which hosts and addresses are tried, and how their failures add up to one outcome.
#include "delivery/dialler.hpp"

#include <utility>

#include "base/log.hpp"
#include "delivery/classify.hpp"
#include "delivery/require_tls.hpp"
#include "mail/domain.hpp"

namespace posthorn::delivery {

using smtp::protocol::Stage;
using smtp::protocol::TlsUse;

struct Dialler::Attempt {
    Attempt(const DeliveryPlan& planned, DeliveryTerms asked, net::TaskGroup& group)
        : plan(planned), settings(planned.settings), domain(planned.domain), stop_with(group), terms(asked) {}

    const DeliveryPlan& plan;
    std::shared_ptr<const Settings> settings;
    const std::string& domain;
    net::TaskGroup& stop_with;
    DeliveryTerms terms;
    std::uint32_t tried = 0;
    bool failed = false;                   // at least one failure is in `failure`
    Outcome failure;
    std::unique_ptr<smtp::client::Connection> connection;

    // A host that only asks for patience outweighs those that refuse.
    void note(Outcome outcome) {
        if (failed && failure.result == Disposition::deferred && outcome.result == Disposition::failed) return;
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

TlsUse tls_use(TlsPolicy policy) {
    switch (policy) {
        case TlsPolicy::none: return TlsUse::never;
        case TlsPolicy::opportunistic: return TlsUse::opportunistic;
        case TlsPolicy::required: return TlsUse::required;
    }
    return TlsUse::required;
}

smtp::client::ConnectionOptions connection_options(const DeliveryPlan& plan, const IpAddress& address, TlsUse tls) {
    smtp::client::ConnectionOptions options;
    options.hostname = plan.settings->hostname;
    options.tls = tls;
    options.source = address.is_v4() ? plan.source_v4 : plan.source_v6;
    options.timeouts = plan.settings->delivery.timeouts;
    return options;
}

Outcome outcome_of(const smtp::protocol::SessionFailure& failure, const std::string& host, const Settings& settings) {
    const Judgement judgement = classify(failure.stage, failure.reply, true, settings.retry.strict_5xx);
    Outcome outcome;
    outcome.result = judgement.result;
    outcome.failure_class = judgement.failure_class;
    outcome.scope = Scope::host;
    outcome.stage = failure.stage;
    outcome.reply = failure.reply;
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

}  // namespace

Dialler::Dialler(dns::Resolver& resolver, boost::asio::thread_pool& files)
    : resolver_(resolver), files_(files), tls_(std::make_shared<net::ClientTls>()), random_(std::random_device{}()) {}

std::shared_ptr<net::ClientTls> Dialler::tls_of(const Settings& settings) {
    if (settings.delivery.tls_ca_file != tls_ca_file_) {
        tls_ca_file_ = settings.delivery.tls_ca_file;
        tls_ = std::make_shared<net::ClientTls>(tls_ca_file_);
    }
    return tls_;
}

bool Dialler::tls_is_broken(const std::string& host, SteadyTime now) {
    const auto at = broken_tls_.find(host);
    if (at == broken_tls_.end()) return false;
    if (at->second > now) return true;
    broken_tls_.erase(at);
    return false;
}

void Dialler::remember_broken_tls(const std::string& host, SteadyTime until) {
    if (broken_tls_.size() >= kMaxBrokenTls) broken_tls_.clear();
    broken_tls_[host] = until;
}

net::awaitable<PlanDecision> Dialler::plan(std::string domain, std::string sender_domain,
                                           std::shared_ptr<const Settings> settings) {
    DeliveryPlan plan;
    RouteDecision decision;
    if (mail::is_address_literal(domain)) {
        decision = route_of_literal(domain);
    } else {
        const dns::MxAnswer answer = co_await resolver_.mx(domain);
        plan.mx_secure = answer.authenticated;
        decision = route_of(domain, answer, settings->hostname);
    }
    if (auto* outcome = std::get_if<Outcome>(&decision)) co_return std::move(*outcome);
    plan.route = std::move(std::get<Route>(decision));
    const std::string& v4 = settings->delivery.source_v4;
    const std::string& v6 = settings->delivery.source_v6;
    if (const auto parsed = IpAddress::parse(v4); !v4.empty() && parsed) plan.source_v4 = *parsed;
    if (const auto parsed = IpAddress::parse(v6); !v6.empty() && parsed) plan.source_v6 = *parsed;
    plan.site_key = plan.route.site_key;
    plan.manner = "direct";
    plan.domain = std::move(domain);
    plan.sender_domain = std::move(sender_domain);
    plan.settings = std::move(settings);
    co_return plan;
}

net::awaitable<Dialled> Dialler::dial(const DeliveryPlan& plan, DeliveryTerms terms, net::TaskGroup& stop_with) {
    Attempt attempt(plan, terms, stop_with);
    const std::vector<RouteHost> order = attempt_order(plan.route.hosts, random_);
    for (const RouteHost& host : order) {
        if (attempt.tried >= attempt.settings->delivery.hosts_per_attempt || stop_with.stopping()) {
            // Final is only what every host refused; the others have their turn another time.
            attempt.failure.result = Disposition::deferred;
            break;
        }
        if (co_await try_host(attempt, host)) {
            Dialled dialled;
            dialled.connection = std::move(attempt.connection);
            co_return dialled;
        }
    }
    co_return Dialled(std::move(attempt.failure));
}

net::awaitable<bool> Dialler::try_host(Attempt& attempt, RouteHost host) {
    const DeliveryOptions& options = attempt.settings->delivery;
    if (attempt.terms.require_tls && !host.certain) {
        attempt.note(tls_not_assured(Lacking::certainty, attempt.domain, host.name, {}));
        co_return false;
    }
    AddressChoice choice;
    if (host.literal) {
        dns::AddressAnswer known;
        const auto address = IpAddress::parse(host.name);
        if (address && address->is_v4()) known.v4.push_back(*address);
        else if (address) known.v6.push_back(*address);
        choice = usable_addresses(known, options);
    } else {
        const dns::AddressAnswer answer = co_await resolver_.addresses(host.name, family_of(options.family));
        if (answer.status == dns::Status::temporary) {
            attempt.note(host_failure(Disposition::deferred, Class::dns, 451, {4, 4, 3}, host.name,
                                      "DNS gave no answer about the address of " + host.name + ": " + answer.detail));
            co_return false;
        }
        choice = usable_addresses(answer, options);
    }
    if (choice.addresses.empty()) {
        const std::string why = choice.refused.empty() ? "has no address that can be used here" : "cannot be used: " + choice.refused;
        attempt.note(host_failure(Disposition::failed, Class::permanent, 550, {5, 4, 4}, host.name,
                                  "The mail host " + host.name + " of " + attempt.domain + " " + why));
        co_return false;
    }
    for (const IpAddress& address : choice.addresses) {
        if (attempt.tried >= options.hosts_per_attempt || attempt.stop_with.stopping()) break;
        ++attempt.tried;
        smtp::client::Target target(address, options.port, host.name);
        bool open = false;
        if (attempt.terms.require_tls) open = co_await try_assured(attempt, std::move(target));
        else open = co_await try_address(attempt, std::move(target), host.certain);
        if (open) co_return true;
    }
    co_return false;
}

net::awaitable<bool> Dialler::try_assured(Attempt& attempt, smtp::client::Target target) {
    const Settings& settings = *attempt.settings;
    const std::string name = target.to_string();
    smtp::client::ConnectionOptions options = connection_options(attempt.plan, target.address, TlsUse::required);
    options.verify = true;
    options.host_is_certain = true;
    options.stop_with = &attempt.stop_with;
    const std::shared_ptr<net::ClientTls> tls = tls_of(settings);
    smtp::client::Opened opened = co_await smtp::client::Connection::open(target, std::move(options), *tls, files_);
    if (opened.ok() && opened.connection->may_carry_require_tls()) {
        const net::TlsFacts& facts = opened.connection->tls_facts();
        log::info("connect").kv("to", name).kv("domain", attempt.domain).kv("tls", facts.version + " " + facts.cipher)
            .kv("verified", true).kv("note", "REQUIRETLS");
        attempt.connection = std::move(opened.connection);
        co_return true;
    }
    const smtp::protocol::Reply& reply = opened.failure.reply;
    if (opened.ok()) {
        attempt.note(tls_not_assured(Lacking::support, attempt.domain, name, {}));
        co_await opened.connection->quit();
    } else if (opened.untrusted) {
        attempt.note(tls_not_assured(Lacking::identity, attempt.domain, name, reply.joined()));
    } else if (opened.failure.stage == Stage::starttls && !reply.temporary() && !attempt.stop_with.stopping()) {
        attempt.note(tls_not_assured(Lacking::tls, attempt.domain, name, reply.code == 0 ? std::string() : reply.joined()));
    } else {
        // A host that cannot be reached now, or asks for patience, may meet the terms later.
        Outcome outcome = outcome_of(opened.failure, name, settings);
        if (opened.tls_failed) outcome.scope = Scope::message;
        attempt.note(std::move(outcome));
    }
    co_return false;
}

net::awaitable<bool> Dialler::try_address(Attempt& attempt, smtp::client::Target target, bool host_is_certain) {
    const Settings& settings = *attempt.settings;
    const std::string name = target.to_string();
    TlsUse tls = tls_use(settings.delivery.tls);
    if (tls == TlsUse::opportunistic && tls_is_broken(name, std::chrono::steady_clock::now())) tls = TlsUse::never;

    for (;;) {
        smtp::client::ConnectionOptions options = connection_options(attempt.plan, target.address, tls);
        options.stop_with = &attempt.stop_with;
        options.host_is_certain = host_is_certain;
        const std::shared_ptr<net::ClientTls> contexts = tls_of(settings);
        smtp::client::Opened opened = co_await smtp::client::Connection::open(target, std::move(options), *contexts, files_);
        if (opened.ok()) {
            const net::TlsFacts& facts = opened.connection->tls_facts();
            log::info("connect").kv("to", name).kv("domain", attempt.domain)
                .kv("tls", facts.version.empty() ? std::string("none") : facts.version + " " + facts.cipher);
            attempt.connection = std::move(opened.connection);
            co_return true;
        }
        if (opened.tls_failed && tls == TlsUse::opportunistic && !attempt.stop_with.stopping()) {
            // Opportunistic TLS is never stricter than clear text: once more, on a connection of its own.
            log::warning("tls").kv("to", name).kv("error", opened.failure.reply.joined()).kv("action", "using clear text");
            remember_broken_tls(name, std::chrono::steady_clock::now() + settings.delivery.broken_tls_memory);
            tls = TlsUse::never;
            continue;
        }
        attempt.note(outcome_of(opened.failure, name, settings));
        co_return false;
    }
}

}  // namespace posthorn::delivery
