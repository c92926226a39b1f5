// The one table that says what a reply means: whether to try again, why, and what it says something about.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "delivery/outcome.hpp"

namespace posthorn::delivery {

struct Judgement {
    Disposition result = Disposition::deferred;
    Class failure_class = Class::temp;
    Scope scope = Scope::recipient;
    std::optional<Duration> wait;          // what the peer asked for ("try again in 300 seconds")
};

// Pure. The reply's first digit decides about retrying (RFC 5321 s4.2.1, SMTP-7), but for class auth: there a 5xx is kept
// until DNS is repaired (providers.md 2.7), unless strict_5xx. Our own replies (reply.code 0) are never matched by words.
// last_host: no further MX host is left, so that a host's refusal becomes the message's.
[[nodiscard]] Judgement classify(smtp::protocol::Stage stage, const smtp::protocol::Reply& reply, bool last_host,
                                 bool strict_5xx);

// What a reply is known by: its code and words in lower case, without the addresses it quotes. Those are the sender's choice, not
// the peer's word: "550 5.1.1 <dkim@example.com> unknown" is about a mailbox, and <"must authenticate"@example.com> about nothing.
[[nodiscard]] std::string telling_words(const smtp::protocol::Reply& reply);

// True when the text says that the sender is not authenticated: SPF, DKIM, DMARC, PTR or alignment, in the words providers use.
[[nodiscard]] bool speaks_of_authentication(std::string_view joined_reply);

// "greylisted", "try again in 5 minutes": the wait asked for, zero when none is named; nothing when this is no greylisting.
[[nodiscard]] std::optional<Duration> greylisting_wait(std::string_view joined_reply);

}  // namespace posthorn::delivery
