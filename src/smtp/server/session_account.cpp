// What a session asks the account of whoever logged in, and what the log learns of the answer.
#include <utility>

#include "base/log.hpp"
#include "smtp/server/account_check.hpp"
#include "smtp/server/session.hpp"

namespace posthorn::smtp::server {

AccountCheck Session::account() {
    return AccountCheck(*runtime_->accounts, premises_.allowances, premises_.suspensions, core_.user());
}

protocol::SaslAnswer Session::unless_suspended(protocol::SaslAnswer answer) {
    if (answer.kind != protocol::SaslAnswer::Kind::accepted) return answer;
    const AccountCheck check(*runtime_->accounts, premises_.allowances, premises_.suspensions, answer.user);
    if (!check.suspended()) return answer;
    ++premises_.figures.users_suspended;
    tag(log::warning("auth")).kv("user", answer.user).kv("result", "suspended").kv("client", client_.text)
        .kv("meaning", "the password was right; `posthorn user resume NAME` lets him in again");
    return protocol::SaslAnswer::disabled();
}

std::optional<protocol::Verdict> Session::refused_by_account(std::string_view stage,
                                                             std::optional<AccountRefusal> refusal) {
    if (!refusal) return std::nullopt;
    log_refused(stage, refusal->reply);
    if (refusal->suspended) {
        ++premises_.figures.users_suspended;
        return protocol::Verdict::disable(std::move(refusal->reply));
    }
    if (const auto& overrun = refusal->overrun) {
        ++premises_.figures.users_over_limit;
        if (overrun->report) {
            tag(log::warning("user_over_limit")).kv("user", core_.user()).kv("limit", limit_in_words(*overrun))
                .kv("client", client_.text)
                .kv("meaning", "more than he usually may: a newsletter, or somebody has his password")
                .kv("action", "posthorn user suspend " + core_.user() + "; or raise his limits in [[user]]");
        }
    } else {
        ++premises_.figures.senders_refused;
    }
    return protocol::Verdict::refuse(std::move(refusal->reply));
}

}  // namespace posthorn::smtp::server
