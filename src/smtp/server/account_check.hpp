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

// A view on what the server keeps; made for one question at a time. REQUIRES: user is who authenticated.
class AccountCheck {
public:
    // No list: nobody is suspended.
    AccountCheck(const auth::Accounts& accounts, auth::Allowances& allowances, const auth::Suspensions* suspensions,
                 std::string_view user)
        : account_(accounts.of(user)), allowances_(allowances), suspensions_(suspensions), user_(user) {}

    // After the right password: RFC 5248 s2 has 525 5.7.13 for him, and for nobody who does not know it.
    [[nodiscard]] bool suspended() const { return suspensions_ != nullptr && suspensions_->find(user_) != nullptr; }

    // At MAIL: SUB-6 for the envelope. The null reverse-path is nobody's, so anybody may use it (SUB-4).
    [[nodiscard]] std::optional<AccountRefusal> at_mail(const mail::Address& sender, SteadyTime now) const;
    // At RCPT, when the transaction would have so many recipients with this one.
    [[nodiscard]] std::optional<AccountRefusal> at_recipient(std::uint32_t recipients, SteadyTime now) const;
    // At DATA: takes the message and its recipients from the allowance. Several sessions of one user may come so far
    // with the same tokens in view; here one of them gets them.
    [[nodiscard]] std::optional<AccountRefusal> at_data(std::uint32_t recipients, SteadyTime now) const;
    // At the end of the data: suspended meanwhile?
    [[nodiscard]] std::optional<AccountRefusal> at_end_of_data() const;

    // What may stand in From.
    [[nodiscard]] const auth::SenderRules& senders() const { return account_.senders; }

private:
    const auth::Account& account_;
    auth::Allowances& allowances_;
    const auth::Suspensions* suspensions_;
    std::string_view user_;
};

// "2000 messages an hour": the limit in words, for reply and log.
[[nodiscard]] std::string limit_in_words(const auth::Allowances::Overrun& overrun);

}  // namespace posthorn::smtp::server
