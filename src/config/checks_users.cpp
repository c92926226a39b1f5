// What users may do: the checks that keep [[user]] tables from allowing nothing, or more than was meant.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/checks.hpp"
#include "toml/value.hpp"

namespace posthorn::config {
namespace {

constexpr std::string_view kAllowedSenders =
    "; allowed: \"alice@example.com\", \"@example.com\" for all of it, \"@*.example.com\" for all below it, "
    "or "
    "\"*\" for any address; domains in their ASCII form";

// The domain of a rule that can be read; empty for "*".
std::optional<std::string> domain_of(std::string_view rule) {
    if (rule == "*") {
        return std::string();
    }
    const auto at = rule.rfind('@');
    if (at == std::string_view::npos || text::has_control(rule) || rule.find(' ') != std::string_view::npos) {
        return std::nullopt;
    }
    std::string_view domain = rule.substr(at + 1);
    if (at == 0 && domain.starts_with("*.")) {
        domain.remove_prefix(2);
    }
    return is_domain_name(domain) ? std::optional(text::to_lower(domain)) : std::nullopt;
}

bool is_signed(const Config& config, std::string_view domain) {
    return std::any_of(config.auth.domains.begin(), config.auth.domains.end(), [&](const auto& known) {
        return domain == known.name || domain.ends_with("." + known.name);
    });
}

void check_senders(const std::vector<std::string>& senders, const std::string& key, const Config& config,
                   const Places& places, const Place& place, Findings& findings) {
    for (const std::string& rule : senders) {
        const auto domain = domain_of(rule);
        if (!domain) {
            std::string words = key + " has " + quote(rule);
            if (is_domain_name(rule)) {
                words += "; did you mean " + quote("@" + rule) + "?";
            } else {
                words += kAllowedSenders;
            }
            findings.mistake(place, std::move(words));
        } else if (!domain->empty() && places.given("domain") && !is_signed(config, *domain) &&
                   config.auth.dkim.unknown_domain == auth::UnsignedPolicy::hold) {
            findings.warning(place,
                             fmt::format("{} has {}, but no [[domain]] covers {}, so such mail will be held; "
                                         "add the domain and its key",
                                         key, quote(rule), *domain));
        }
    }
}

}  // namespace

void check_users(const Config& config, const Places& places, Findings& findings) {
    check_senders(config.auth.account.senders, "auth.senders", config, places, places.of("auth.senders"),
                  findings);
    const auto& users = config.auth.accounts;
    for (std::size_t i = 0; i < users.size(); ++i) {
        const std::string path = fmt::format("user[{}]", i);
        const auth::AccountOptions& user = users[i];
        if (user.name == "*") {
            findings.mistake(places.of(path + ".name"),
                             "user.name is \"*\"; what holds for all users stands in [auth]: senders, "
                             "messages_per_hour, recipients_per_hour, burst");
        } else if (places.given(path + ".name") && (user.name.empty() || text::has_control(user.name))) {
            findings.mistake(places.of(path + ".name"), "user.name is " + quote(user.name) +
                                                            "; allowed: the name that the user logs in with");
        }
        for (std::size_t k = 0; k < i; ++k) {
            if (!user.name.empty() && users[k].name == user.name) {
                findings.mistake(places.of(path + ".name"), "the user " + quote(user.name) +
                                                                " is given twice; put all into one [[user]]");
                break;
            }
        }
        check_senders(user.senders, "user.senders", config, places, places.of(path + ".senders"), findings);
        const auto& streams = config.auth.streams;
        if (!user.stream.empty() && std::none_of(streams.begin(), streams.end(), [&](const auto& stream) {
                return stream.name == user.stream;
            })) {
            findings.mistake(places.of(path + ".stream"), "user.stream is " + quote(user.stream) +
                                                              ", and there is no [[stream]] with that name");
        }
    }
}

}  // namespace posthorn::config
