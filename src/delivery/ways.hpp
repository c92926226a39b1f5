// What the outcomes of deliveries teach about the ways they went: relays that will not work for us, sites that are blocked.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "delivery/blocked_sites.hpp"
#include "delivery/relay_trouble.hpp"
#include "delivery/verdict.hpp"

namespace posthorn::delivery {

struct DeliveryPlan;

// The part of a plan that its outcome says something about.
struct Way {
    std::string relay;                   // by which it went; empty: directly
    std::string site_key;
    std::string sender_domain;           // of the mail
    std::string fallback;                // a relay's name; empty: none
    Duration fallback_after{};

    Way() = default;
    explicit Way(const DeliveryPlan& plan);
};

// Owned by the delivery agent, on the home shard; pure but for the log.
class Ways {
public:
    // What is to be done beside settling the outcomes.
    struct Lesson {
        bool relay_rests = false;        // no message fares better at this relay now: its site backs off
        bool plan_anew = false;          // the site has just become blocked: where mail goes has changed
    };
    // Corrects what became of the recipients of one attempt: where the fault is ours the mail waits; what a blocked site
    // refused for what we are, or did not take at all, is due again at once, and goes by the fallback then.
    Lesson learn(const Way& way, std::vector<Judged>& judged, TimePoint now);
    // There is no plan: where that is a relay's fault the operator is told.
    void learn_of_no_plan(Outcome outcome, TimePoint now);

    RelayTroubles troubles;
    BlockedSites blocked;

private:
    Lesson learn_of_relay(const Way& way, std::vector<Judged>& judged, TimePoint now);
    Lesson learn_of_site(const Way& way, std::vector<Judged>& judged, TimePoint now);
};

}  // namespace posthorn::delivery
