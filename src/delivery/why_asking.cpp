// What the agent knows of the way of some mail, gathered for `posthorn why`.
#include <algorithm>
#include <utility>

#include "delivery/agent_state.hpp"
#include "delivery/explanation.hpp"
#include "delivery/lane.hpp"
#include "delivery/relays.hpp"
#include "delivery/why.hpp"

namespace posthorn::delivery {
namespace {

bool has(const std::vector<std::string>& keys, std::string_view key) { return std::find(keys.begin(), keys.end(), key) != keys.end(); }

void add_keys(std::vector<std::string>& keys, std::vector<std::string> more) {
    for (std::string& key : more)
        if (!has(keys, key)) keys.push_back(std::move(key));
}

}  // namespace

// DNS, as a delivery would ask it; then what holds mail of that way back. Within kExplainLimit.
net::awaitable<void> DeliveryAgent::State::stand(WayQuestion question, UniqueFunction<void(WayNow)> done) {
    const Lane lane = lane_from(question.lane);
    auto explained = std::make_shared<Explained>();
    auto keep = [explained](Explained found) { *explained = std::move(found); };
    UniqueFunction<void(Explained)> told = std::move(keep);
    co_await explain(question.domain, lane.sender_domain, std::move(told));

    const TimePoint now = wall_now();
    WayNow way;
    way.domain = question.domain;
    way.lane = question.lane;
    way.schedule = scheduler.standing_of(question.domain, question.lane, now);
    way.gates = scheduler.gates_of(question.domain, question.lane, now);
    way.too_many_unrecorded = unrecorded >= settings->delivery.connections;
    std::vector<std::string> keys;
    if (way.schedule) keys = way.schedule->gates;
    if (const auto* plan = std::get_if<DeliveryPlan>(&explained->decision)) {
        way.group = plan->group;
        way.provider = plan->provider;
        if (plan->relay) way.relay = plan->relay->name;
        way.quirks = plan->quirks.sentences(plan->group, question.domain);
        add_keys(keys, gate_keys(flow_of(*plan, lane, *settings)));
    } else {
        way.no_way = std::get<Outcome>(explained->decision);
    }
    way.hosts = std::move(explained->hosts);
    way.troubles = std::move(explained->troubles);
    for (const std::string& key : keys)
        if (const SuspendedPair* pair = breaker.find(key)) way.pairs.push_back(*pair);
    for (ThrottleView& view : throttles.view(now))
        if (has(keys, view.key)) way.throttles.push_back(std::move(view));
    for (WarmUpView& view : warm_up.view())
        if (!view.done && has(keys, view.key)) way.warm_ups.push_back(std::move(view));
    done(std::move(way));
}

void DeliveryAgent::stand(WayQuestion question, UniqueFunction<void(WayNow)> done) {
    state_->chores.spawn(state_->stand(std::move(question), std::move(done)));
}

std::map<std::string, std::string> DeliveryAgent::groups_of_domains() const {
    std::map<std::string, std::string> groups;
    for (const auto& [domain, key] : state_->scheduler.first_gates()) groups.emplace(domain, gate_name(key).group);
    return groups;
}

void DeliveryAgent::add_limits(WhyFacts& facts) const {
    const State& state = *state_;
    const TimePoint now = wall_now();
    facts.rules = state.settings->rules;
    facts.own_domain = facts.kind == WhyFacts::Kind::domain && is_own_domain(*state.settings, facts.asked);
    const auto concerns = [&facts](std::string_view subject, std::string_view group) {
        return facts.kind == WhyFacts::Kind::provider ? is_asked_about(facts, group) : subject == facts.asked;
    };
    for (const SuspendedPair& pair : state.breaker.view())
        if (concerns(pair.sender, pair.group) || (facts.own_domain && pair.sender.empty()))
            facts.pairs.push_back(pair);
    for (ThrottleView& view : state.throttles.view(now))
        if (concerns(gate_name(view.key).subject, view.group)) facts.throttles.push_back(std::move(view));
    for (WarmUpView& view : state.warm_up.view())
        if (!view.done && concerns(gate_name(view.key).subject, view.group)) facts.warm_ups.push_back(std::move(view));
    for (BulkMarkView& view : state.bulk_marks.view(100, now))
        if (concerns(view.domain, view.provider)) facts.marks.push_back(std::move(view));
    facts.suppressed_mail = state.settings->delivery.suppression.mail;
    facts.auth_lifetime = state.settings->retry.auth_lifetime;
    if (facts.kind == WhyFacts::Kind::recipient)
        if (const queue::Suppression* entry = state.suppressed.find(suppression_key(facts.asked))) facts.suppressed = *entry;
}

}  // namespace posthorn::delivery
