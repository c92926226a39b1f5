// What a reply means: by the provider's rules, then by the standards', then by its first digit (PR-34).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "delivery/judgement.hpp"
#include "smtp/protocol/reply.hpp"
#include "smtp/protocol/stage.hpp"

namespace posthorn::delivery {

class ProviderRules;

// A reply, and what is known of the session it came in. Refers to what it is given.
struct ReplyFacts {
    ReplyFacts(smtp::protocol::Stage at, const smtp::protocol::Reply& words) : stage(at), reply(words) {}

    smtp::protocol::Stage stage;
    const smtp::protocol::Reply& reply;
    std::string provider;       // "google", or empty
    bool local = false;         // our own decision, nothing the peer said: its words are not looked at
    bool last_host = true;      // no further MX host is left, so that a host's refusal becomes the message's
    bool strict_5xx = false;    // retry.strict_5xx: every 5xx is final (PR-52)
    bool tls = true;            // the session was encrypted
    bool ipv6 = false;
    std::size_t accepted_before =
        0;  // others of the transaction that were taken, before this one where it is about RCPT
    std::uint32_t attempts = 0;  // of the recipient, before this one
    // Whether a From domain is one of ours, which we could repair (PR-49). Empty: all are.
    std::function<bool(std::string_view domain)> ours;
};

// Pure. The reply's first digit decides about retrying (RFC 5321 s4.2.1, SMTP-7), but where a rule says that
// a 5xx is kept (class auth: providers.md 2.7) and strict_5xx does not say otherwise. Code 0 is no word of a
// peer's, and matches no rule.
[[nodiscard]] Judgement classify(const ReplyFacts& facts, const ProviderRules& rules);

// What a reply is known by: its code and words in lower case, with "<@>" in place of the addresses it quotes.
// Those are the sender's choice, not the peer's word: "550 5.1.1 <dkim@example.com> unknown" is about a
// mailbox, and
// <"must authenticate"@example.com> about nothing.
[[nodiscard]] std::string telling_words(const smtp::protocol::Reply& reply);
// A text with "<@>" in place of the addresses in it; everything else as it is.
[[nodiscard]] std::string without_addresses(std::string_view text);

// "in 300 seconds", "in 5 minutes": the first such phrase of a text in lower case, at most a day.
[[nodiscard]] std::optional<Duration> named_wait(std::string_view words);

}  // namespace posthorn::delivery
