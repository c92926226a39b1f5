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
#include "intake/options.hpp"
#include "mail/body_scanner.hpp"
#include "mail/envelope.hpp"
#include "mail/message.hpp"
#include "mail/split.hpp"
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
    Duration lifetime = std::chrono::hours(5 * 24);
    Duration dsn_lifetime = std::chrono::hours(2 * 24);
    IntakeOptions options;
    std::string first_domain;                    // of [[domain]]; completes addresses when nothing better is known
};

// Who submits, and how: what ends up in the Received field and in the log.
struct Submission {
    QueueId id;
    TimePoint now{};                             // of acceptance
    std::string helo;                            // as the client said it; empty where there was none
    std::optional<IpAddress> client_ip;          // none for a unix socket
    std::string_view protocol;                   // mail::received_protocol() or "local"; of static storage
    std::string user;                            // authenticated as, or empty
    const auth::SenderRules* senders = nullptr;  // what may stand in From; null: anything. Outlives the intake
    std::string tls_cipher;                      // "TLS_AES_256_GCM_SHA384", or empty
    std::string source;                          // for the log and `queue show`: "user=..", "ip=..", "uid=.."
};

// Why a message was not taken, ready to be said to the client.
struct Refusal {
    std::uint16_t code = 554;
    std::string_view enhanced = "5.6.0";         // of static storage
    std::string text;                            // one line of ASCII without control characters
};

// A message ready for the store. Where the body spilled, the caller closes the spool file, names it in
// message->body.spool_file and only then lets go of its right to change the message.
struct AcceptedMail {
    std::shared_ptr<mail::Message> message;
    std::vector<queue::NewRecipient> recipients;  // due at once, unclaimed
};

using Verdict = std::variant<AcceptedMail, Refusal>;

// One message on its way in. Feed it the octets of the message (CRLF line ends, dots unstuffed), then finish().
//
// Changed, before signing and only where needed (RFC 6409 s8): a Received field is prepended (RFC 5321 s4.4); missing Date
// and Message-ID are added, the latter with the From domain on its right side; Return-Path (RFC 5321 s4.4), Bcc (RFC 5322
// s3.6.3) and X-Posthorn-* are taken out. Every other octet stays as it came.
// Refused: a header block that is not one; a From that is missing, double, unreadable or of several authors; a second Sender,
// Subject, Date or Message-ID (RFC 5322 s3.6); a mail loop (RFC 5321 s6.3); what auth::choose_stream refuses.
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

    // Octets held in memory, the strings' room to grow included.
    [[nodiscard]] std::uint64_t memory() const { return splitter_.header().capacity() + body_.capacity(); }
    [[nodiscard]] const Submission& submission() const { return submission_; }

    // REQUIRES: all octets were fed; called once.
    [[nodiscard]] Verdict finish();

private:
    void feed_body(std::string_view octets);
    void judge_header();
    void refuse(std::uint16_t code, std::string_view enhanced, std::string text);
    [[nodiscard]] std::string received_field() const;
    [[nodiscard]] std::vector<queue::NewRecipient> recipients();

    std::shared_ptr<const Rules> rules_;
    Submission submission_;
    mail::Envelope envelope_;

    mail::MessageSplitter splitter_;
    bool judged_ = false;
    std::string header_;                         // as it will be stored, once judged
    std::string stream_;
    bool header_has_8bit_ = false;

    std::string body_;
    bool spilled_ = false;
    mail::BodyScanner scanner_;
    auth::dkim::BodyHasher hasher_{auth::Canonical::relaxed};

    std::optional<Refusal> refusal_;
};

}  // namespace posthorn::intake
