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
#include "base/clock.hpp"
#include "base/queue_id.hpp"
#include "mail/envelope.hpp"
#include "mail/message.hpp"
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
    bool hide_client_address = false;            // our Received field names no client
};

// Who submits, and how: the facts of one connection that end up in the Received field and in the log.
struct Submission {
    QueueId id;
    TimePoint now{};
    std::string helo;                            // as the client said it; empty where there was none
    std::string client;                          // the client's address in text, or "unix"
    std::string protocol;                        // RFC 3848 and 6531: "ESMTP", "ESMTPSA", "UTF8SMTPSA", "local"
    std::string user;                            // authenticated as, or empty
    std::string tls;                             // "TLSv1.3 TLS_AES_256_GCM_SHA384", or empty
};

// Why a message was not taken, ready to be said to the client: "554 5.6.0 ...".
struct Refusal {
    std::uint16_t code = 554;
    std::string_view enhanced = "5.6.0";         // of static storage
    std::string text;                            // one line, without control characters
};

// A message ready for the store. When it spilled, the caller closes the spool file and names it in message->body.spool_file.
struct AcceptedMail {
    std::shared_ptr<mail::Message> message;
    std::vector<queue::NewRecipient> recipients;  // due at once, unclaimed
};

using Verdict = std::variant<AcceptedMail, Refusal>;

// One message on its way in. Feed it the decoded octets of DATA (CRLF line ends, dots unstuffed), then finish().
//
// What is changed, always before signing and only where needed (RFC 6409 s8): a Received field is prepended (RFC 5321 s4.4), missing
// Date and Message-ID are added, Return-Path, Bcc and X-Posthorn-* are taken out; every other octet stays as it came.
// What is refused: a header block that is not one, a missing, double or unreadable From, double Sender, Subject, Date or Message-ID,
// a mail loop.
//
// GUARANTEE: any slicing of the input gives the same result. Pure; used by one thread at a time.
// Memory: header and body as they come, until the body passes inline_body_limit; from then on whoever feeds takes the
// pieces with take_spill() and keeps them in a file.
class Intake {
public:
    Intake(std::shared_ptr<const Rules> rules, Submission submission, mail::Envelope envelope);
    Intake(Intake&&) noexcept;
    Intake& operator=(Intake&&) noexcept;
    ~Intake();

    void feed(std::string_view octets);

    // True when the body held in memory has passed the limit: call take_spill() before feeding more.
    [[nodiscard]] bool wants_spill() const { return body_.size() > rules_->inline_body_limit; }
    // The body's next octets for the spool file, in order. After the first call the message's body lives there, and the
    // caller takes the last piece after finish() has accepted.
    [[nodiscard]] std::string take_spill();
    [[nodiscard]] bool spilled() const { return spilled_; }

    // Octets held in memory.
    [[nodiscard]] std::uint64_t memory() const { return header_.size() + body_.size(); }
    [[nodiscard]] const Submission& submission() const { return submission_; }

    // REQUIRES: all octets were fed; called once.
    [[nodiscard]] Verdict finish();

private:
    enum class Part : std::uint8_t { header, body, refused };

    void feed_body(std::string_view octets);
    void header_complete();
    void refuse(std::uint16_t code, std::string_view enhanced, std::string text);

    std::shared_ptr<const Rules> rules_;
    Submission submission_;
    mail::Envelope envelope_;

    Part part_ = Part::header;
    bool at_line_start_ = true;                  // in the header: nothing of the current line was seen yet
    bool cr_at_line_start_ = false;              // in the header: the current line is a lone CR so far
    std::string header_;                         // as submitted; rewritten once it is complete
    std::string stream_;
    bool header_has_8bit_ = false;
    std::string body_;
    bool spilled_ = false;
    mail::BodyFacts facts_;
    std::unique_ptr<auth::dkim::BodyHash> hash_;
    std::optional<Refusal> refusal_;
};

}  // namespace posthorn::intake
