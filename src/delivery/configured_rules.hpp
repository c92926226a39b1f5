// Rules and providers as one configuration has them: its [[provider]] tables on top of the files.
#pragma once

#include <memory>
#include <vector>

#include "delivery/provider_rules.hpp"

namespace posthorn::delivery {

// The same rules, with providers() as ProviderRules::with_settings() gives them: so what a [[provider]] table says holds for the judging
// of replies (after_fix), too. Pure.
[[nodiscard]] std::shared_ptr<const ProviderRules> configured(const ProviderRules& rules,
                                                              const std::vector<ProviderOptions>& given);

}  // namespace posthorn::delivery
