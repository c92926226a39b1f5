// The client's side of a SASL exchange as a value: the strongest mechanism both sides know, challenges in, responses out.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/scram.hpp"
#include "base/result.hpp"

namespace posthorn::auth {

struct SaslCredentials {
    std::string user, password;
    std::vector<std::string> mechanisms;  // upper case: no others will do; empty: any of those we know

    SaslCredentials() = default;
};

// What is known of the connection before the exchange begins.
struct SaslConnection {
    // TLS with a certificate that was found to be the server's: only then is a password said as it is (PLAIN, LOGIN), unless
    // the operator asked for clear text (tls = "none" and kin).
    bool password_is_safe = false;
    std::vector<ChannelBinding> channel_bindings;  // of this TLS connection, best first; none: no -PLUS
    std::string nonce;                             // make_scram_nonce()

    SaslConnection() = default;
};

// PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login), SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677). Base64,
// "=" and "*" are the protocol's business. Owned by one connection. step() of SCRAM takes as long as the server's iterations
// ask for (at most kMostClientIterations: about a quarter of a second).
class SaslClient {
public:
    // The strongest of those offered (in any case) that the credentials and the connection allow. The error, for the operator,
    // says what was offered and why nothing fits; it never holds the password.
    [[nodiscard]] static Result<std::unique_ptr<SaslClient>> choose(const std::vector<std::string>& offered,
                                                                    const SaslCredentials& credentials,
                                                                    SaslConnection connection);
    virtual ~SaslClient() = default;

    [[nodiscard]] virtual std::string mechanism() const = 0;
    // To be sent with the AUTH command; nothing: the server speaks first.
    [[nodiscard]] virtual std::optional<std::string> initial() = 0;
    // The answer to a decoded challenge. An error ends the exchange ("*"): a challenge out of place, or a server that does
    // not know our secret.
    [[nodiscard]] virtual Result<std::string> step(std::string_view challenge) = 0;
    // The server says 235. An error: it has not proved that it knows our secret (RFC 5802 s5); it must not be believed.
    [[nodiscard]] virtual Result<void> succeeded() const = 0;

    // Passwords as they are go over the wire with this mechanism.
    [[nodiscard]] virtual bool says_password() const = 0;
};

inline constexpr std::uint32_t kMostClientIterations = 600'000;

}  // namespace posthorn::auth
