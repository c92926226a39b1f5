// The built-in rules and the operator's, in the order in which they hold.
#include "delivery/provider_rules.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "base/text.hpp"
#include "delivery/built_in_rules.hpp"
#include "delivery/configured_rules.hpp"
#include "delivery/reply_rule.hpp"
#include "delivery/rule_file.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::size_t kLargestFile = 4 << 20;

ProviderOptions* find_provider(std::vector<ProviderOptions>& providers, std::string_view name) {
    const auto found = std::find_if(providers.begin(), providers.end(),
                                    [&](const ProviderOptions& p) { return p.name == name; });
    return found == providers.end() ? nullptr : &*found;
}

// What is given changes, the rest stays.
void overlay(ProviderOptions& on, const ProviderOptions& given) {
    if (!given.family.empty()) on.family = given.family;
    if (!given.mx.empty()) on.mx = given.mx;
    if (given.connections != 0) on.connections = given.connections;
    if (given.messages_per_connection != 0) on.messages_per_connection = given.messages_per_connection;
    if (given.rate) on.rate = given.rate;
    if (given.tls) on.tls = given.tls;
    if (given.daily_mark != 0) on.daily_mark = given.daily_mark;
    if (given.daily_warning != 0) on.daily_warning = given.daily_warning;
    if (given.after_fix) on.after_fix = given.after_fix;
}

// A table about a known name, or a family's, changes those; any other is a provider of its own, known before
// ours are.
std::vector<ProviderOptions> overlaid(std::vector<ProviderOptions> below,
                                      const std::vector<ProviderOptions>& given) {
    std::vector<ProviderOptions> out;
    for (const ProviderOptions& one : given) {
        if (ProviderOptions* known = find_provider(below, one.name)) {
            overlay(*known, one);
            continue;
        }
        bool of_family = false;
        if (one.mx.empty())
            for (ProviderOptions& member : below)
                if (member.family == one.name) {
                    overlay(member, one);
                    of_family = true;
                }
        if (!of_family) out.push_back(one);
    }
    for (ProviderOptions& one : below) out.push_back(std::move(one));
    return out;
}

std::vector<std::string> names_of(const std::vector<ProviderOptions>& providers) {
    std::set<std::string> names;
    for (const ProviderOptions& provider : providers) {
        names.insert(provider.name);
        if (!provider.family.empty()) names.insert(provider.family);
    }
    return {names.begin(), names.end()};
}

// For whom a rule's examples are looked at: each of its providers, each member of its families; anybody.
std::vector<std::string> asked_for(const ReplyRule& rule, const std::vector<ProviderOptions>& providers) {
    std::vector<std::string> names;
    for (const std::string& name : rule.providers)
        for (const ProviderOptions& provider : providers)
            if (provider.name == name || provider.family == name) names.push_back(provider.name);
    if (names.empty()) names.emplace_back();
    return names;
}

}  // namespace

ProviderRules::ProviderRules() = default;
ProviderRules::~ProviderRules() = default;

// Puts files on top of each other. Every rule has examples, and each of them must come to that rule: so none
// is unreachable.
class RuleFile {
public:
    static std::shared_ptr<const ProviderRules> configured(const ProviderRules& rules,
                                                           const std::vector<ProviderOptions>& given) {
        std::shared_ptr<ProviderRules> made(new ProviderRules);
        made->rules_ = rules.rules_;
        made->providers_ = rules.with_settings(given);
        return made;
    }
    static ProviderRules::Loaded on_top(std::string_view text, const std::string& file_name,
                                        const ProviderRules* below) {
        ProviderRules::Loaded loaded;
        ReadRules read = read_rules(
            text, file_name, below == nullptr ? std::vector<std::string>() : names_of(below->providers_));
        loaded.mistakes = std::move(read.mistakes);
        if (!loaded.mistakes.empty()) return loaded;
        std::shared_ptr<ProviderRules> rules(new ProviderRules);
        rules->providers_ =
            overlaid(below == nullptr ? std::vector<ProviderOptions>() : below->providers_, read.providers);
        rules->rules_ = std::move(read.rules);
        const std::size_t own = rules->rules_.size();
        if (below != nullptr)
            rules->rules_.insert(rules->rules_.end(), below->rules_.begin(), below->rules_.end());
        for (std::size_t i = 0; i < own; ++i)
            check_examples(*rules, i, file_name, read.rule_places[i], loaded.mistakes);
        if (loaded.mistakes.empty()) loaded.rules = std::move(rules);
        return loaded;
    }

private:
    static void check_examples(const ProviderRules& rules, std::size_t index, const std::string& file_name,
                               toml::Position at, std::vector<RuleMistake>& mistakes) {
        const ReplyRule& rule = rules.rules_[index];
        for (const std::string& example : rule.examples) {
            const smtp::protocol::Reply reply = *reply_from(example);
            for (const std::string& provider : asked_for(rule, rules.providers_)) {
                ReplyFacts facts = facts_for_example(rule, reply);
                facts.provider = provider;
                const ReplyRule* found = rules.match(facts).rule;
                if (found == &rule) continue;
                const std::string shown = text::safe_for_log(reply.joined(), 120);
                mistakes.push_back(
                    {place_of(file_name, at),
                     "the rule " + rule.name + " is not what its example \"" + shown + "\" comes to" +
                         (provider.empty() ? "" : " at " + provider) + ", but " +
                         (found == nullptr
                              ? std::string("no rule at all: its conditions do not fit the example")
                              : found->name + " (" + found->where +
                                    "): put the narrower rule first, or narrow that one")});
                return;
            }
        }
    }
};

std::shared_ptr<const ProviderRules> ProviderRules::built_in() {
    static const std::shared_ptr<const ProviderRules> rules = [] {
        Loaded loaded = alone(built_in_rules(), "providers.toml");
        // Held to be right by the tests, and the same in every run.
        if (!loaded.rules)
            throw std::logic_error("the built-in rules: " + loaded.mistakes.front().to_string());
        return loaded.rules;
    }();
    return rules;
}

ProviderRules::Loaded ProviderRules::alone(std::string_view text, const std::string& file_name) {
    return RuleFile::on_top(text, file_name, nullptr);
}

ProviderRules::Loaded ProviderRules::with(std::string_view text, const std::string& file_name) {
    return RuleFile::on_top(text, file_name, built_in().get());
}

ProviderRules::Loaded ProviderRules::load(const std::string& path) {
    Loaded loaded;
    if (path.empty()) {
        loaded.rules = built_in();
        return loaded;
    }
    std::ifstream file(path, std::ios::binary);
    // No more of it than shows that it is too large: the path may be that of a log, or of a device.
    std::string text(kLargestFile + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    const bool readable = !file.bad() && (file.good() || file.eof());
    if (!readable || text.size() > kLargestFile) {
        loaded.mistakes.push_back(
            {path, readable
                       ? std::string("is larger than any file of rules")
                       : std::string("cannot be read; is the path right, and may Posthorn's user read it?")});
        return loaded;
    }
    return with(text, path);
}

RuleMatch ProviderRules::match(const ReplyFacts& facts) const {
    RuleMatch match;
    if (facts.reply.code < 400 || facts.local) return match;
    const ProviderOptions* theirs = provider(facts.provider);
    const std::string_view family = theirs == nullptr ? std::string_view() : std::string_view(theirs->family);
    const std::string words = telling_words(facts.reply);
    for (const ReplyRule& rule : rules_) {
        if (!rule.applies(facts, family)) continue;
        match.domain.clear();
        match.ip.clear();
        if (rule.text) {
            std::vector<re2::StringPiece> groups(
                static_cast<std::size_t>(rule.text->NumberOfCapturingGroups()) + 1);
            if (!rule.text->Match(words, 0, words.size(), RE2::UNANCHORED, groups.data(),
                                  static_cast<int>(groups.size())))
                continue;
            for (const auto& [name, index] : rule.text->NamedCapturingGroups()) {
                const re2::StringPiece& found = groups[static_cast<std::size_t>(index)];
                (name == "domain" ? match.domain : match.ip) =
                    std::string(found.data() == nullptr ? "" : found.data(), found.size());
            }
        }
        if (rule.foreign_domain && (match.domain.empty() || !facts.ours || facts.ours(match.domain)))
            continue;
        match.rule = &rule;
        return match;
    }
    match.domain.clear();
    match.ip.clear();
    return match;
}

const ProviderOptions* ProviderRules::provider(std::string_view name) const {
    const auto found = std::find_if(providers_.begin(), providers_.end(),
                                    [&](const ProviderOptions& provider) { return provider.name == name; });
    return name.empty() || found == providers_.end() ? nullptr : &*found;
}

std::vector<ProviderOptions> ProviderRules::with_settings(
    const std::vector<ProviderOptions>& configured) const {
    return overlaid(providers_, configured);
}

std::shared_ptr<const ProviderRules> configured(const ProviderRules& rules, const std::vector<ProviderOptions>& given) {
    return RuleFile::configured(rules, given);
}

}  // namespace posthorn::delivery
