// List-Unsubscribe for one recipient: the opaque token that names list and recipient, and the two header
// fields around it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/options.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::auth {

// What a token says.
struct Unsubscription {
    std::string stream;
    std::string recipient;
    std::chrono::sys_days issued;

    friend bool operator==(const Unsubscription&, const Unsubscription&) = default;
};

// Makes and reads tokens. Nothing is stored: whoever has the key can read a token (RFC 8058 s3.1: the URI
// must identify recipient and list, and be hard to forge). Immutable after it was made; any thread.
//
// A token is base64url without padding of
//   1 octet   version 1 (top 2 bits), text form (1 bit: 0 octets, 1 packed), key id (low 5 bits)
//   10 octets synthetic IV: HMAC-SHA-256(mac key, first octet | plain) cut to 80 bits
//   n octets  plain under AES-256-CTR with the synthetic IV (zero-padded to 16) as initial counter
// plain = 2 octets days since 1970, then stream "@" recipient, packed three characters to two octets where
// all are of a-z 0-9 . - _ @ (padded with "@"), else octets with '\n' between. mac key and cipher key are
// HMAC-SHA-256 of the secret over "posthorn unsubscribe mac" / "posthorn unsubscribe key"; key id is the
// first octet of the mac key, low 5 bits. This is deterministic authenticated encryption in the manner of SIV
// (RFC 5297): no nonce to repeat, the address is not readable in logs. A stream and recipient of together 40
// characters make 56 characters; up to 43 octets (58 characters: "unsub+" and the token fill the 64 of a
// local part) hold 44 characters of stream and recipient.
class UnsubscribeTokens {
public:
    // One secret a line, 32 or more octets in hex or base64; '#' begins a comment. The first makes tokens,
    // all read them: to rotate, put the new one on top and keep the old for 13 months, since people
    // unsubscribe from old mail.
    [[nodiscard]] static Result<UnsubscribeTokens> parse(std::string_view text, const std::string& file_name);
    [[nodiscard]] static Result<UnsubscribeTokens> load(const std::string& path,
                                                        std::string* warning = nullptr);
    // A new key file's content: 32 random octets in hex.
    [[nodiscard]] static Result<std::string> generate_key();

    [[nodiscard]] std::string make(std::string_view stream, std::string_view recipient, TimePoint now) const;
    // Nothing when it was not made by one of our keys; says no more, so that a prober learns nothing.
    [[nodiscard]] std::optional<Unsubscription> read(std::string_view token) const;

private:
    struct Key {
        std::array<std::uint8_t, 32> mac{};
        std::array<std::uint8_t, 32> cipher{};
        std::uint8_t id = 0;
    };
    std::vector<Key> keys_;
};

// What is wrong with a stream's templates, one sentence each; empty when it can be used. {token} must be in
// the URL, {list} may; an https URI of at most 500 octets, no blanks or <> (RFC 8058 s3.1, RFC 2369 s2).
[[nodiscard]] std::vector<std::string> check_templates(const StreamOptions& stream);

// "List-Unsubscribe: <https://...>,\r\n <mailto:...>\r\nList-Unsubscribe-Post:
// List-Unsubscribe=One-Click\r\n": the https URI first, no blank inside the brackets, one URI a line. The
// mailto URI is left out where the token would make its local part longer than 64 octets (RFC 5321
// s4.5.3.1.1); "unsubscribe@example.com?subject={token}" has no such bound. REQUIRES: check_templates(stream)
// is empty.
[[nodiscard]] std::string render_list_unsubscribe(const StreamOptions& stream, std::string_view token);

}  // namespace posthorn::auth
