// What a session asks the guard of the door, and tells it.
#include <utility>

#include "base/log.hpp"
#include "smtp/server/session.hpp"

namespace posthorn::smtp::server {

using Answer = protocol::SaslAnswer;

net::awaitable<Answer> Session::guarded(Answer answer) {
    const bool right = answer.kind == Answer::Kind::accepted;
    if ((!right && answer.kind != Answer::Kind::rejected) || exempt(client_, runtime_->guard, runtime_->relay)) {
        co_return answer;
    }
    using Kind = DoorGuard::Consequence::Kind;
    // What PLAIN and LOGIN end with is the same for the same user and password; SCRAM's proofs never are.
    const protocol::SaslTurn& turn = core_.sasl_turn();
    const bool shown_password = turn.mechanism == "PLAIN" || turn.mechanism == "LOGIN";
    const std::string secret = shown_password ? turn.response.value_or("") : std::string();
    const std::string& user = answer.user;
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
