// The choice among mechanisms, and what each of them says.
#include "auth/sasl_client.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "auth/crypto.hpp"
#include "auth/saslprep.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::auth {
namespace {

constexpr std::string_view kPlus = "SCRAM-SHA-256-PLUS";
constexpr std::string_view kScram = "SCRAM-SHA-256";
constexpr std::string_view kPlain = "PLAIN";
constexpr std::string_view kLogin = "LOGIN";

// RFC 4616: [authzid] NUL authcid NUL passwd.
class PlainClient final : public SaslClient {
public:
    explicit PlainClient(const SaslCredentials& credentials)
        : user_(credentials.user), password_(credentials.password) {}
    ~PlainClient() override { OPENSSL_cleanse(password_.data(), password_.size()); }

    std::string mechanism() const override { return std::string(kPlain); }
    std::optional<std::string> initial() override {
        said_ = true;
        std::string text(1, '\0');
        text += user_;
        text += '\0';
        return text + password_;
    }
    Result<std::string> step(std::string_view) override {
        // A server that did not see the initial response asks for it by an empty challenge (RFC 4954 s4).
        if (!std::exchange(said_, true)) return *initial();
        return Error{"the server asked for more than PLAIN says"};
    }
    Result<void> succeeded() const override { return {}; }
    bool says_password() const override { return true; }

private:
    std::string user_, password_;
    bool said_ = false;
};

// draft-murchison-sasl-login: two questions, whose words differ by server and mean nothing.
class LoginClient final : public SaslClient {
public:
    explicit LoginClient(const SaslCredentials& credentials)
        : user_(credentials.user), password_(credentials.password) {}
    ~LoginClient() override { OPENSSL_cleanse(password_.data(), password_.size()); }

    std::string mechanism() const override { return std::string(kLogin); }
    std::optional<std::string> initial() override { return std::nullopt; }
    Result<std::string> step(std::string_view) override {
        switch (answers_++) {
            case 0:
                return std::string(user_);
            case 1:
                return std::string(password_);
            default:
                return Error{"the server asked for more than LOGIN says"};
        }
    }
    Result<void> succeeded() const override { return {}; }
    bool says_password() const override { return true; }

private:
    std::string user_, password_;
    int answers_ = 0;
};

// "=2C" and "=3D" for what separates attributes.
std::string saslname(std::string_view name) {
    std::string out;
    for (const char c : name) {
        if (c == ',')
            out += "=2C";
        else if (c == '=')
            out += "=3D";
        else
            out += c;
    }
    return out;
}

std::optional<std::string_view> value_of(std::string_view attribute, char key) {
    if (attribute.size() < 3 || attribute[0] != key || attribute[1] != '=') return std::nullopt;
    return attribute.substr(2);
}

std::string_view octets(const Sha256& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

// RFC 5802 s5. The gs2 header says whether we bind the channel ("p="), could but were not offered to ("y"),
// or cannot ("n").
class ScramClient final : public SaslClient {
public:
    ScramClient(const SaslCredentials& credentials, std::string nonce, std::string header,
                std::string binding, bool plus)
        : user_(saslprep(credentials.user).value_or(credentials.user)),
          password_(saslprep(credentials.password).value_or(credentials.password)),
          nonce_(std::move(nonce)),
          header_(std::move(header)),
          binding_(std::move(binding)),
          plus_(plus) {}
    ~ScramClient() override {
        OPENSSL_cleanse(password_.data(), password_.size());
        OPENSSL_cleanse(server_key_.data(), server_key_.size());
    }

    std::string mechanism() const override { return std::string(plus_ ? kPlus : kScram); }
    std::optional<std::string> initial() override {
        state_ = State::first_said;
        return header_ + first_bare();
    }
    Result<std::string> step(std::string_view challenge) override {
        switch (std::exchange(state_, State::broken)) {
            case State::begin:
                return *initial();  // the server did not see it yet (RFC 4954 s4)
            case State::first_said:
                return prove(challenge);
            case State::proof_said:
                return verify(challenge);
            case State::verified:
            case State::broken:
                break;
        }
        return Error{"the server asked for more than SCRAM says"};
    }
    Result<void> succeeded() const override {
        if (state_ == State::verified) return {};
        return Error{
            "the server says that the login succeeded, but has not proved that it knows the password itself "
            "(RFC 5802): "
            "it is not who it claims to be, or broken"};
    }
    bool says_password() const override { return false; }

private:
    enum class State : std::uint8_t { begin, first_said, proof_said, verified, broken };

    std::string first_bare() const { return fmt::format("n={},r={}", saslname(user_), nonce_); }

    // server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions]
    Result<std::string> prove(std::string_view challenge) {
        if (challenge.starts_with("m="))
            return Error{"the server demands an extension of SCRAM that is not known (m=)"};
        std::string_view rest = challenge;
        const auto nonce = value_of(text::take_field(rest, ','), 'r');
        const auto salt = value_of(text::take_field(rest, ','), 's');
        const auto count = value_of(text::take_field(rest, ','), 'i');
        const auto salt_octets = salt ? base64_decode(*salt) : std::nullopt;
        const auto iterations = count ? text::parse_unsigned(*count, 1'000'000'000) : std::nullopt;
        if (!nonce || !salt_octets || salt_octets->empty() || !iterations)
            return Error{"the server's first message of SCRAM cannot be read"};
        // Else this may be a replay of somebody else's login.
        if (!nonce->starts_with(nonce_) || nonce->size() == nonce_.size())
            return Error{"the server's nonce does not continue ours"};
        // Few iterations let whoever listens try passwords cheaply; too many are a way to keep us busy.
        if (*iterations < kLeastScramIterations || *iterations > kMostClientIterations)
            return Error{
                fmt::format("the server asks for {} iterations; from {} (RFC 7677 s4) to {} are accepted",
                            *iterations, kLeastScramIterations, kMostClientIterations)};

        Sha256 salted{};
        if (PKCS5_PBKDF2_HMAC(password_.data(), static_cast<int>(password_.size()),
                              reinterpret_cast<const unsigned char*>(salt_octets->data()),
                              static_cast<int>(salt_octets->size()), static_cast<int>(*iterations), sha256(),
                              static_cast<int>(salted.size()), salted.data()) != 1)
            return Error{"PBKDF2 failed: ", openssl_error()};
        Sha256 client_key = hmac_sha256(salted, "Client Key");
        server_key_ = hmac_sha256(salted, "Server Key");
        const std::string without_proof = fmt::format("c={},r={}", base64_encode(header_ + binding_), *nonce);
        auth_message_ = fmt::format("{},{},{}", first_bare(), challenge, without_proof);
        const Sha256 signature = hmac_sha256(sha256_of(octets(client_key)), auth_message_);
        Sha256 proof{};
        for (std::size_t i = 0; i < proof.size(); ++i)
            proof[i] = static_cast<std::uint8_t>(client_key[i] ^ signature[i]);
        OPENSSL_cleanse(salted.data(), salted.size());
        OPENSSL_cleanse(client_key.data(), client_key.size());
        state_ = State::proof_said;
        return fmt::format("{},p={}", without_proof, base64_encode(octets(proof)));
    }

    // server-final-message = ("e=" error / "v=" signature) ["," extensions]
    Result<std::string> verify(std::string_view challenge) {
        std::string_view rest = challenge;
        const std::string_view first = text::take_field(rest, ',');
        if (const auto error = value_of(first, 'e'))
            return Error{"the server refused the login: ", text::safe_for_log(*error, 200)};
        const auto value = value_of(first, 'v');
        const auto given = value ? base64_decode(*value) : std::nullopt;
        const Sha256 expected = hmac_sha256(server_key_, auth_message_);
        const auto as_octets = [](const std::string& text) {
            return std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
        };
        if (!given || given->size() != expected.size() || !equal_secret(as_octets(*given), expected))
            return Error{
                "the server does not know the password itself (its SCRAM signature is wrong): it is not who "
                "it claims to be"};
        state_ = State::verified;
        return std::string();
    }

    std::string user_, password_, nonce_, header_, binding_;
    bool plus_;
    State state_ = State::begin;
    Sha256 server_key_{};
    std::string auth_message_;
};

}  // namespace

Result<std::unique_ptr<SaslClient>> SaslClient::choose(const std::vector<std::string>& offered,
                                                       const SaslCredentials& credentials,
                                                       SaslConnection connection) {
    const auto contains = [](const std::vector<std::string>& names, std::string_view name) {
        return std::any_of(names.begin(), names.end(),
                           [&](const std::string& one) { return text::iequals(one, name); });
    };
    const auto wanted = [&](std::string_view name) {
        return credentials.mechanisms.empty() || contains(credentials.mechanisms, name);
    };
    const auto may = [&](std::string_view name) { return contains(offered, name) && wanted(name); };
    const auto& bindings = connection.channel_bindings;

    if (may(kPlus) && !bindings.empty()) {
        std::string header = "p=" + bindings.front().type + ",,";
        return std::make_unique<ScramClient>(credentials, std::move(connection.nonce), std::move(header),
                                             bindings.front().octets, true);
    }
    if (may(kScram)) {
        // "y": we would have bound the channel, so that a server that did offer -PLUS knows that somebody
        // took it away (s6).
        const bool would = !bindings.empty() && wanted(kPlus) && !contains(offered, kPlus);
        return std::make_unique<ScramClient>(credentials, std::move(connection.nonce), would ? "y,," : "n,,",
                                             std::string(), false);
    }
    if (connection.password_is_safe) {
        if (may(kPlain)) return std::make_unique<PlainClient>(credentials);
        if (may(kLogin)) return std::make_unique<LoginClient>(credentials);
    }

    std::string names;
    for (const std::string& name : offered)
        names += (names.empty() ? "" : " ") + text::safe_for_log(name, 40);
    std::string words = offered.empty() ? "the server offers no way to log in" : "the server offers " + names;
    if (!connection.password_is_safe && (may(kPlain) || may(kLogin)))
        words += ", by which the password would be said to a server that has not proved who it is";
    else if (!offered.empty())
        words += credentials.mechanisms.empty()
                     ? ", none of which is spoken here (SCRAM-SHA-256, PLAIN, LOGIN)"
                     : ", none of which the relay's mechanisms allow";
    return Error{words};
}

}  // namespace posthorn::auth
