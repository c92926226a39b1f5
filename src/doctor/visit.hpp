// One visit of the doctor: everything that takes time is asked at once, within one limit.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "doctor/examination.hpp"
#include "doctor/machine.hpp"
#include "doctor/probes.hpp"
#include "net/asio.hpp"

namespace posthorn::doctor {

struct Orders {
    Question dns;  // its domains without addresses get those of the EHLO name
    bool port25 = true;
    std::string relayed_by;  // see judge_ports()
    std::string odd;         // a label that nobody has registered, for probe_resolver()
    bool trust_ad =
        false;  // dns.trust_ad; the resolver given to visit() has it set, so that we see what it says
    std::vector<UrlFact> urls;  // stream and url are filled in
    bool act_on_urls = false;
    delivery::DeliveryOptions delivery;
    std::chrono::seconds limit{45};
    // Told from time to time: how many things are found out, of how many, and what is under way. May be
    // empty.
    std::function<void(std::size_t done, std::size_t all, const std::string& what)> progress;

    Orders() = default;
};

// On the resolver's shard. Ends within `limit`, with unknown for what was not found out by then.
[[nodiscard]] net::awaitable<std::vector<Finding>> visit(dns::Resolver& resolver, Orders orders);

}  // namespace posthorn::doctor
