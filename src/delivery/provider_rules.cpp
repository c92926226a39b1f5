// The built-in rules and the operator's.
#include "delivery/provider_rules.hpp"

#include "delivery/reply_rule.hpp"

namespace posthorn::delivery {

ProviderRules::ProviderRules() = default;
ProviderRules::~ProviderRules() = default;

std::shared_ptr<const ProviderRules> ProviderRules::built_in() {
    static const std::shared_ptr<const ProviderRules> rules(new ProviderRules);
    return rules;
}

}  // namespace posthorn::delivery
