// Drives the pure exchanges of auth/ and checks what they claim.
#include "smtp/server/users_authenticator.hpp"

#include <chrono>
#include <utility>

#include "auth/sasl.hpp"
#include "auth/scram.hpp"
#include "base/bound.hpp"
#include "net/offload.hpp"

namespace posthorn::smtp::server {
namespace {

using protocol::SaslAnswer;
using auth::SaslExchange;

constexpr std::string_view kScram = "SCRAM-SHA-256", kScramPlus = "SCRAM-SHA-256-PLUS";

// One password's place among those that wait.
class Turn {
public:
    explicit Turn(std::size_t& waiting) : waiting_(waiting) { ++waiting_; }
    ~Turn() { --waiting_; }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

private:
    std::size_t& waiting_;
};

class UsersExchange final : public Exchange {
public:
    UsersExchange(std::unique_ptr<SaslExchange> sasl, std::shared_ptr<auth::Credentials> users, net::asio::thread_pool& pool,
                  const std::atomic<bool>& closing, std::shared_ptr<std::size_t> waiting,
                  decltype(AuthContext::forestall) forestall)
        : sasl_(std::move(sasl)),
          users_(std::move(users)),
          pool_(pool),
          closing_(closing),
          waiting_(std::move(waiting)),
          forestall_(std::move(forestall)) {}

    net::awaitable<SaslAnswer> step(std::optional<std::string> response) override {
        if (!response && sasl_->client_first()) co_return SaslAnswer::challenge({});
        SaslExchange::Step step = sasl_->respond(response.value_or(""));
        if (auto* challenge = std::get_if<SaslExchange::Challenge>(&step)) {
            co_return SaslAnswer::challenge(std::move(challenge->text));
        }
        if (auto* proven = std::get_if<SaslExchange::Proven>(&step)) {
            user_ = proven->user;
            co_return SaslAnswer::accepted(std::move(proven->user), std::move(proven->last_words));
        }
        if (auto* refused = std::get_if<SaslExchange::Refused>(&step)) {
            user_ = std::move(refused->user);
            reason_ = refused->reason;
            co_return SaslAnswer::rejected();
        }
        if (auto* claimed = std::get_if<SaslExchange::Credentials>(&step)) {
            SaslExchange::Credentials given = std::move(*claimed);
            SaslAnswer answer = co_await check(std::move(given));
            co_return answer;
        }
        reason_ = std::get<SaslExchange::Malformed>(step).what;
        co_return SaslAnswer::malformed();
    }

private:
    net::awaitable<SaslAnswer> check(SaslExchange::Credentials given) {
        user_ = given.user;
        // A hash is dear: one address must not fill the crypto pool with guesses whose outcome it is never told.
        if (forestall_) {
            if (auto answer = forestall_(given.user)) {
                reason_ = "an earlier failure still makes this address wait; the password was not looked at";
                co_return *std::move(answer);
            }
        }
        const SteadyTime now = std::chrono::steady_clock::now();
        bool right = users_->cached(given.user, given.password, now);
        if (!right) {
            if (*waiting_ >= UsersAuthenticator::kMaxWaiting) {
                note_reached(Bound::smtp_logins_waiting);
                reason_ = "too many passwords wait to be looked at";
                co_return SaslAnswer::unavailable();
            }
            const Turn turn(*waiting_);
            auto work = [users = users_, given, now, &closing = closing_] {
                return !closing && users->verify(given.user, given.password, now);
            };
            right = co_await net::offload(pool_, std::move(work));
        }
        if (right) {
            user_ = users_->user_named(given.user);
            co_return SaslAnswer::accepted(user_);
        }
        // Behind a crowd of guessers a hash can be minutes away: the end does not wait for that.
        if (closing_) {
            reason_ = "the server ends";
            co_return SaslAnswer::unavailable();
        }
        reason_ = users_->why_not(given.user);
        co_return SaslAnswer::rejected();
    }

    std::unique_ptr<SaslExchange> sasl_;
    std::shared_ptr<auth::Credentials> users_;
    net::asio::thread_pool& pool_;
    const std::atomic<bool>& closing_;
    std::shared_ptr<std::size_t> waiting_;
    decltype(AuthContext::forestall) forestall_;
};

}  // namespace

UsersAuthenticator::UsersAuthenticator(std::shared_ptr<auth::Credentials> users, net::asio::thread_pool& pool,
                                       const std::atomic<bool>& closing)
    : users_(std::move(users)), pool_(pool), closing_(closing) {}

// AUTH-1, AUTH-2: the best first, and never one that would need the password in clear text here.
std::vector<std::string> UsersAuthenticator::mechanisms() const {
    if (!users_->offers_scram()) return {"PLAIN", "LOGIN"};
    return {std::string(kScramPlus), std::string(kScram), "PLAIN", "LOGIN"};
}

std::unique_ptr<Exchange> UsersAuthenticator::begin(std::string_view mechanism, AuthContext context) {
    std::unique_ptr<SaslExchange> sasl;
    if (mechanism == kScram || mechanism == kScramPlus) {
        auto lookup = [users = users_](std::string_view name) { return users->scram_of(name); };
        auth::ScramTerms terms;
        terms.plus = mechanism == kScramPlus;
        terms.channel_bindings = std::move(context.channel_bindings);
        terms.nonce = auth::make_scram_nonce();
        sasl = std::make_unique<auth::ScramExchange>(std::move(lookup), std::move(terms));
    } else {
        sasl = SaslExchange::create(mechanism);
    }
    return std::make_unique<UsersExchange>(std::move(sasl), users_, pool_, closing_, waiting_, std::move(context.forestall));
}

}  // namespace posthorn::smtp::server
