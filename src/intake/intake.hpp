// What turns the octets somebody submitted into a message the queue can keep, or into the reason why not.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "auth/dkim/canonical.hpp"
#include "auth/options.hpp"
#include "auth/sender_rules.hpp"
#include "base/clock.hpp"
#include "base/endpoint.hpp"
#include "base/queue_id.hpp"
#include "intake/body_repair.hpp"
#include "intake/caller.hpp"
#include "intake/local_names.hpp"
#include "intake/options.hpp"
#include "intake/sender_policy.hpp"
#include "mail/body_scanner.hpp"
#include "mail/envelope.hpp"
#include "mail/message.hpp"
#include "mail/split.hpp"
#include "mail/utf8_check.hpp"
#include "queue/store.hpp"

namespace posthorn::intake {

// What holds for every message until the next reload. Shared and immutable.
struct Rules {
    std::string hostname;                        // "by" of our Received field
    std::string postmaster;                      // who gets mail for <postmaster> without a domain; empty: nobody
    std::vector<auth::StreamOptions> streams;
    std::uint32_t max_received_fields = 50;
    std::uint64_t max_header_size = 256 * 1024;  // octets, as submitted
    std::uint64_t inline_body_limit = 256 * 1024;
    std::uint64_t max_message_size = 0;          // octets of a re-encoded message; 0: any. What comes in the session bounds
    Duration lifetime = std::chrono::hours(5 * 24);
    Duration dsn_lifetime = std::chrono::hours(2 * 24);
    IntakeOptions options;
    std::string first_domain;                    // of [[domain]]; completes addresses when nothing better is known
    Sites sites;                                 // as whom programs of this machine may send
    LocalNames local;                            // names of this machine, as recipients
    // Is the recipient to be expanded? <postmaster> without a domain is who the setting says (RFC 5321 s4.5.1).
    [[nodiscard]] bool is_local(std::string_view recipient) const;
};

// Who submits, and how: what ends up in the Received field and in the log.
struct Submission {
    QueueId id;
    TimePoint now{};                             // of acceptance
    std::string helo;                            // as the client said it; empty where there was none
    std::optional<IpAddress> client_ip;          // none for a unix socket
    std::string_view protocol;                   // mail::received_protocol() or "local"; of static storage
    std::string user;                            // authenticated as, or empty
    const auth::SenderRules* senders = nullptr;  // what may stand in From and Sender; null: anything. Outlives the intake
    std::string tls_cipher;                      // "TLS_AES_256_GCM_SHA384", or empty
    std::string source;                          // for the log and `queue show`: "user=..", "ip=..", "uid=.."
    // A program of this machine that did not log in: known by its socket or the owner of its file (issue 5, contract 1).
    std::optional<Caller> caller;
    bool sender_asked = true;                    // false: no sender was named (sendmail without -f), it is derived
    std::string full_name;                       // of sendmail's -F, for a From that is missing (SM-4); or empty
    // As whom it may leave; null: as it says. Of the Rules' sites, with whom it lives.
    const SenderPolicy* sender_policy = nullptr;
};

// Why a message was not taken, ready to be said to the client.
struct Refusal {
    std::uint16_t code = 554;
    std::string_view enhanced = "5.6.0";         // of static storage
    std::string text;                            // one line of ASCII without control characters
    bool of_sender = false;                      // From or Sender is not the user's to send from (SUB-6)
};

// A message ready for the store. Where the body spilled, the caller closes the spool file, names it in
// message->body.spool_file and only then lets go of its right to change the message.
struct AcceptedMail {
    std::shared_ptr<mail::Message> message;
    std::vector<queue::NewRecipient> recipients;  // due at once, unclaimed
    std::vector<std::string> repaired;            // for the log: "added Date", "removed Bcc", "re-encoded body"
    std::vector<std::string> warnings;            // for the log: what other servers may refuse
};

using Verdict = std::variant<AcceptedMail, Refusal>;

// One message on its way in. Feed it the octets of the message (CRLF line ends, dots unstuffed), then finish().
//
// Changed, before signing and only where needed (RFC 6409 s8); docs/SUBMISSION.md has the whole list. A Received field is
// prepended (RFC 5321 s4.4). Header: missing From, To, Date and Message-ID are added, unusable Date and Message-ID replaced,
// bare addresses completed, 8-bit text encoded, long lines folded; Bcc, Return-Path, X-Posthorn-*, what options.remove_fields
// names and the second of two equal fields are taken out. Body: parts with lines over 998 octets are re-encoded (BodyRepair),
// and 8-bit text without MIME fields gets them. Every other octet stays as it came.
// Refused, with the line: a header block that is not one, too large, or with a field twice; a From of no or several
// addresses; 8-bit octets that cannot be encoded; a mail loop (RFC 5321 s6.3); what auth::choose_stream refuses.
// A message that somebody else has signed is not changed but for trace fields and what must not be sent on (SUB-17); what
// would have to be changed is refused, or stays as it is where receivers take that.
//
// GUARANTEE: any slicing of the input gives the same verdict. Pure; used by one thread at a time.
// Memory: header and body as they come, until the body passes inline_body_limit; from then on whoever feeds takes the
// pieces with take_spill() and keeps them in a file. Of a message already refused nothing is kept.
class Intake {
public:
    // REQUIRES: rules are not null; the envelope has a recipient.
    Intake(std::shared_ptr<const Rules> rules, Submission submission, mail::Envelope envelope);

    void feed(std::string_view octets);

    // The body held in memory has passed the limit: take_spill() before feeding more.
    [[nodiscard]] bool wants_spill() const { return body_.size() > rules_->inline_body_limit; }
    // The body's next octets for the spool file, in order. From the first call on the message's body lives there; the last
    // piece is to be taken after finish() has accepted.
    [[nodiscard]] std::string take_spill();
    [[nodiscard]] bool spilled() const { return spilled_; }

    // A body in a file that has to be read again, because its lines are too long: ask when all octets were fed and the last
    // piece was spilled, feed the file's octets to feed_again() in order, call end_pass(), and ask again until there is none.
    // In the second pass the body is written anew: its pieces (take_spill) belong into a new file. A body in memory needs none
    // of this.
    enum class Pass { survey, rewrite };
    [[nodiscard]] std::optional<Pass> next_pass();
    void feed_again(std::string_view octets);
    void end_pass();

    // Octets held in memory; of the body with its room to grow.
    [[nodiscard]] std::uint64_t memory() const { return splitter_.header().size() + header_.size() + body_.capacity(); }
    [[nodiscard]] const Submission& submission() const { return submission_; }

    // REQUIRES: all octets were fed, all passes made; called once.
    [[nodiscard]] Verdict finish();

private:
    void feed_body(std::string_view octets);
    void feed_anew(std::string_view octets);
    void judge_header();
    void end_of_input();
    void note_text_type();
    [[nodiscard]] bool must_repair_body() const;
    void begin_repair();
    void say_mime(std::string_view content_type);
    void repair_body();
    void finish_body();
    void refuse(std::uint16_t code, std::string_view enhanced, std::string text);
    [[nodiscard]] std::string received_field() const;
    [[nodiscard]] std::vector<queue::NewRecipient> recipients();
    void complete(std::string& recipient) const;

    std::shared_ptr<const Rules> rules_;
    Submission submission_;
    mail::Envelope envelope_;

    mail::MessageSplitter splitter_;
    bool judged_ = false;
    std::string header_;                         // as it will be stored, once judged
    std::string stream_;
    std::optional<Duration> lifetime_;   // that the submitter gives it
    std::vector<std::string> repaired_;
    std::vector<std::string> warnings_;
    bool has_mime_version_ = false;
    bool is_signed_ = false;

    std::string body_;
    bool spilled_ = false;
    mail::BodyScanner scanner_;
    mail::Utf8Check utf8_;                       // of a body without MIME-Version
    std::string_view text_type_;                 // what such a body is; known when it was seen whole, as it came
    std::optional<BodyRepair> repair_;
    std::optional<Pass> pass_;
    bool repaired_body_ = false;
    auth::dkim::BodyHasher hasher_{auth::Canonical::relaxed};

    std::optional<Refusal> refusal_;
};

}  // namespace posthorn::intake
