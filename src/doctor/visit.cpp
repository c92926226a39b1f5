// The probes side by side; the first to end waits for the last.
#include "doctor/visit.hpp"

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

#include "base/log.hpp"
#include "delivery/examination.hpp"
#include "delivery/inquiry.hpp"
#include "dns/resolver.hpp"
#include "doctor/made.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"

namespace posthorn::doctor {
namespace {

namespace asio = net::asio;
using auth::DnsAnswers;
using auth::DnsQuestion;
using net::awaitable;

// What the probes share with the one who waits; probes may outlast him.
struct Visit {
    Visit(asio::any_io_executor executor, dns::Resolver& at, Orders given)
        : resolver(at), orders(std::move(given)), ended(executor), group(executor, "doctor") {}

    dns::Resolver& resolver;
    Orders orders;
    net::Signal ended;
    net::TaskGroup group;
    SteadyTime end{};
    std::size_t under_way = 0, probes = 0;
    std::size_t answered = 0, asked = 0;
    std::vector<PortFact> ports;
    std::vector<UrlFact> urls;
    bool resolver_judged = false;
    std::vector<Finding> findings;

    void tell(const std::string& what) {
        if (orders.progress) orders.progress(answered + probes - under_way, asked + probes, what);
    }
};
using VisitPtr = std::shared_ptr<Visit>;

delivery::DnsRules rules_of(const VisitPtr& visit) {
    delivery::DnsRules rules;
    rules.ours = [visit](const std::string& name) { return is_ours(visit->orders.dns, name); };
    rules.progress = [visit](std::size_t answered, std::size_t asked) {
        visit->answered = answered;
        visit->asked = asked;
        visit->tell("DNS");
    };
    rules.max_questions = 4000;
    return rules;
}

delivery::DnsRules about_addresses(const VisitPtr& visit) {
    delivery::DnsRules rules = rules_of(visit);
    rules.wanted = [visit](const DnsAnswers& known) {
        std::vector<DnsQuestion> missing;
        for (const delivery::DiagnosisQuestion& domain : visit->orders.dns.domains)
            for (DnsQuestion& one : delivery::ask_own_addresses(domain))
                if (known.find(one) == nullptr) missing.push_back(std::move(one));
        return missing;
    };
    return rules;
}

delivery::DnsRules about_all(const VisitPtr& visit) {
    delivery::DnsRules rules = rules_of(visit);
    rules.wanted = [visit](const DnsAnswers& known) { return examine(visit->orders.dns, known).wanted; };
    return rules;
}

awaitable<void> ask_dns(VisitPtr visit) {
    delivery::DnsRules first = about_addresses(visit);
    delivery::DnsViews nothing_yet;
    delivery::DnsViews addresses = co_await delivery::inquire(
        visit->resolver, std::move(first), std::move(nothing_yet), visit->end, &visit->group);
    for (delivery::DiagnosisQuestion& domain : visit->orders.dns.domains)
        domain.ips = delivery::own_addresses(domain, addresses.at_resolver);
    delivery::DnsRules rules = about_all(visit);
    const delivery::DnsViews views = co_await delivery::inquire(
        visit->resolver, std::move(rules), std::move(addresses), visit->end, &visit->group);
    std::vector<std::vector<Finding>> at_authorities;
    for (const DnsAnswers& view : views.at_authorities)
        at_authorities.push_back(examine(visit->orders.dns, view).findings);
    for (Finding& one : combine(examine(visit->orders.dns, views.at_resolver).findings, at_authorities))
        visit->findings.push_back(std::move(one));
}

awaitable<void> try_port(VisitPtr visit, PortTarget target, bool v4) {
    PortFact fact = co_await probe_port(visit->resolver, visit->orders.delivery, std::move(target), v4,
                                        visit->end, visit->group);
    // Whoever has no IPv6 addresses is not to be reached there.
    if (v4 || fact.outcome != PortFact::Outcome::no_host) visit->ports.push_back(std::move(fact));
}

awaitable<void> try_resolver(VisitPtr visit) {
    ResolverFact fact = co_await probe_resolver(visit->resolver, visit->orders.odd);
    fact.trusted = visit->orders.trust_ad;
    visit->resolver_judged = true;
    for (Finding& one : judge_resolver(fact)) visit->findings.push_back(std::move(one));
}

awaitable<void> try_url(VisitPtr visit, UrlFact about) {
    UrlFact fact = co_await probe_url(visit->resolver, visit->orders.delivery, std::move(about),
                                      visit->orders.act_on_urls, visit->end, visit->group);
    visit->urls.push_back(std::move(fact));
}

// Runs one probe; whatever leaves it, the others go on.
awaitable<void> run(VisitPtr visit, awaitable<void> probe, std::string what) {
    std::string broken;
    try {
        co_await std::move(probe);
    } catch (const std::exception& failure) {
        broken = failure.what();
    }
    if (!broken.empty()) log::error("doctor").kv("probe", what).kv("error", broken);
    --visit->under_way;
    visit->tell(what);
    visit->ended.notify();
}

void start(const asio::any_io_executor& executor, const VisitPtr& visit, awaitable<void> probe,
           std::string what) {
    ++visit->under_way;
    ++visit->probes;
    asio::co_spawn(executor, run(visit, std::move(probe), std::move(what)), asio::detached);
}

}  // namespace

awaitable<std::vector<Finding>> visit(dns::Resolver& resolver, Orders orders) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto visit = std::make_shared<Visit>(executor, resolver, std::move(orders));
    // The probes end a little before the whole, so that what they found by then counts.
    constexpr std::chrono::seconds kToSpare{1};
    const SteadyTime limit = std::chrono::steady_clock::now() + visit->orders.limit;
    visit->end = limit - kToSpare;
    start(executor, visit, ask_dns(visit), "DNS");
    start(executor, visit, try_resolver(visit), "resolver");
    if (visit->orders.port25 && visit->orders.relayed_by.empty()) {
        for (const PortTarget& target : port_targets()) {
            if (visit->orders.delivery.family != delivery::IpFamily::v6)
                start(executor, visit, try_port(visit, target, true), target.domain);
            if (visit->orders.delivery.family != delivery::IpFamily::v4)
                start(executor, visit, try_port(visit, target, false), target.domain + " (IPv6)");
        }
    }
    for (const UrlFact& url : visit->orders.urls) start(executor, visit, try_url(visit, url), url.url);
    while (visit->under_way > 0) {
        if (!co_await visit->ended.wait_until(limit)) break;
    }
    visit->group.request_stop();
    std::vector<Finding> findings = std::move(visit->findings);
    // In the order of the list, whoever answered first.
    const auto place = [](const PortFact& fact) {
        const std::vector<PortTarget>& all = port_targets();
        return std::find_if(all.begin(), all.end(), [&](const PortTarget& one) { return one.provider == fact.provider; }) - all.begin();
    };
    std::sort(visit->ports.begin(), visit->ports.end(), [&](const PortFact& a, const PortFact& b) { return place(a) < place(b); });
    if (visit->orders.port25)
        for (Finding& one : judge_ports(visit->ports, visit->orders.delivery.port, visit->orders.relayed_by))
            findings.push_back(std::move(one));
    for (Finding& one : judge_urls(visit->urls)) findings.push_back(std::move(one));
    // What did not end in time is told of, too.
    if (!visit->resolver_judged) {
        ResolverFact silent;
        silent.detail = "none came in time";
        for (Finding& one : judge_resolver(silent)) findings.push_back(std::move(one));
    }
    for (const UrlFact& url : visit->orders.urls) {
        const bool told = std::any_of(visit->urls.begin(), visit->urls.end(), [&](const UrlFact& one) { return one.stream == url.stream; });
        if (!told)
            findings.push_back(made("urls", url.stream, Verdict::unknown, "One-click address of the stream " + url.stream, "no answer in time"));
    }
    // A name in the order's progress may be gone by the time a straggler ends.
    visit->orders.progress = nullptr;
    co_return findings;
}

}  // namespace posthorn::doctor
