// A plan and its hosts, asked for as a delivery would.
#include "delivery/explanation.hpp"

#include <utility>

#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "delivery/relays.hpp"

namespace posthorn::delivery {
namespace {

// Between the one who asks DNS and the one who answers in time.
struct Explaining {
    explicit Explaining(boost::asio::any_io_executor home) : over(std::move(home)) {}
    net::Signal over;
    bool known = false;
    Explained explained;
};

net::awaitable<void> find_out(std::shared_ptr<Explaining> asking, Dialler& dialler, std::string domain, std::string sender_domain,
                              std::shared_ptr<const Settings> settings) {
    Explained explained;
    std::string broken;
    try {
        explained = co_await explain(dialler, std::move(domain), std::move(sender_domain), std::move(settings));
    } catch (const std::exception& failure) {
        broken = failure.what();   // out of memory: who asked is answered all the same
    }
    if (!broken.empty()) {
        log::error("explain").kv("error", broken);
        explained.decision = own_outcome(Disposition::deferred, Class::local, Scope::site, 451, {4, 3, 0}, "Nothing was found out: " + broken);
    }
    asking->explained = std::move(explained);
    asking->known = true;
    asking->over.notify();
}

}  // namespace

Outcome not_found_out_in_time() {
    return own_outcome(Disposition::deferred, Class::dns, Scope::site, 451, {4, 4, 3},
                       "DNS gave no answer within " + std::to_string(kExplainLimit / std::chrono::seconds(1)) +
                           " s; mail for it would wait. Look at dns.servers, and ask them by hand");
}

net::awaitable<Explained> explain(Dialler& dialler, std::string domain, std::string sender_domain,
                                  std::shared_ptr<const Settings> settings) {
    Explained explained;
    explained.decision = co_await dialler.plan(std::move(domain), std::move(sender_domain), std::move(settings));
    if (const auto* plan = std::get_if<DeliveryPlan>(&explained.decision)) {
        const DeliveryTerms terms;
        explained.hosts = co_await dialler.explain(*plan, terms);
        if (!plan->mx_secure) explained.doubt = co_await dialler.doubt_about_dnssec();
    }
    co_return explained;
}

net::awaitable<void> DeliveryAgent::State::explain(std::string domain, std::string sender_domain,
                                                   UniqueFunction<void(Explained)> done) {
    const auto asking = std::make_shared<Explaining>(home);
    chores.spawn(find_out(asking, dialler, std::move(domain), std::move(sender_domain), settings));
    {
        net::TaskGroup::StopCallback on_stop(chores, [&asking] { asking->over.notify(); }, {});
        const SteadyTime limit = std::chrono::steady_clock::now() + kExplainLimit;
        while (!asking->known && !chores.stopping() && std::chrono::steady_clock::now() < limit)
            co_await asking->over.wait_until(limit);
    }
    if (!asking->known) asking->explained.decision = not_found_out_in_time();
    Explained explained = std::move(asking->explained);
    if (const auto* plan = std::get_if<DeliveryPlan>(&explained.decision); plan != nullptr && plan->relay) {
        for (RelayTroubles::Trouble& trouble : ways.troubles.list())
            if (trouble.relay == plan->relay->name) explained.troubles.push_back(std::move(trouble));
    }
    done(std::move(explained));
}

void DeliveryAgent::explain(std::string domain, std::string sender_domain, UniqueFunction<void(Explained)> done) {
    state_->chores.spawn(state_->explain(std::move(domain), std::move(sender_domain), std::move(done)));
}

std::vector<RelayTroubles::Trouble> DeliveryAgent::relay_troubles() const { return state_->ways.troubles.list(); }

}  // namespace posthorn::delivery
