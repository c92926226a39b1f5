// What is known of the large providers: whose hosts are theirs, what they take, and what their replies mean.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "delivery/classify.hpp"
#include "delivery/options.hpp"

namespace posthorn::delivery {

struct ReplyRule;

// Something wrong in a file of rules: "rules.toml:12:8", and what is wrong and what is allowed.
struct RuleMistake {
    std::string where;
    std::string what;
    [[nodiscard]] std::string to_string() const { return where + ": " + what; }
};

// A rule that holds for a reply.
struct RuleMatch {
    const ReplyRule* rule = nullptr;  // null: none does
    std::string domain;               // what its expression found in the reply's text, or empty
    std::string ip;
};

// Immutable, shared, safe from every thread. Built in: etc/providers.toml, which is part of the program;
// before its rules come those of the operator's own file (delivery.provider_rules), which may also change
// providers' limits.
class ProviderRules {
public:
    struct Loaded;

    // The built-in file. Never null; the tests hold the file to be right.
    [[nodiscard]] static std::shared_ptr<const ProviderRules> built_in();
    // A file on its own, as the built-in one is.
    [[nodiscard]] static Loaded alone(std::string_view text, const std::string& file_name);
    // The operator's file on top of the built-in one. `file_name` is used in mistakes. Pure.
    [[nodiscard]] static Loaded with(std::string_view text, const std::string& file_name);
    // Reads the file at `path`; empty: built_in().
    [[nodiscard]] static Loaded load(const std::string& path);

    ~ProviderRules();
    ProviderRules(const ProviderRules&) = delete;
    ProviderRules& operator=(const ProviderRules&) = delete;

    // The first rule that holds: the operator's in the order of his file, then ours: the provider's or its
    // family's, at last those for all. PR-34.
    [[nodiscard]] RuleMatch match(const ReplyFacts& facts) const;
    [[nodiscard]] const std::vector<ReplyRule>& rules() const { return rules_; }
    // In the order of their files, the operator's before ours; limits are his where he gives any.
    [[nodiscard]] const std::vector<ProviderOptions>& providers() const { return providers_; }
    [[nodiscard]] const ProviderOptions* provider(std::string_view name) const;
    // The providers with what the configuration's [[provider]] tables say on top, and first those that only
    // these know.
    [[nodiscard]] std::vector<ProviderOptions> with_settings(
        const std::vector<ProviderOptions>& configured) const;

private:
    ProviderRules();
    friend class RuleFile;

    std::vector<ReplyRule> rules_;
    std::vector<ProviderOptions> providers_;
};

struct ProviderRules::Loaded {
    std::shared_ptr<const ProviderRules> rules;  // null where there are mistakes
    std::vector<RuleMistake> mistakes;           // in the order of the file
};

}  // namespace posthorn::delivery
