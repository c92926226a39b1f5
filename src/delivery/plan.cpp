// What connections a plan may share, and what a message's own words change about that.
#include "delivery/plan.hpp"

#include "base/text.hpp"
#include "delivery/mta_sts.hpp"
#include "delivery/require_tls.hpp"
#include "mail/header.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::string_view kField = "TLS-Required";

// Most messages do not have the field: that much is seen without taking the header apart.
bool mentions_field(std::string_view header) {
    for (std::size_t at = 0; at < header.size();) {
        if (text::iequals(header.substr(at, kField.size()), kField)) return true;
        const std::size_t end = header.find('\n', at);
        if (end == std::string_view::npos) return false;
        at = end + 1;
    }
    return false;
}

// "No" is the one value there is (s3); a field that is there twice says nothing that could be relied on.
bool says_tls_is_not_required(const std::string& header) {
    if (!mentions_field(header)) return false;
    const mail::HeaderBlock block(header);
    return block.count(kField) == 1 && text::iequals(*block.value(kField), "No");
}

std::string text_of(const SourceAddresses& source) {
    std::string text;
    if (source.v4) text += " from " + source.v4->to_string();
    if (source.v6) text += " from " + source.v6->to_string();
    if (!source.allow_v6) text += " without IPv6";
    return text;
}

std::string_view text_of(TlsPolicy policy) {
    switch (policy) {
        case TlsPolicy::none: return "none";
        case TlsPolicy::opportunistic: return "opportunistic";
        case TlsPolicy::required: return "required";
    }
    return "required";
}

}  // namespace

DeliveryTerms terms_of(const mail::Message& message) {
    DeliveryTerms terms;
    terms.require_tls = requires_tls(message);
    terms.ignore_policy = !message.require_tls && says_tls_is_not_required(message.header);
    return terms;
}

// What is verified under DANE depends on the next hop's name (RFC 7672 s3.2.3), under MTA-STS on the domain's policy.
std::string direct_manner(const DeliveryPlan& plan, TlsPolicy least) {
    std::string manner = "direct tls=" + std::string(text_of(least)) + text_of(plan.source);
    if (plan.mx_secure) manner += " dnssec=" + plan.domain;
    if (plan.sts) manner += " sts=" + plan.sts->domain + "/" + plan.sts->id + "/" + std::string(to_string(plan.sts->mode));
    return manner + plan.quirks.text();
}

std::string relay_manner(const DeliveryPlan& plan, std::string_view relay) {
    return "relay " + std::string(relay) + text_of(plan.source) + plan.quirks.text();
}

std::string manner_for(const DeliveryPlan& plan, const DeliveryTerms& terms) {
    return terms.ignore_policy ? plan.manner + " policy-ignored" : plan.manner;
}

}  // namespace posthorn::delivery
