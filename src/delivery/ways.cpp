// The lessons of one attempt.
#include "delivery/ways.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "delivery/plan.hpp"
#include "delivery/relays.hpp"

namespace posthorn::delivery {
namespace {

bool was_taken(const Judged& item) {
    return item.outcome.result == Disposition::delivered;
}

}  // namespace

Way::Way(const DeliveryPlan& plan)
    : site_key(plan.site_key), sender_domain(plan.sender_domain), fallback_after(plan.fallback_after) {
    if (plan.relay)
        relay = plan.relay->name;
    else if (plan.fallback)
        fallback = plan.fallback->name;
}

Ways::Lesson Ways::learn(const Way& way, std::vector<Judged>& judged, TimePoint now) {
    if (!way.relay.empty()) return learn_of_relay(way, judged, now);
    return way.fallback.empty() ? Lesson() : learn_of_site(way, judged, now);
}

void Ways::learn_of_no_plan(Outcome outcome, TimePoint now) {
    if (outcome.relay.empty()) return;
    if (const std::optional<RelayFault> fault = heed_relay(outcome)) troubles.note(outcome.relay, *fault, outcome, now);
}

Ways::Lesson Ways::learn_of_relay(const Way& way, std::vector<Judged>& judged, TimePoint now) {
    Lesson lesson;
    if (std::any_of(judged.begin(), judged.end(), was_taken)) troubles.clear(way.relay);
    for (Judged& item : judged) {
        if (item.at_once) continue;
        const std::optional<RelayFault> fault = heed_relay(item.outcome);
        if (!fault) continue;
        item.wait.reset();
        troubles.note(way.relay, *fault, item.outcome, now);
        // What it says of a sender or a recipient's domain may be otherwise for the next; a login or a quota
        // is everybody's.
        lesson.relay_rests |= *fault != RelayFault::sender && *fault != RelayFault::relaying;
    }
    return lesson;
}

Ways::Lesson Ways::learn_of_site(const Way& way, std::vector<Judged>& judged, TimePoint now) {
    Lesson lesson;
    if (judged.empty()) return lesson;
    // One word for the attempt: that it took mail counts most, then that it refuses us.
    auto telling = std::find_if(judged.begin(), judged.end(), was_taken);
    if (telling == judged.end())
        telling = std::find_if(judged.begin(), judged.end(),
                               [](const Judged& item) { return !item.at_once && refuses_us(item.outcome); });
    if (telling == judged.end()) telling = judged.begin();
    lesson.plan_anew = blocked.note(way.site_key, way.sender_domain, telling->outcome, way.fallback_after, now);
    std::string why;
    if (!blocked.blocked(way.site_key, way.sender_domain, now, &why)) return lesson;
    if (lesson.plan_anew)
        log::warning("fallback")
            .kv("site", way.site_key)
            .kv("relay", way.fallback)
            .kv("why", why)
            .kv("action", "mail for it goes by the relay; the direct way is tried again in an hour");
    for (Judged& item : judged) {
        const bool waits = !item.at_once && (refuses_us(item.outcome) || found_nobody(item.outcome));
        if (!waits) continue;
        item.outcome.result = Disposition::deferred;
        item.at_once = true;  // due at once, and no attempt is counted
        item.diverted = refuses_us(item.outcome);
    }
    return lesson;
}

}  // namespace posthorn::delivery
