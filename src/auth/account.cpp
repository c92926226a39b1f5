// Accounts from their options.
#include "auth/account.hpp"

namespace posthorn::auth {
namespace {

SenderRules default_senders(const AuthOptions& options) {
    // Mail of other domains may leave, so that nothing is gained by refusing it here.
    if (options.dkim.unknown_domain == UnsignedPolicy::send_unsigned) return SenderRules::anybody();
    std::vector<std::string> domains;
    for (const DomainOptions& domain : options.domains) domains.push_back(domain.name);
    // Nothing is signed yet, and all mail is held: it is the operator who is told what is missing, not the
    // users.
    return domains.empty() ? SenderRules::anybody() : SenderRules::of_domains(domains);
}

AllowanceLimits limits_of(const AccountOptions& options) {
    return AllowanceLimits{options.messages_per_hour, options.recipients_per_hour, options.burst};
}

Account account_of(const AccountOptions& options, const SenderRules& default_rules) {
    return Account{options.senders.empty() ? default_rules : SenderRules(options.senders), limits_of(options)};
}

}  // namespace

Accounts::Accounts(const AuthOptions& options) {
    const SenderRules default_rules = default_senders(options);
    others_ = account_of(options.account, default_rules);
    system_ = limits_of(options.system_account);
    for (const AccountOptions& account : options.system_accounts) system_named_[account.name] = limits_of(account);
    for (const AccountOptions& account : options.accounts)
        named_[account.name] = account_of(account, default_rules);
}

const Account& Accounts::of(std::string_view user) const {
    const auto found = named_.find(user);
    return found == named_.end() ? others_ : found->second;
}

const AllowanceLimits& Accounts::of_system_user(std::string_view name, std::uint32_t uid) const {
    auto found = system_named_.find(name);
    if (found == system_named_.end()) found = system_named_.find(std::to_string(uid));
    return found == system_named_.end() ? system_ : found->second;
}

}  // namespace posthorn::auth
