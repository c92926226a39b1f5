// Which addresses somebody may send as: the rules of [[user]] senders, compared as mail compares addresses.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::auth {

// Immutable. Holds for the envelope's sender and for the address in From alike (RFC 6409 s6.1, SUB-6).
//
// A rule is one of
//   alice@example.com     that mailbox, also with a detail: alice+lists@example.com (RFC 5233 s1)
//   @example.com          everybody at exactly that domain
//   @*.example.com        everybody at any domain below it
//   *                     anybody
// Domains are compared in their A-label form without case (RFC 5890 s2.3.2.4); local parts with their quotes
// undone (RFC 5321 s4.1.2) and, other than a receiving server would, without regard to ASCII case: Alice@ and
// alice@ are one person to whoever wrote the rule. Octets above 127 are compared as they are.
class SenderRules {
public:
    SenderRules() = default;  // allows nobody
    // Rules that cannot be read allow nobody.
    explicit SenderRules(std::span<const std::string> rules);
    [[nodiscard]] static SenderRules anybody();
    // Everybody at one of the domains or below it.
    [[nodiscard]] static SenderRules of_domains(std::span<const std::string> domains);

    // `domain` in A-label or U-label form or as an address literal; literals and names that are none match
    // "*" only.
    [[nodiscard]] bool allow(std::string_view local, std::string_view domain) const;

private:
    struct Mailbox {
        std::string local;  // unquoted, ASCII letters lower case
        std::string domain;
    };
    bool anybody_ = false;
    std::vector<Mailbox> mailboxes_;
    std::vector<std::string> domains_;  // lower case A-labels
    std::vector<std::string> above_;    // the domains below them
};

}  // namespace posthorn::auth
