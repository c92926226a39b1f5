// The names that [[route]] and others may give providers: those of etc/providers.toml, of [[provider]], and
// of the operator's file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace posthorn::config {

// Names and families of the built-in file; taken from it when the program is built.
[[nodiscard]] const std::vector<std::string>& built_in_providers();

// Built in, or possibly of delivery.provider_rules, which is not read here: what is in neither is told when
// that is.
[[nodiscard]] bool may_be_known(const Config& config, std::string_view name);
// The same, or a [[provider]] of the configuration.
[[nodiscard]] bool may_be_provider(const Config& config, std::string_view name);

// "; allowed: ..." or the guess at what was meant.
[[nodiscard]] std::string unknown_provider(const Config& config, std::string_view name);

}  // namespace posthorn::config
