// The client's way to a session that is ready: greeting, EHLO or HELO, STARTTLS, AUTH.
#include <algorithm>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "smtp/protocol/client_session.hpp"

namespace posthorn::smtp::protocol {
namespace {

constexpr std::size_t kMaxCommand = 512;        // RFC 5321 s4.5.3.1.4, with CRLF
constexpr std::size_t kMaxResponse = 12288;     // RFC 4954 s4
constexpr std::uint32_t kMaxTurns = 16;         // of one exchange; the longest we know, LOGIN, has three
constexpr std::size_t kMaxMechanismsTried = 2;  // the first, and once more after 504 or 534

bool is_2xx(const Reply& reply) {
    return reply.code >= 200 && reply.code < 300;
}

bool knows_no_ehlo(const Reply& reply) {
    // 501 5.5.4 is about the name in it: whoever says so knows EHLO (RFC 3463 s3.6).
    if (reply.enhanced.subject == 5 && reply.enhanced.detail == 4) return false;
    return reply.code == 500 || reply.code == 501 || reply.code == 502 || reply.code == 504;
}

// RFC 5321 s4.2: EHLO is answered 250. A second greeting in its place would shift every answer to come by
// one.
bool is_a_greeting(const Reply& reply) {
    return reply.code == 220;
}

}  // namespace

void ClientSession::on_greeting(Reply reply) {
    greeting_ = std::move(reply);
    if (is_2xx(greeting_)) {
        hello();
    } else {
        fail(Stage::greeting, greeting_);
    }
}

void ClientSession::hello() {
    if (!options_.helo) {
        send(Stage::ehlo, "EHLO " + options_.hostname + "\r\n");
    } else if (options_.tls == TlsUse::required && !secure_) {
        fail(Stage::starttls, make_reply(0, "4.7.10", "TLS is required, and the server does not know EHLO"),
             true);
    } else {
        send(Stage::helo, "HELO " + options_.hostname + "\r\n");
    }
}

void ClientSession::on_ehlo(const Reply& reply) {
    if (is_a_greeting(reply)) {
        out_of_step(Stage::ehlo, reply);
    } else if (is_2xx(reply)) {
        extensions_ = parse_extensions(reply);
        if (!options_.smtputf8) extensions_.smtputf8 = false;
        opened();
    } else if (!reply.permanent() || reply.code == 521) {  // RFC 7504: no mail here
        fail(Stage::ehlo, reply);
    } else if (options_.tls == TlsUse::required && !secure_) {
        // HELO knows no STARTTLS. Who refuses EHLO for another reason than not knowing it has said why.
        if (knows_no_ehlo(reply)) {
            const std::string why = "TLS is required, and the server does not know EHLO: " + reply.joined();
            fail(Stage::starttls, make_reply(0, "4.7.10", why), true);
        } else {
            fail(Stage::ehlo, reply);
        }
    } else {
        ehlo_refusal_ = reply;
        send(Stage::helo, "HELO " + options_.hostname + "\r\n");  // RFC 5321 s3.2
    }
}

void ClientSession::on_helo(const Reply& reply) {
    if (is_a_greeting(reply)) {
        out_of_step(Stage::helo, reply);
    } else if (is_2xx(reply)) {
        opened();
    } else {
        fail(Stage::helo, reply);
    }
}

void ClientSession::opened() {
    if (secure_ || options_.tls == TlsUse::never) {
        log_in();
    } else if (extensions_.starttls) {
        send(Stage::starttls, "STARTTLS\r\n");
    } else if (options_.tls == TlsUse::required) {
        fail(Stage::starttls,
             make_reply(0, "4.7.10", "TLS is required, and the server does not offer STARTTLS"), true);
    } else {
        log_in();
    }
}

void ClientSession::on_starttls(const Reply& reply) {
    if (is_2xx(reply)) {
        phase_ = Phase::tls;
    } else if (options_.tls == TlsUse::required) {
        fail(Stage::starttls, reply);
    } else {
        tls_refusal_ = reply;  // TLS-2: opportunistic TLS is never stricter than clear text
        log_in();
    }
}

// AUTH-10. With what the last EHLO offered: RFC 4954 s4 and RFC 3207 s4.2.
void ClientSession::log_in() {
    if (!options_.login) {
        phase_ = Phase::ready;
        return;
    }
    if (!secure_ && !options_.login_in_clear) {
        fail(Stage::auth,
             make_reply(0, "4.7.10", "the login is for TLS only, and there is no TLS with this server"),
             true);
        return;
    }
    std::vector<std::string> offered;
    std::copy_if(extensions_.auth.begin(), extensions_.auth.end(), std::back_inserter(offered),
                 [this](const auto& name) {
                     return std::find(refused_mechanisms_.begin(), refused_mechanisms_.end(), name) ==
                            refused_mechanisms_.end();
                 });
    if (offered.empty()) {
        const std::string_view why = refused_mechanisms_.empty()
                                         ? "a login is set up, and the server does not offer AUTH"
                                         : "the server refuses the mechanisms of AUTH that it offers";
        fail(Stage::auth, make_reply(0, "4.7.0", why), true);
        return;
    }
    auto chosen = options_.login(offered);
    if (!chosen) {
        fail(Stage::auth, make_reply(0, "4.7.0", chosen.error().what), true);
        return;
    }
    login_ = std::move(*chosen);
    login_turns_ = 0;
    initial_ = login_->initial();
    std::string command = "AUTH " + login_->mechanism();
    if (initial_) {
        const std::string coded = initial_->empty() ? "=" : base64_encode(*initial_);
        // RFC 4954 s4: one that does not fit waits for an empty challenge.
        if (command.size() + 1 + coded.size() + 2 <= kMaxCommand) {
            command.append(" ").append(coded);
            initial_.reset();
        }
    }
    send(Stage::auth, command + "\r\n");
}

void ClientSession::on_auth(const Reply& reply) {
    if (!login_trouble_.empty()) {  // the answer to "*": whatever it says
        fail(Stage::auth, make_reply(0, "4.7.0", login_trouble_), true);
        return;
    }
    if (is_2xx(reply)) {
        if (const auto proved = login_->succeeded(); !proved) {
            fail(Stage::auth,
                 make_reply(0, "4.7.0", "the server says that the login succeeded: " + proved.error().what),
                 true);
            return;
        }
        login_mechanism_ = login_->mechanism();
        login_.reset();
        phase_ = Phase::ready;
        return;
    }
    if (reply.code == 334) {
        if (++login_turns_ > kMaxTurns) return cancel_login("the server never ends the exchange of AUTH");
        const std::string_view words = text::trim(std::string_view(reply.lines.front()));
        auto challenge = reply.lines.size() == 1 ? base64_decode(words) : std::nullopt;
        if (!challenge) return cancel_login("the server sent a challenge that is not base64");
        if (initial_) {
            const std::string first = std::move(*initial_);
            initial_.reset();
            return respond(first);
        }
        challenge_ = std::move(challenge);
        phase_ = Phase::login;
        return;
    }
    if (reply.code < 400) return out_of_step(Stage::auth, reply);
    // 504: it does not know the mechanism that it offered; 534: it wants a stronger one (RFC 4954 s6).
    const bool another =
        (reply.code == 504 || reply.code == 534) && refused_mechanisms_.size() + 1 < kMaxMechanismsTried;
    refused_mechanisms_.push_back(login_->mechanism());
    login_.reset();
    const bool left = std::any_of(extensions_.auth.begin(), extensions_.auth.end(),
                                  [this](const auto& name) { return name != refused_mechanisms_.front(); });
    if (another && left) {
        log_in();
        // Nothing else will do: then it is the server's own words that count.
        if (failure_) fail(Stage::auth, reply);
        return;
    }
    fail(Stage::auth, reply);
}

ClientAction ClientSession::on_login_step(Result<std::string> response) {
    phase_ = Phase::opening;
    if (response) {
        respond(*response);
    } else {
        cancel_login(response.error().what);
    }
    return next();
}

void ClientSession::respond(std::string_view response) {
    const std::string coded = base64_encode(response);
    if (coded.size() + 2 > kMaxResponse)
        return cancel_login("the response to AUTH is longer than RFC 4954 allows");
    send(Stage::auth, coded + "\r\n");
}

void ClientSession::cancel_login(std::string why) {
    login_trouble_ = std::move(why);
    send(Stage::auth, "*\r\n");
}

}  // namespace posthorn::smtp::protocol
