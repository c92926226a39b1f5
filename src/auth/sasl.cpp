// PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login), server side.
#include "auth/sasl.hpp"

#include <utility>

#include "base/text.hpp"

namespace posthorn::auth {
namespace {

class PlainExchange final : public SaslExchange {
public:
    // message = [authzid] NUL authcid NUL passwd; no part may hold a NUL, authcid and passwd are not empty
    // (RFC 4616 s2).
    Step respond(std::string_view response) override {
        const auto first = response.find('\0');
        if (first == std::string_view::npos) return Malformed{"no NUL"};
        const auto second = response.find('\0', first + 1);
        if (second == std::string_view::npos) return Malformed{"one NUL"};
        const auto authzid = response.substr(0, first);
        const auto user = response.substr(first + 1, second - first - 1);
        const auto password = response.substr(second + 1);
        if (user.empty() || password.empty() || password.find('\0') != std::string_view::npos)
            return Malformed{"user or password"};
        // RFC 4616 s2: a failed authentication, not bad syntax.
        if (!authzid.empty() && authzid != user)
            return Refused{std::string(user), "to act for another user is granted to nobody"};
        return Credentials{std::string(user), std::string(password)};
    }
    bool client_first() const override { return true; }
};

class LoginExchange final : public SaslExchange {
public:
    Step respond(std::string_view response) override {
        switch (state_) {
            case State::begin:
                state_ = State::user;
                if (response.empty()) return Challenge{"Username:"};
                [[fallthrough]];  // an initial response is the user name (Outlook and .NET send it so)
            case State::user:
                if (response.empty() || response.find('\0') != std::string_view::npos) return fail();
                user_ = response;
                state_ = State::password;
                return Challenge{"Password:"};
            case State::password:
                if (response.empty() || response.find('\0') != std::string_view::npos) return fail();
                state_ = State::ended;
                return Credentials{std::move(user_), std::string(response)};
            case State::ended:
                break;
        }
        return Malformed{"a response after the end"};
    }
    // The draft lets the server speak first; respond("") yields the first challenge.
    bool client_first() const override { return false; }

private:
    enum class State { begin, user, password, ended };
    Step fail() {
        state_ = State::ended;
        return Malformed{"empty, or with a NUL"};
    }
    State state_ = State::begin;
    std::string user_;
};

}  // namespace

std::unique_ptr<SaslExchange> SaslExchange::create(std::string_view mechanism) {
    if (text::iequals(mechanism, "PLAIN")) return std::make_unique<PlainExchange>();
    if (text::iequals(mechanism, "LOGIN")) return std::make_unique<LoginExchange>();
    return nullptr;
}

}  // namespace posthorn::auth
