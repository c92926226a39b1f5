// The messages of SCRAM by the grammar of RFC 5802 s7, and its arithmetic.
#include "auth/scram.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include "auth/saslprep.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::auth {
namespace {

constexpr std::string_view kMechanism = "SCRAM-SHA-256";

std::string_view octets(const Sha256& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

std::optional<Sha256> hash_of_base64(std::string_view text) {
    const auto decoded = base64_decode(text);
    Sha256 hash{};
    if (!decoded || decoded->size() != hash.size()) return std::nullopt;
    std::copy(decoded->begin(), decoded->end(), hash.begin());
    return hash;
}

// printable = %x21-2B / %x2D-7E
bool is_nonce(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return text::is_graphic(c) && c != ','; });
}

// saslname: "=2C" is a comma, "=3D" an equals sign, and "=" means nothing else. Nothing when it is none.
std::optional<std::string> read_saslname(std::string_view text) {
    if (text.empty() || !text::is_utf8(text)) return std::nullopt;
    std::string name;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\0' || text[at] == ',') return std::nullopt;
        if (text[at] != '=') {
            name += text[at];
            continue;
        }
        const auto code = text.substr(at, 3);
        if (code != "=2C" && code != "=3D") return std::nullopt;
        name += code == "=2C" ? ',' : '=';
        at += 2;
    }
    return name;
}

// "k=value" without "k="; nothing when it is another attribute or has no value.
std::optional<std::string_view> value_of(std::string_view attribute, char key) {
    if (attribute.size() < 3 || attribute[0] != key || attribute[1] != '=') return std::nullopt;
    return attribute.substr(2);
}

// attr-val = ALPHA "=" value, as many as are left. An extension that we do not know may be skipped (s5.1).
bool are_extensions(std::string_view rest) {
    if (!text::is_utf8(rest) || rest.find('\0') != std::string_view::npos) return false;
    const auto attributes = text::split(rest, ',');
    return std::all_of(attributes.begin(), attributes.end(), [](std::string_view attribute) {
        return attribute.size() >= 3 && text::is_alpha(attribute[0]) && attribute[1] == '=';
    });
}

bool same_name(const std::string& a, const std::string& b) {
    if (a == b) return true;
    const auto prepared = saslprep(a);
    return prepared && prepared == saslprep(b);
}

}  // namespace

Result<ScramSecret> ScramSecret::parse(std::string_view text) {
    const auto parts = text::split(text, '$');
    if (parts.size() != 3 || parts[0] != kMechanism)
        return Error{"a SCRAM secret is SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey (RFC 5803)"};
    std::string_view salt = parts[1], server_key = parts[2];
    const auto iterations = text::parse_unsigned(text::take_field(salt, ':'), kMostScramIterations);
    if (!iterations || *iterations < kLeastScramIterations)
        return Error{fmt::format("the iterations of a SCRAM secret are a number from {} (RFC 7677 s4) to {}",
                                 kLeastScramIterations, kMostScramIterations)};
    const auto salt_octets = base64_decode(salt);
    if (!salt_octets || salt_octets->empty()) return Error{"the salt of the SCRAM secret is not base64"};
    const auto stored = hash_of_base64(text::take_field(server_key, ':'));
    const auto server = hash_of_base64(server_key);
    if (!stored || !server) return Error{"the keys of a SCRAM secret are 32 octets each in base64"};
    ScramSecret secret;
    secret.iterations = static_cast<std::uint32_t>(*iterations);
    secret.salt = *salt_octets;
    secret.stored_key = *stored;
    secret.server_key = *server;
    return secret;
}

std::string ScramSecret::to_string() const {
    return fmt::format("{}${}:{}${}:{}", kMechanism, iterations, base64_encode(salt),
                       base64_encode(stored_key), base64_encode(server_key));
}

ScramSecret make_scram_secret(std::string_view password, std::string_view salt, std::uint32_t iterations) {
    Sha256 salted{};
    if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                          reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()),
                          static_cast<int>(iterations), sha256(), static_cast<int>(salted.size()),
                          salted.data()) != 1)
        throw std::runtime_error("PBKDF2 failed: " + openssl_error());
    Sha256 client_key = hmac_sha256(salted, "Client Key");
    ScramSecret secret;
    secret.iterations = iterations;
    secret.salt = salt;
    secret.stored_key = sha256_of(octets(client_key));
    secret.server_key = hmac_sha256(salted, "Server Key");
    OPENSSL_cleanse(salted.data(), salted.size());
    OPENSSL_cleanse(client_key.data(), client_key.size());
    return secret;
}

std::string make_scram_nonce() {
    std::array<std::uint8_t, 18> random{};
    if (!random_octets(random)) throw std::runtime_error("the system has no randomness: " + openssl_error());
    return base64_encode(random);
}

ScramExchange::ScramExchange(ScramLookup lookup, ScramTerms terms)
    : lookup_(std::move(lookup)), terms_(std::move(terms)) {}

ScramExchange::~ScramExchange() {
    OPENSSL_cleanse(identity_.secret.server_key.data(), identity_.secret.server_key.size());
}

SaslExchange::Step ScramExchange::respond(std::string_view message) {
    switch (std::exchange(state_, State::ended)) {
        case State::first:
            return first(message);
        case State::final:
            return final(message);
        case State::ended:
            break;
    }
    return Malformed{"a message after the end"};
}

SaslExchange::Step ScramExchange::refuse(std::string_view reason) {
    return Refused{identity_.user.empty() ? name_ : identity_.user, reason};
}

// client-first-message = gs2-cbind-flag "," [authzid] "," [reserved-mext ","] username "," nonce [","
// extensions]
SaslExchange::Step ScramExchange::first(std::string_view message) {
    std::string_view rest = message;
    const auto flag = text::take_field(rest, ',');
    const auto authzid = text::take_field(rest, ',');
    bound_to_ = message.substr(0, message.size() - rest.size());
    const auto bare = rest;

    const auto binding = value_of(flag, 'p');
    if (!binding && flag != "n" && flag != "y") return Malformed{"gs2-header"};
    std::optional<std::string> act_for;
    if (!authzid.empty()) {
        const auto value = value_of(authzid, 'a');
        act_for = value ? read_saslname(*value) : std::nullopt;
        if (!act_for) return Malformed{"authorization identity"};
    }
    if (bare.starts_with("m=")) return refuse("an extension is demanded that is not known (m=)");
    const auto name = value_of(text::take_field(rest, ','), 'n');
    const auto given = name ? read_saslname(*name) : std::nullopt;
    if (!given) return Malformed{"user name"};
    name_ = *given;
    const auto nonce = value_of(text::take_field(rest, ','), 'r');
    if (!nonce || !is_nonce(*nonce)) return Malformed{"nonce"};
    const bool more = nonce->data() + nonce->size() != message.data() + message.size();
    if (more && !are_extensions(rest)) return Malformed{"extensions"};

    // RFC 5802 s6. A client that believes that we cannot bind the channel, while we had offered it, was shown
    // another list of mechanisms than ours.
    if (flag == "y" && !terms_.channel_bindings.empty())
        return refuse("the client saw no -PLUS although it was offered: somebody may sit in between");
    if (binding.has_value() != terms_.plus) return refuse("the channel binding flag does not go with the mechanism");
    if (binding) {
        const auto& ours = terms_.channel_bindings;
        const auto named = std::find_if(ours.begin(), ours.end(), [&](const auto& one) { return one.type == *binding; });
        if (named == ours.end()) return refuse("this connection has no channel binding of the type that the client names");
        bound_to_ += named->octets;
    }
    if (act_for && !same_name(*act_for, name_)) return refuse("to act for another user is granted to nobody");

    identity_ = lookup_(name_);
    nonce_ = std::string(*nonce) + terms_.nonce;
    const std::string answer = fmt::format("r={},s={},i={}", nonce_, base64_encode(identity_.secret.salt),
                                           identity_.secret.iterations);
    auth_message_ = fmt::format("{},{}", bare, answer);
    state_ = State::final;
    return Challenge{answer};
}

// client-final-message = "c=" base64 "," nonce ["," extensions] ",p=" base64
SaslExchange::Step ScramExchange::final(std::string_view message) {
    const auto comma = message.rfind(',');
    const auto proof =
        comma == std::string_view::npos ? std::nullopt : value_of(message.substr(comma + 1), 'p');
    if (!proof) return Malformed{"proof"};
    const auto without_proof = message.substr(0, comma);
    std::string_view rest = without_proof;
    const auto binding = value_of(text::take_field(rest, ','), 'c');
    const auto bound_to = binding ? base64_decode(*binding) : std::nullopt;
    if (!bound_to) return Malformed{"channel binding"};
    const auto nonce = value_of(text::take_field(rest, ','), 'r');
    if (!nonce || !is_nonce(*nonce)) return Malformed{"nonce"};
    const bool more = nonce->data() + nonce->size() != without_proof.data() + without_proof.size();
    if (more && !are_extensions(rest)) return Malformed{"extensions"};
    const auto given = hash_of_base64(*proof);
    if (!given) return Malformed{"proof"};

    // RFC 5802 s5: the nonce must be the one we sent, else this may be a replay.
    if (*nonce != nonce_) return refuse("the nonce is not ours");
    if (*bound_to != bound_to_)
        return refuse("the channel binding differs: somebody may sit in between");
    auth_message_.append(1, ',').append(without_proof);

    const Sha256 signature = hmac_sha256(identity_.secret.stored_key, auth_message_);
    Sha256 client_key{};
    std::transform(given->begin(), given->end(), signature.begin(), client_key.begin(),
                   [](std::uint8_t a, std::uint8_t b) { return static_cast<std::uint8_t>(a ^ b); });
    const bool right = equal_secret(sha256_of(octets(client_key)), identity_.secret.stored_key);
    const Sha256 verifier = hmac_sha256(identity_.secret.server_key, auth_message_);
    OPENSSL_cleanse(client_key.data(), client_key.size());
    if (identity_.user.empty())
        return refuse("there is no such user, or he has no SCRAM secret, or is locked");
    if (!right) return refuse("wrong password");
    return Proven{identity_.user, "v=" + base64_encode(verifier)};
}

}  // namespace posthorn::auth
