// What those who logged in may do, user by user: as whom they may send, and how much.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "auth/options.hpp"
#include "auth/sender_rules.hpp"

namespace posthorn::auth {

// How much may be sent; 0 per hour: no limit.
struct AllowanceLimits {
    std::uint32_t messages_per_hour = 0;
    std::uint32_t recipients_per_hour = 0;
    Duration burst = std::chrono::hours(1);
};

struct Account {
    SenderRules senders = SenderRules::anybody();
    AllowanceLimits limits;
};

// Immutable, made anew at each reload. As made by default it allows everything to everybody.
class Accounts {
public:
    Accounts() = default;
    // For users without senders of their own, the domains that are signed decide (AccountOptions::senders).
    explicit Accounts(const AuthOptions& options);

    // Of that user, or the one of all others. Valid as long as this object.
    [[nodiscard]] const Account& of(std::string_view user) const;
    // How much a system user may send who did not log in: by his name, else by his number, else what holds for all of them. As
    // whom he may send is not decided here: sites do that.
    [[nodiscard]] const AllowanceLimits& of_system_user(std::string_view name, std::uint32_t uid) const;

private:
    Account others_;
    std::map<std::string, Account, std::less<>> named_;
    AllowanceLimits system_;
    std::map<std::string, AllowanceLimits, std::less<>> system_named_;
};

}  // namespace posthorn::auth
