// The choice of local addresses.
#include "delivery/source_address.hpp"

#include "mail/domain.hpp"

namespace posthorn::delivery {
namespace {

// The sources of the nearest domain: example.com's hold for shop.example.com too, unless that has its own.
const SourceOptions* sources_of(const DeliveryOptions& options, std::string_view sender_domain) {
    const SourceOptions* best = nullptr;
    for (const SourceOptions& source : options.sources)
        if (mail::is_subdomain_of(sender_domain, source.domain) &&
            (best == nullptr || source.domain.size() > best->domain.size()))
            best = &source;
    return best;
}

std::optional<IpAddress> address_of(const std::string& text) {
    const auto address = IpAddress::parse(text);
    return text.empty() || !address ? std::nullopt : std::optional(*address);
}

}  // namespace

SourceAddresses source_for(const DeliveryOptions& options, std::string_view sender_domain,
                           const Confirmations& confirmations) {
    SourceAddresses source;
    const SourceOptions* own = sources_of(options, sender_domain);
    source.v4 = address_of(own != nullptr && !own->v4.empty() ? own->v4 : options.source_v4);
    const std::string& v6 = own != nullptr && !own->v6.empty() ? own->v6 : options.source_v6;
    source.v6 = address_of(v6);
    switch (options.family) {
        case IpFamily::any:
        case IpFamily::v6:
            source.why = "IPv6 is used without a look at its PTR record (delivery.family)";
            break;
        case IpFamily::v4:
            source.allow_v6 = false;
            source.why = "IPv6 is turned off (delivery.family)";
            break;
        case IpFamily::automatic: {
            const auto found = confirmations.find(v6);
            source.allow_v6 = found != confirmations.end() && found->second.confirmed;
            source.why = found != confirmations.end()
                             ? found->second.why
                             : "the PTR record of our IPv6 address was not looked at yet";
            break;
        }
    }
    return source;
}

std::set<std::string> v6_sources(const DeliveryOptions& options) {
    std::set<std::string> all = {options.source_v6};
    for (const SourceOptions& source : options.sources)
        if (!source.v6.empty()) all.insert(source.v6);
    return all;
}

}  // namespace posthorn::delivery
