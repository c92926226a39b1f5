// What became of a recipient in one attempt: the result, what it concerns, where it happened, and the peer's words.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/protocol/reply.hpp"
#include "smtp/protocol/stage.hpp"

namespace posthorn::delivery {

enum class Disposition : std::uint8_t { delivered, deferred, failed };

struct Judgement;

// What a refusal means, apart from what is done about it: the classes of providers.md 2.5 (docs/REFUSALS.md says what each
// does), then those of our own making. The reply code decides whether there is a retry (PR-36), the class how.
enum class Class : std::uint8_t {
    none,       // delivered
    temp,       // a passing trouble of this message or recipient
    grey,       // greylisting: the same again, a little later
    throttle,   // we send too much: slower, for whom Judgement::whose says
    auth,       // the sender is not authenticated: held until DNS is repaired
    tlsreq,     // they want TLS
    rep,        // our address's or domain's reputation
    content,    // what the message says
    rfc,        // how the message is made
    rcpt_perm,  // no such mailbox. The only class that may suppress a recipient (PR-54)
    rcpt_full,  // the mailbox is full
    size,       // the message is too large
    split,      // too many recipients in one transaction
    proto,      // the dialogue went wrong
    relay,      // they do not relay for us
    mbr,        // the recipient or his administrator does not want it
    // Of our own making, or where nothing more is known.
    local,
    dns,
    connection,
    expired,
    suppressed,
    permanent   // any other 5xx
};

// What a failure says something about: after smtp_trouble.c's session, site, message, recipient.
enum class Scope : std::uint8_t { recipient, message, session, host, site };

struct Outcome {
    Disposition result = Disposition::deferred;
    Class failure_class = Class::none;
    Scope scope = Scope::recipient;
    smtp::protocol::Stage stage = smtp::protocol::Stage::greeting;
    smtp::protocol::Reply reply;         // the peer's, or one we made from our own error (code 0: none)
    // What classify() found in the reply: causes, pauses, advice. Null where there was no reply to judge: our own words.
    std::shared_ptr<const Judgement> judgement;
    std::string host;                    // "mx.example.com[192.0.2.1]"
    std::string relay;                   // by which it was to go, where no plan could be made for that
    // For people, some lines: what a look at DNS found wrong, with the records to publish. Of mail given up during a suspension.
    std::string diagnosis;
    bool maybe_delivered = false;        // the connection was lost after the final dot
    // We are short of something ourselves (descriptors, memory, local ports): says nothing of the peer or the message, is no
    // attempt, and is not recorded.
    bool shortage = false;
};

// An outcome of our own, before or without any words of a peer; the reply's line is the enhanced code and the text.
[[nodiscard]] Outcome own_outcome(Disposition result, Class failure_class, Scope scope, std::uint16_t code,
                                  smtp::protocol::EnhancedCode enhanced, std::string text);

[[nodiscard]] std::string_view to_string(Disposition result);
// "temp", "rcpt-perm", ...; "" for none. The words are in the queue's database, in the log, and in JSON.
[[nodiscard]] std::string_view to_string(Class failure_class);
// Nothing: no such word. "recipient", which older versions stored, is rcpt_perm.
[[nodiscard]] std::optional<Class> class_of(std::string_view word);

}  // namespace posthorn::delivery
