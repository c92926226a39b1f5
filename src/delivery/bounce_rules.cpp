// The rule for senders who cannot receive.
#include "delivery/bounce_rules.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace posthorn::delivery {
namespace {

bool covers(std::string_view domain, std::string_view name) {
    if (name.size() < domain.size() || !text::iequals(name.substr(name.size() - domain.size()), domain)) return false;
    return name.size() == domain.size() || name[name.size() - domain.size() - 1] == '.';
}

}  // namespace

std::string bounce_address(std::string_view sender, const BounceRules& rules) {
    const std::string domain = mail::destination_of(sender);
    const DomainBounces* nearest = nullptr;
    for (const DomainBounces& candidate : rules.domains)
        if (!candidate.bounce_to.empty() && covers(candidate.name, domain) &&
            (nearest == nullptr || candidate.name.size() > nearest->name.size()))
            nearest = &candidate;
    if (nearest != nullptr) {
        const bool receives = std::any_of(nearest->mailboxes.begin(), nearest->mailboxes.end(),
                                          [&](const std::string& mailbox) { return text::iequals(mailbox, sender); });
        return receives ? std::string(sender) : nearest->bounce_to;
    }
    const bool nowhere = domain.empty() || text::iequals(domain, rules.hostname) || text::iequals(domain, "localhost") ||
                         covers("localdomain", domain);
    return nowhere && !rules.bounce_to.empty() ? rules.bounce_to : std::string(sender);
}

}  // namespace posthorn::delivery
