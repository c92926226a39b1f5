// The list that the build makes of etc/providers.toml.
#include "config/known_providers.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "toml/spelling.hpp"
#include "toml/value.hpp"

namespace posthorn::config {

const std::vector<std::string>& built_in_providers() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> all;
        for (const std::string_view name : text::split(POSTHORN_KNOWN_PROVIDERS, ',')) all.emplace_back(name);
        std::sort(all.begin(), all.end());
        all.erase(std::unique(all.begin(), all.end()), all.end());
        return all;
    }();
    return names;
}

bool may_be_known(const Config& config, std::string_view name) {
    const auto& known = built_in_providers();
    return !config.delivery.provider_rules.empty() ||
           std::find(known.begin(), known.end(), name) != known.end();
}

bool may_be_provider(const Config& config, std::string_view name) {
    const auto& own = config.delivery.providers;
    return may_be_known(config, name) ||
           std::any_of(own.begin(), own.end(),
                       [&](const delivery::ProviderOptions& provider) { return provider.name == name; });
}

std::string unknown_provider(const Config& config, std::string_view name) {
    std::vector<std::string> all = built_in_providers();
    for (const delivery::ProviderOptions& provider : config.delivery.providers) all.push_back(provider.name);
    if (const std::string meant = toml::nearest(name, all); !meant.empty())
        return toml::quote(name) + ", which is unknown; did you mean " + meant + "?";
    std::string list;
    for (const std::string& known : all) list += (list.empty() ? "" : ", ") + known;
    return toml::quote(name) + ", which is unknown; allowed: " + list;
}

}  // namespace posthorn::config
