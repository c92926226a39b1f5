// What a user's account says to each step of a transaction: suspended, as somebody else, too much; without I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/account.hpp"
#include "auth/allowance.hpp"
#include "auth/suspension.hpp"
#include "base/clock.hpp"
#include "mail/address.hpp"
#include "smtp/protocol/reply.hpp"

namespace posthorn::smtp::server {

// Why a step is refused. It is said to somebody who has proved to be the user, so it tells him what he can do.
struct AccountRefusal {
    protocol::Reply reply;
    bool suspended = false;                         // the session ends after it
    std::optional<auth::Allowances::Overrun> overrun;
};

// Somebody of this machine, known by the kernel's word (SO_PEERCRED, the owner of a file) and not by a password.
struct SystemUser {
    std::uint32_t uid = 0;
    std::string_view name;  // of the passwd database; "uid33" where it has none
};

// A view on what the server keeps; made for one question at a time. REQUIRES: user is who authenticated, or whom the kernel
// names. What each has sent is counted apart, also where a login and a system user have one name; a suspension holds for both.
class AccountCheck {
public:
    // No list: nobody is suspended.
    AccountCheck(const auth::Accounts& accounts, auth::Allowances& allowances, const auth::Suspensions* suspensions,
                 std::string_view user)
        : account_(&accounts.of(user)),
          limits_(account_->limits),
          allowances_(allowances),
          suspended_(suspensions != nullptr && suspensions->find(user) != nullptr),
          key_(user) {}
    AccountCheck(const auth::Accounts& accounts, auth::Allowances& allowances, const auth::Suspensions* suspensions,
                 const SystemUser& user)
        : limits_(accounts.of_system_user(user.name, user.uid)),
          allowances_(allowances),
          suspended_(suspensions != nullptr &&
                     (suspensions->find_uid(user.uid) != nullptr || suspensions->find(user.name) != nullptr)),
          key_(auth::source_of_uid(user.uid)) {}

    // After the right password: RFC 5248 s2 has 525 5.7.13 for him, and for nobody who does not know it.
    [[nodiscard]] bool suspended() const { return suspended_; }

    // At MAIL: SUB-6 for the envelope. The null reverse-path is nobody's, so anybody may use it (SUB-4). As whom system users
    // send is decided by intake/sender_policy.
    [[nodiscard]] std::optional<AccountRefusal> at_mail(const mail::Address& sender, SteadyTime now) const;
    // At RCPT, when the transaction would have so many recipients with this one.
    [[nodiscard]] std::optional<AccountRefusal> at_recipient(std::uint32_t recipients, SteadyTime now) const;
    // At DATA: takes the message and its recipients from the allowance. Several sessions of one user may come so far
    // with the same tokens in view; here one of them gets them.
    [[nodiscard]] std::optional<AccountRefusal> at_data(std::uint32_t recipients, SteadyTime now) const;
    // At the end of the data: suspended meanwhile?
    [[nodiscard]] std::optional<AccountRefusal> at_end_of_data() const;

    // What may stand in From. REQUIRES: a login's.
    [[nodiscard]] const auth::SenderRules& senders() const { return account_->senders; }

private:
    const auth::Account* account_ = nullptr;  // of a login
    const auth::AllowanceLimits& limits_;
    auth::Allowances& allowances_;
    bool suspended_;
    std::string key_;  // in the allowances
};

// "2000 messages an hour": the limit in words, for reply and log.
[[nodiscard]] std::string limit_in_words(const auth::Allowances::Overrun& overrun);

}  // namespace posthorn::smtp::server
