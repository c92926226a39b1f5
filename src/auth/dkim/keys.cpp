// The key table: built so that one domain's missing key is that domain's trouble alone.
#include "auth/dkim/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "auth/dkim/key_directory.hpp"
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

// Where stages.json cannot be read, the keys of the configuration go on signing.
std::vector<DomainKey> fixed_keys(const DomainOptions& domain) {
    DomainOptions fixed = domain;
    fixed.key_directory.clear();
    return domain_keys(fixed).value();
}

// SD-45: the domain has keys to come, or none yet.
std::string unpublished_reason(const std::string& name, const DomainOptions& domain, const Result<std::vector<DomainKey>>& all) {
    if (!all) return fmt::format("domain {}: {}", name, all.error().what);
    for (const DomainKey& key : *all) {
        if (key.stage == KeyStage::pending || key.stage == KeyStage::published)
            return fmt::format(
                "the DKIM key {} of {} is not in use before its record is at all servers of the zone: publish it (posthorn dkim record --domain {} "
                "--selector {}), posthorn dkim rotate {} --status tells what is missing; dkim.unpublished = \"sign\" signs at once",
                key.selector, name, name, key.selector, name);
    }
    return fmt::format("domain {} has no DKIM key in {} yet: the daemon makes one when dkim.autogenerate is on, posthorn dkim rotate {} at once", name,
                       domain.key_directory, name);
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
        const Result<std::vector<DomainKey>> all = domain_keys(domain);
        const std::vector<DomainKey> signing = all ? signing_keys(*all, options.sign_unpublished) : fixed_keys(domain);
        if (!all) table->problems_.push_back(fmt::format("domain {}: {}", name, all.error().what));
        if (signing.empty() && !domain.key_directory.empty()) {
            entry.reason = unpublished_reason(name, domain, all);
        } else if (signing.empty()) {
            entry.reason = fmt::format(
                "domain {} has no DKIM key: make one with posthorn dkim genkey --domain {} "
                "--selector SELECTOR, publish its record, and name it in the [[domain]] section",
                name, name);
        }
        for (const DomainKey& key : signing) {
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
        if (entry.identities.empty() && signing.empty()) table->problems_.push_back(entry.reason);
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
