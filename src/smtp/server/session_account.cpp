// What a session asks the account of whoever logged in, and what the log learns of the answer.
#include <utility>

#include "base/log.hpp"
#include "smtp/server/account_check.hpp"
#include "smtp/server/session.hpp"

namespace posthorn::smtp::server {

std::optional<AccountCheck> Session::account() {
    const auth::Accounts& accounts = *runtime_->accounts;
    std::optional<AccountCheck> check;
    if (core_.authenticated()) {
        check.emplace(accounts, premises_.allowances, premises_.suspensions, core_.user());
    } else if (caller_) {
        const SystemUser user{caller_->uid, caller_->user};
        check.emplace(accounts, premises_.allowances, premises_.suspensions, user);
    }
    return check;
}

// A system user over his limit: which of the programs that run as him it is, the log's and the queue's origins tell.
void Session::report_overrun(const auth::Allowances::Overrun& overrun) {
    log::Event event(log::Level::warning, "user_over_limit");
    tag(std::move(event));
    if (core_.authenticated()) {
        event.kv("user", core_.user()).kv("limit", limit_in_words(overrun)).kv("client", client_.text)
            .kv("meaning", "more than he usually may: a newsletter, or somebody has his password")
            .kv("action", "posthorn user suspend " + core_.user() + "; or raise his limits in [[user]]");
        return;
    }
    intake::Caller caller = *caller_;
    const std::string& claim = core_.mail_command().caller.claim;
    intake::read_claim(claim, caller);
    sight_.show(caller, !claim.empty());
    event.kv("user", caller.user).kv("limit", limit_in_words(overrun)).kv("origin", intake::origin_of(caller))
        .kv("meaning", "more than he usually may: a newsletter, or a site that was broken into")
        .kv("action", "`posthorn senders` shows which script it is; posthorn suspend --user " + caller.user +
                          "; or raise his limits in [[user]]");
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
        if (core_.authenticated()) return protocol::Verdict::disable(std::move(refusal->reply));
        // The session of a login ends; a program of this machine is to read its 550, and not a 421 that means "later".
        ++premises_.figures.system_users_suspended;
        return protocol::Verdict::refuse(std::move(refusal->reply));
    }
    if (const auto& overrun = refusal->overrun) {
        ++premises_.figures.users_over_limit;
        if (!core_.authenticated()) ++premises_.figures.system_users_over_limit;
        if (overrun->report) report_overrun(*overrun);
    } else {
        ++premises_.figures.senders_refused;
    }
    return protocol::Verdict::refuse(std::move(refusal->reply));
}

}  // namespace posthorn::smtp::server
