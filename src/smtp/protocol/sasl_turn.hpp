// What the SMTP session and a SASL mechanism say to each other: one turn of an AUTH exchange as values (RFC
// 4954 s4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace posthorn::smtp::protocol {

// What the client said, for the mechanism to answer with a SaslAnswer. Base64, "=" and "*" are read already.
struct SaslTurn {
    std::string mechanism;  // upper case, one of ServerFacts::mechanisms
    bool first = true;      // the AUTH command itself: begin anew, whatever exchange was under way
    std::optional<std::string> response;  // decoded octets; nothing: AUTH came without an initial response
};

// The mechanism's answer.
struct SaslAnswer {
    enum class Kind : std::uint8_t {
        challenge,    // 334, and the client's next line is a turn
        accepted,     // 235; where there are final octets, 334 with them and an empty line of the client come
                      // before it
        rejected,     // 535 5.7.8, counted as a failed authentication
        disabled,     // 525 5.7.13 (RFC 5248 s2), counted likewise: the right user, who may not send any more; to be
                      // said to nobody who has not proved to be him
        malformed,    // 501 5.5.2: not the mechanism's syntax
        unavailable,  // 454 4.7.0: nobody could look, not the client's failure
        turned_away,  // 421 4.7.0: nothing more is said to this client, right or wrong; the session ends
    };
    Kind kind = Kind::unavailable;
    std::string user;  // of accepted, never empty; of rejected: who the client says he is, for the driver's records
    std::optional<std::string> octets;  // of challenge, and the final ones of accepted; not yet base64

    static SaslAnswer challenge(std::string octets) { return {Kind::challenge, {}, std::move(octets)}; }
    static SaslAnswer accepted(std::string user, std::optional<std::string> final_octets = std::nullopt) {
        return {Kind::accepted, std::move(user), std::move(final_octets)};
    }
    static SaslAnswer rejected(std::string user = {}) { return {Kind::rejected, std::move(user), std::nullopt}; }
    static SaslAnswer disabled() { return {Kind::disabled, {}, std::nullopt}; }
    static SaslAnswer malformed() { return {Kind::malformed, {}, std::nullopt}; }
    static SaslAnswer unavailable() { return {Kind::unavailable, {}, std::nullopt}; }
    static SaslAnswer turned_away() { return {Kind::turned_away, {}, std::nullopt}; }

    // A constructor, so that an answer may be made in an expression with co_await (docs/COROUTINES.md).
    SaslAnswer(Kind what, std::string who, std::optional<std::string> bytes)
        : kind(what), user(std::move(who)), octets(std::move(bytes)) {}
};

}  // namespace posthorn::smtp::protocol
