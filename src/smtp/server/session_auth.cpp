// A session's logins: what a mechanism needs to know of the connection, and what the log says of the outcome.
#include <utility>

#include "smtp/server/session.hpp"

namespace posthorn::smtp::server {

AuthContext Session::auth_context() const {
    AuthContext context;
    if (core_.tls() && !core_.tls()->channel_binding.empty()) {
        const net::TlsFacts tls = stream_.tls_facts();
        const auto add = [&](const char* type, const std::string& octets) {
            if (!octets.empty()) context.channel_bindings.push_back({type, octets});
        };
        add("tls-exporter", tls.tls_exporter);
        add("tls-unique", tls.tls_unique);
        add("tls-server-end-point", tls.server_end_point);
    }
    if (client_.address) context.peer.remote_ip = client_.address->to_string();
    if (const net::SocketAddress& local = stream_.local(); local.ip) {
        context.peer.local_ip = local.ip->to_string();
        context.peer.local_port = local.port;
    }
    context.peer.no_penalty = client_.local();
    context.peer.session = number_text_;
    return context;
}

net::awaitable<protocol::SaslAnswer> Session::authenticate() {
    const protocol::SaslTurn& turn = core_.sasl_turn();
    if (turn.first) {
        AuthContext context = auth_context();
        context.forestall = [this](std::string_view user) { return forestall(user); };
        exchange_ = authenticator_->begin(turn.mechanism, std::move(context));
    }
    protocol::SaslAnswer answer = co_await exchange_->step(turn.response);
    if (answer.kind == protocol::SaslAnswer::Kind::challenge) co_return answer;
    log_auth(answer);
    if (answer.kind == protocol::SaslAnswer::Kind::rejected) answer.user = exchange_->user();
    exchange_.reset();
    co_return answer;
}

// Whatever the reason, the client hears the same; the log says it all, in a form that fail2ban can read.
void Session::log_auth(const protocol::SaslAnswer& answer) {
    using Answer = protocol::SaslAnswer::Kind;
    const bool ok = answer.kind == Answer::accepted;
    if (answer.kind == Answer::rejected) ++premises_.figures.auth_failures;
    log::Event event(ok ? log::Level::info : log::Level::warning, "auth");
    // No name that anybody has is longer; an AUTH line may be.
    const std::string_view user = std::string_view(exchange_->user()).substr(0, 255);
    event.kv("session", number_text_).kv("user", user);
    switch (answer.kind) {
        case Answer::accepted: event.kv("result", "ok"); break;
        case Answer::rejected: event.kv("result", "failed"); break;
        case Answer::malformed: event.kv("result", "malformed"); break;
        default: event.kv("result", "unavailable"); break;
    }
    event.kv("client", client_.text).kv("mechanism", core_.sasl_turn().mechanism);
    if (!ok) event.kv("reason", exchange_->reason());
}

}  // namespace posthorn::smtp::server
