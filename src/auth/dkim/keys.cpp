// The key table: built so that one domain's missing key is that domain's trouble alone.
#include "auth/dkim/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "mail/domain.hpp"

namespace posthorn::auth::dkim {
namespace {

// The form in which the table's names are written: lower case, A-labels, no dot at the end.
std::string table_form(std::string_view domain) {
    if (domain.ends_with('.')) domain.remove_suffix(1);
    if (text::is_ascii(domain)) return text::to_lower(domain);
    auto ascii = mail::to_ascii(domain);
    return ascii ? *ascii : std::string(domain);
}

}  // namespace

KeyTablePtr KeyTable::build(const std::vector<DomainOptions>& domains, const DkimOptions& options,
                            const KeySource& source) {
    auto table = std::make_shared<KeyTable>();
    table->unknown_domain_ = options.unknown_domain;
    for (const auto& domain : domains) {
        const std::string name = table_form(domain.name);
        Entry& entry = table->entries_[name];
        entry.policy = domain.unsigned_policy;
        if (domain.keys.empty()) {
            entry.reason = fmt::format(
                "domain {} has no DKIM key: make one with posthorn dkim genkey --domain {} "
                "--selector SELECTOR, publish its record, and name it in the [[domain]] section",
                name, name);
        }
        for (const auto& key : domain.keys) {
            auto loaded = source(key.key_file);
            if (!loaded) {
                auto reason = fmt::format("domain {}: no key for selector {}: {}", name, key.selector,
                                          loaded.error().what);
                table->problems_.push_back(reason);
                entry.reason += entry.reason.empty() ? reason : "; " + reason;
                continue;
            }
            for (const auto& warning : (*loaded)->warnings())
                table->problems_.push_back(
                    fmt::format("domain {}, selector {}: {}", name, key.selector, warning));
            entry.identities.push_back(
                {name, key.selector, *loaded, options.header, options.body, options.expire_after});
            if (options.body == Canonical::simple) table->needs_simple_body_ = true;
        }
        // RSA first: some receivers look at the top signature only (DK-2).
        std::stable_sort(entry.identities.begin(), entry.identities.end(), [](const auto& a, const auto& b) {
            return a.key->algorithm() == Algorithm::rsa && b.key->algorithm() != Algorithm::rsa;
        });
        if (entry.identities.empty() && domain.keys.empty()) table->problems_.push_back(entry.reason);
        if (!entry.identities.empty()) entry.reason.clear();
    }
    return table;
}

Selection KeyTable::select(std::string_view from_domain) const {
    const std::string name = table_form(from_domain);
    for (std::string_view candidate = name; !candidate.empty();) {
        const auto found = entries_.find(candidate);
        if (found != entries_.end())
            return {found->second.identities, found->second.reason, found->second.policy};
        text::take_field(candidate, '.');
    }
    return {{},
            name.empty()
                ? std::string("the message has no From domain that could sign for it")
                : fmt::format(
                      "no [[domain]] of the configuration covers {}: add [[domain]] name = \"{}\" with a key "
                      "(posthorn dkim genkey --domain {} --selector SELECTOR), or send from a "
                      "configured domain; a name of this machine only belongs in repair.local_domains, which "
                      "completes new mail",
                      text::safe_for_log(name, 255), text::safe_for_log(name, 255),
                      text::safe_for_log(name, 255)),
            unknown_domain_};
}

std::vector<std::string> KeyTable::domains() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) names.push_back(name);
    return names;
}

}  // namespace posthorn::auth::dkim
