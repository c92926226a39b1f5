// A file of providers and rules as it is read: its tables, and every mistake with its place.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "delivery/options.hpp"
#include "delivery/provider_rules.hpp"
#include "delivery/reply_rule.hpp"
#include "toml/value.hpp"

namespace posthorn::delivery {

struct ReadRules {
    std::vector<ProviderOptions> providers;
    std::vector<toml::Position> provider_places;  // of each
    std::vector<ReplyRule> rules;                 // in file order; where = "file:line:column"
    std::vector<toml::Position> rule_places;      // of each
    std::vector<RuleMistake> mistakes;
};

// Pure. Syntax and values; whether names and examples fit together is for ProviderRules. `known`: the
// providers and families of the file below, which rules may name.
[[nodiscard]] ReadRules read_rules(std::string_view text, const std::string& file_name,
                                   const std::vector<std::string>& known);

[[nodiscard]] std::string place_of(const std::string& file_name, toml::Position at);

}  // namespace posthorn::delivery
