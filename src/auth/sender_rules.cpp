// Sender rules: read once, compared often.
#include "auth/sender_rules.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/domain.hpp"

namespace posthorn::auth {
namespace {

// Quotes and quoted pairs undone, ASCII letters lower case: "\"Al\\ice\"" and "alice" are one local part.
std::string plain_local(std::string_view local) {
    std::string plain;
    const bool quoted = local.size() >= 2 && local.front() == '"' && local.back() == '"';
    if (quoted) local = local.substr(1, local.size() - 2);
    for (std::size_t i = 0; i < local.size(); ++i) {
        if (quoted && local[i] == '\\' && i + 1 < local.size()) ++i;
        plain += text::to_lower(local[i]);
    }
    return plain;
}

// Empty for what is no name, so that nothing matches it.
std::string plain_domain(std::string_view domain) {
    if (mail::is_address_literal(domain)) return {};
    const Result<std::string> ascii = mail::to_ascii(domain);
    return ascii ? *ascii : std::string();
}

bool is_below(std::string_view name, std::string_view above) {
    return name.size() > above.size() && mail::is_subdomain_of(name, above);
}

}  // namespace

SenderRules::SenderRules(std::span<const std::string> rules) {
    for (const std::string& rule : rules) {
        if (rule == "*") {
            anybody_ = true;
            continue;
        }
        const auto at = rule.rfind('@');
        if (at == std::string::npos) continue;
        const std::string_view right = std::string_view(rule).substr(at + 1);
        const bool below = at == 0 && right.starts_with("*.");
        std::string domain = plain_domain(below ? right.substr(2) : right);
        if (domain.empty()) continue;
        if (below) {
            above_.push_back(std::move(domain));
        } else if (at == 0) {
            domains_.push_back(std::move(domain));
        } else {
            mailboxes_.push_back({plain_local(std::string_view(rule).substr(0, at)), std::move(domain)});
        }
    }
}

SenderRules SenderRules::anybody() {
    SenderRules rules;
    rules.anybody_ = true;
    return rules;
}

SenderRules SenderRules::of_domains(std::span<const std::string> domains) {
    SenderRules rules;
    for (const std::string& given : domains) {
        std::string domain = plain_domain(given);
        if (domain.empty()) continue;
        rules.domains_.push_back(domain);
        rules.above_.push_back(std::move(domain));
    }
    return rules;
}

bool SenderRules::allow(std::string_view local, std::string_view domain) const {
    if (anybody_) return true;
    const std::string name = plain_domain(domain);
    if (name.empty() || local.empty()) return false;
    if (std::find(domains_.begin(), domains_.end(), name) != domains_.end()) return true;
    if (std::any_of(above_.begin(), above_.end(),
                    [&](const std::string& above) { return is_below(name, above); })) {
        return true;
    }
    if (mailboxes_.empty()) return false;
    const std::string plain = plain_local(local);
    return std::any_of(mailboxes_.begin(), mailboxes_.end(), [&](const Mailbox& mailbox) {
        // The mailbox itself, or with "+detail" after it.
        return mailbox.domain == name && plain.starts_with(mailbox.local) &&
               (plain.size() == mailbox.local.size() || plain[mailbox.local.size()] == '+');
    });
}

}  // namespace posthorn::auth
