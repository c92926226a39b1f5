// What a session asks the guard of the door, and tells it.
#include <utility>

#include "auth/saslprep.hpp"
#include "base/log.hpp"
#include "smtp/server/session.hpp"

namespace posthorn::smtp::server {

using Answer = protocol::SaslAnswer;

namespace {

// The password that PLAIN and LOGIN end with; empty: the mechanism shows none (SCRAM's proofs are others each time). The
// same from both, since programs try one after the other: PLAIN has it behind the last NUL (RFC 4616 s2), LOGIN alone.
std::string shown_password(const protocol::SaslTurn& turn) {
    if (!turn.response || (turn.mechanism != "PLAIN" && turn.mechanism != "LOGIN")) return {};
    return turn.response->substr(turn.response->rfind('\0') + 1);
}

// All forms of a name are one user to the guard, whether there is one or not: else those that a source knows under another
// form could be told from nobody by what is held back.
std::string one_form(std::string_view user) {
    auto prepared = auth::saslprep(user);
    return prepared ? *std::move(prepared) : std::string(user);
}

}  // namespace

std::optional<Answer> Session::forestall(std::string_view user) const {
    if (exempt(client_, runtime_->guard, runtime_->relay)) return std::nullopt;
    using Kind = DoorGuard::Consequence::Kind;
    const Kind kind =
        premises_.guard.foreseen(client_.counted_as(), one_form(user), std::chrono::steady_clock::now());
    if (kind == Kind::tell) return std::nullopt;
    ++premises_.figures.logins_untold;
    return kind == Kind::turn_away ? Answer::turned_away() : Answer::unavailable();
}

net::awaitable<Answer> Session::guarded(Answer answer) {
    const bool right = answer.kind == Answer::Kind::accepted;
    if ((!right && answer.kind != Answer::Kind::rejected) || exempt(client_, runtime_->guard, runtime_->relay)) {
        co_return answer;
    }
    using Kind = DoorGuard::Consequence::Kind;
    const std::string secret = shown_password(core_.sasl_turn());
    const std::string user = one_form(answer.user);
    const DoorGuard::Key key = client_.counted_as();
    const SteadyTime now = std::chrono::steady_clock::now();
    DoorGuard::Consequence consequence;
    if (right) {
        consequence = premises_.guard.on_right_password(key, user, now);
    } else {
        consequence = premises_.guard.on_wrong_password(key, user, secret, now);
    }
    if (consequence.ban) log_ban(*consequence.ban);
    if (consequence.kind != Kind::tell) {
        ++premises_.figures.logins_untold;
        const bool banned = consequence.kind == Kind::turn_away;
        tag(log::info("auth")).kv("user", user).kv("result", "untold").kv("client", client_.text)
            .kv("reason", banned ? "the address is banned" : "an earlier failure of this user still makes it wait");
        if (banned) co_return Answer::turned_away();
        co_return Answer::unavailable();
    }
    if (consequence.delay > Duration::zero() && !stopping_) {
        ++premises_.figures.logins_delayed;
        set_deadline();
        holding_back_.emplace(stream_.get_executor());
        co_await holding_back_->wait_until(now + consequence.delay);
        holding_back_.reset();
    }
    co_return answer;
}

void Session::count_offence(DoorGuard::Offence offence, std::string_view subject) {
    // One line a connection: a phone without its password, or somebody who looks for an open relay.
    if (offence == DoorGuard::Offence::relaying) {
        tag(log::info("refused")).kv("stage", "mail").kv("client", client_.text).kv("helo", subject)
            .kv("reason", "tried to send without logging in");
    }
    if (exempt(client_, runtime_->guard, runtime_->relay)) return;
    const auto ban =
        premises_.guard.on_offence(client_.counted_as(), offence, subject, std::chrono::steady_clock::now());
    if (ban) log_ban(*ban);
}

void Session::log_ban(const DoorGuard::Ban& ban) const {
    ++premises_.figures.bans;
    const std::string address = shown(client_.counted_as());
    tag(log::warning("banned")).kv("client", client_.text).kv("address", address)
        .kv("seconds", static_cast<std::int64_t>(std::chrono::duration_cast<std::chrono::seconds>(ban.length).count()))
        .kv("reason", to_string(ban.reason))
        .kv("meaning", "its connections are answered 421 meanwhile; `posthorn guard forgive " + address + "` lifts it");
}

}  // namespace posthorn::smtp::server
