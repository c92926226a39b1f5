// What a message's own words change about a plan.
#include "delivery/plan.hpp"

#include "base/text.hpp"
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

}  // namespace

DeliveryTerms terms_of(const mail::Message& message) {
    DeliveryTerms terms;
    terms.require_tls = requires_tls(message);
    terms.ignore_policy = !message.require_tls && says_tls_is_not_required(message.header);
    return terms;
}

std::string manner_for(const DeliveryPlan& plan, const DeliveryTerms& terms) {
    return terms.ignore_policy ? plan.manner + " policy-ignored" : plan.manner;
}

}  // namespace posthorn::delivery
