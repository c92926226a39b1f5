// A plan and its hosts, asked for as a delivery would.
#include "delivery/explanation.hpp"

#include <utility>

#include "delivery/agent_state.hpp"
#include "delivery/relays.hpp"

namespace posthorn::delivery {

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
    Explained explained = co_await delivery::explain(dialler, std::move(domain), std::move(sender_domain), settings);
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
