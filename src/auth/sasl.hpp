// The server's side of a SASL exchange as a value: decoded responses in, challenges or a result out.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace posthorn::auth {

// One AUTH command (RFC 4954). Owned by the session that offers it, used by one thread, dropped after its
// end. Base64 and the "*" that cancels are the protocol's business; here only decoded octets are seen.
class SaslExchange {
public:
    struct Challenge {
        std::string text;  // to be sent base64-encoded after "334 "
    };
    // What the client claims; nothing is verified yet.
    struct Credentials {
        std::string user, password;
    };
    // The user is proved to be who he says; last_words go to the client as well.
    struct Proven {
        std::string user;        // never empty
        std::string last_words;  // by which the client knows that we have his secret
    };
    // A failed authentication like a wrong password. user and reason are for the log, never for the client.
    struct Refused {
        std::string user;
        std::string_view reason;  // of static storage
    };
    // The response breaks the mechanism's syntax: answer 501 5.5.2 and end the exchange.
    struct Malformed {
        std::string_view what;  // of static storage, for the log
    };
    using Step = std::variant<Challenge, Credentials, Proven, Refused, Malformed>;

    // mechanism: "PLAIN" (RFC 4616) or "LOGIN" (draft-murchison-sasl-login), in any case; nullptr for any
    // other.
    static std::unique_ptr<SaslExchange> create(std::string_view mechanism);

    // The initial response or the answer to the last challenge. Without an initial response: a mechanism for
    // which client_first() holds wants an empty challenge first ("334 "); any other is begun with
    // respond("").
    virtual Step respond(std::string_view decoded_response) = 0;
    [[nodiscard]] virtual bool client_first() const = 0;
    virtual ~SaslExchange() = default;
};

}  // namespace posthorn::auth
