// [warmup]: a plan for providers and addresses that exist, and that has somewhere to go.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/endpoint.hpp"
#include "config/checks.hpp"
#include "config/known_providers.hpp"
#include "toml/value.hpp"

namespace posthorn::config {
namespace {

std::set<std::string> local_addresses(const delivery::DeliveryOptions& options) {
    std::set<std::string> all = {"default"};
    const auto add = [&all](const std::string& written) {
        if (const auto address = IpAddress::parse(written)) all.insert(address->to_string());
    };
    // Where mail has both, the plan goes by the IPv4 address (delivery/flow.cpp).
    add(options.source_v4.empty() ? options.source_v6 : options.source_v4);
    for (const delivery::SourceOptions& source : options.sources) add(source.v4.empty() ? source.v6 : source.v4);
    return all;
}

}  // namespace

void check_warm_up(const Config& config, const Places& places, Findings& findings) {
    const delivery::WarmUpOptions& plan = config.delivery.warm_up;
    if (plan.start == 0) {
        for (const char* key : {"warmup.growth", "warmup.until", "warmup.providers", "warmup.sources"}) {
            if (!places.given(key)) continue;
            findings.warning(places.of(key), "there is no warm-up plan, since warmup.start is not set");
            break;
        }
        return;
    }
    if (plan.until <= plan.start)
        findings.mistake(places.of(places.given("warmup.until") ? "warmup.until" : "warmup.start"),
                         fmt::format("warmup.until is {} and warmup.start {}: the plan would be over before it begins; allowed: until above start",
                                     plan.until, plan.start));
    for (const std::string& name : plan.providers)
        if (!may_be_provider(config, name))
            findings.mistake(places.of("warmup.providers"), "warmup.providers has " + unknown_provider(config, name));
    const std::set<std::string> ours = local_addresses(config.delivery);
    for (const std::string& source : plan.sources)
        if (ours.count(source) == 0)
            findings.mistake(places.of("warmup.sources"),
                             fmt::format("warmup.sources has {}, from which nothing is sent; allowed: addresses of delivery.source_v4, "
                                         "delivery.source_v6 and [[domain]], and \"default\"",
                                         quote(source)));
}

}  // namespace posthorn::config
