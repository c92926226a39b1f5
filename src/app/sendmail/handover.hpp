// The dialogue in which a message is handed to the daemon, without the connection: replies in, octets and an outcome out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mail/handoff.hpp"
#include "smtp/protocol/reply.hpp"

namespace posthorn::app::sendmail {

// A message that is whole and waits to be handed over. Its octets stand elsewhere (content.hpp).
struct Letter {
    mail::Handoff handoff;
    std::string author;            // author_of() its header, for peers that derive no sender; may be empty
    bool has_from = true;
    bool has_header = true;        // false: text alone; the daemon makes one, a stranger must be given one
    bool begins_with_text = false; // has_header is false, and no empty line stands before the text
    bool eight_bit = false;        // anywhere in it
    std::uint64_t octets = 0;
};

enum class Fate : std::uint8_t {
    stored,       // the peer answered 250: durable there (SM-27)
    refused,      // for good, or until the operator acts (rate, suspension): nothing was stored, and the spool would not help
    unanswered,   // no dialogue came about: the next way
    postponed,    // it answered "later" (4yz), or lacks what the message needs: the spool keeps it
    doubtful,     // the connection broke between the message's end and the answer: the spool keeps it under the same name
};

struct Outcome {
    Fate fate = Fate::unanswered;
    std::string words;             // the peer's, or what happened; for one line
    int exit_code = 0;             // of refused
    // With stored, and with refused where no recipient at all was taken: places in the envelope and the peer's words. Empty with
    // refused: the whole message was.
    struct Left {
        std::size_t recipient = 0;
        bool later = false;        // 4yz: the spool keeps it for these; false: refused
        int exit_code = 0;
        std::string words;
    };
    std::vector<Left> left;
};

struct HandoverOptions {
    std::string hostname;          // in EHLO, and for senders without a domain
    std::string name;              // handoff_name, for XHANDOFF
    // One refused recipient and the message is sent to nobody (for -bs, whose client hears of one answer only).
    bool all_or_nothing = false;
};

// With the message's end this much or less is sent along with MAIL and RCPT, before they are answered: one round trip.
inline constexpr std::uint64_t kSendAlongOctets = 64 * 1024;

// Pure; used once, for one connection. The driver: writes `text`, then the message's octets (with `stuffed`: as DATA wants them, with
// a dot before leading dots and ".CRLF" at the end), then `after`; reads replies and gives each to on_reply until outcome().
class Handover {
public:
    struct Step {
        std::string text;
        bool content = false;
        bool stuffed = false;
        std::string after;
        std::string prefix;        // octets that go before the message's own: header_for_strangers
    };

    Handover(const Letter& letter, HandoverOptions options) : letter_(&letter), options_(std::move(options)) {}

    [[nodiscard]] Step on_reply(const smtp::protocol::Reply& reply);
    // The connection broke, time ran out, or what came is no reply. why: for the operator.
    void on_lost(std::string why);
    // All of the message was written, with what ends it: from now on the peer may have stored it.
    void on_content_written() { content_written_ = true; }

    [[nodiscard]] const std::optional<Outcome>& outcome() const { return outcome_; }

private:
    enum class Stage : std::uint8_t { greeting, ehlo, mail, recipients, data, end };
    [[nodiscard]] Step begin();
    [[nodiscard]] Step next_group();
    [[nodiscard]] Step content();
    [[nodiscard]] std::string mail_command() const;
    [[nodiscard]] std::string recipient_command(std::size_t index) const;
    [[nodiscard]] std::string sender_for_strangers() const;
    [[nodiscard]] std::string header_for_strangers() const;
    void conclude(const smtp::protocol::Reply& reply);
    void end(Fate fate, std::string words, int exit_code = 0);

    const Letter* letter_;
    HandoverOptions options_;
    Stage stage_ = Stage::greeting;
    bool knows_callers_ = false;   // XCALLER: a Posthorn behind a unix socket
    bool pipelining_ = false, chunking_ = false, dsn_ = false, size_ = false, eight_bit_mime_ = false, smtputf8_ = false,
         require_tls_ = false;
    bool sent_along_ = false;      // the content went out with the commands
    bool content_written_ = false;
    std::size_t answered_ = 0;     // recipients
    std::size_t taken_ = 0;
    std::optional<smtp::protocol::Reply> mail_refusal_;
    std::vector<Outcome::Left> left_;
    std::optional<Outcome> outcome_;
};

// The exit code that tells a refusal's kind to scripts (SM-30): sender, recipient, size, policy, content.
[[nodiscard]] int exit_code_of(const smtp::protocol::Reply& reply);
// x.7.x: rate limits and suspensions, also as 4yz: a spool would only hide them.
[[nodiscard]] bool is_policy(const smtp::protocol::Reply& reply);

}  // namespace posthorn::app::sendmail
