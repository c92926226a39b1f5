// Accounts turned into replies.
#include "smtp/server/account_check.hpp"

#include <fmt/format.h>

namespace posthorn::smtp::server {
namespace {

using Overrun = auth::Allowances::Overrun;

AccountRefusal refuse(std::uint16_t code, std::string_view enhanced, std::string_view text) {
    AccountRefusal refusal;
    refusal.reply = protocol::make_reply(code, enhanced, text);
    return refusal;
}

// Rounded up, so that who comes back then is not early.
std::string in_words(Duration wait) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
    if (seconds <= 120) return fmt::format("{} second{}", seconds, seconds == 1 ? "" : "s");
    if (seconds <= 120 * 60) return fmt::format("{} minutes", (seconds + 59) / 60);
    return fmt::format("{} hours", (seconds + 3599) / 3600);
}

// Temporary: what is refused now may come later, and a client that queues will bring it (RFC 5321 s4.5.3.1.10, RFC 3463 s3.8).
AccountRefusal over_limit(const Overrun& overrun) {
    AccountRefusal refusal =
        overrun.what == Overrun::What::one_message
            ? refuse(452, "4.5.3",
                     fmt::format("This account may send to {} recipients at once; send the rest in another message",
                                 overrun.at_once))
            : refuse(450, "4.7.1", fmt::format("This account may send {}; try again in {}", limit_in_words(overrun),
                                               in_words(overrun.wait)));
    refusal.overrun = overrun;
    return refusal;
}

}  // namespace

std::string limit_in_words(const Overrun& overrun) {
    return fmt::format("{} {} an hour", overrun.per_hour,
                       overrun.what == Overrun::What::messages ? "messages" : "recipients");
}

std::optional<AccountRefusal> AccountCheck::at_end_of_data() const {
    if (!suspended()) return std::nullopt;
    AccountRefusal refusal = refuse(550, "5.7.13", "This account is disabled; ask its administrator");
    refusal.suspended = true;
    return refusal;
}

std::optional<AccountRefusal> AccountCheck::at_mail(const mail::Address& sender, SteadyTime now) const {
    if (auto refusal = at_end_of_data()) return refusal;
    if (account_ != nullptr && !sender.is_null() && !account_->senders.allow(sender.local, sender.domain)) {
        return refuse(550, "5.7.1", "This account may not send from that address");
    }
    return at_recipient(1, now);
}

std::optional<AccountRefusal> AccountCheck::at_recipient(std::uint32_t recipients, SteadyTime now) const {
    if (auto refusal = at_end_of_data()) return refusal;
    const auto overrun = allowances_.ask(key_, limits_, recipients, now);
    if (!overrun) return std::nullopt;
    return over_limit(*overrun);
}

std::optional<AccountRefusal> AccountCheck::at_data(std::uint32_t recipients, SteadyTime now) const {
    if (auto refusal = at_end_of_data()) return refusal;
    const auto overrun = allowances_.take(key_, limits_, recipients, now);
    if (!overrun) return std::nullopt;
    return over_limit(*overrun);
}

}  // namespace posthorn::smtp::server
