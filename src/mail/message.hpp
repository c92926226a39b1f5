// A complete message as the queue keeps it: immutable, shared by all that deliver, show or sign it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/queue_id.hpp"
#include "mail/envelope.hpp"

namespace posthorn::mail {

// What was seen of the body's octets while they arrived.
struct BodyFacts {
    std::uint64_t size = 0;                // octets, CRLF line ends, before dot-stuffing
    std::uint32_t longest_line = 0;        // octets without CRLF
    bool has_8bit = false;
    bool has_leading_dot = false;          // false: the body goes out without a dot-stuffing pass
    bool ends_with_crlf = true;
};

// Where the body's octets are: in memory, or in a spool file of the queue's directory (exactly one, or an empty body in memory).
struct Body {
    std::shared_ptr<const std::string> bytes;   // null when in a spool file
    std::string spool_file;                     // path relative to the queue's spool directory
    BodyFacts facts;
};

// GUARANTEE: never changed after it was made. `header` ends with the CRLF of its last field; the empty line between header
// and body is in neither. Header and body together are what DKIM signs, with what delivery prepends.
struct Message {
    QueueId id;
    TimePoint accepted_at{};
    TimePoint expires_at{};
    std::string reverse_path;
    BodyType body_type = BodyType::unset;
    bool smtputf8 = false;
    bool require_tls = false;
    bool header_has_8bit = false;
    DsnReturn ret = DsnReturn::unset;
    std::string envid;
    std::string stream;                         // name of the list stream, or empty; non-empty means personal headers
    std::string source;                         // who submitted, for the log: "user=..", "ip=..", "uid=..", "dsn"
    // Where a local submission came from, in words for the operator (its claims included): "uid=33 user=www-data pid=812
    // script=12:mailer.php cmd=\"php-fpm: pool www\"". Empty for mail that came over the network.
    std::string origin;
    std::string header;
    Body body;
    // SHA-256 of the body in relaxed canonical form (RFC 6376 s3.4.4), computed while it arrived.
    std::array<std::uint8_t, 32> relaxed_body_hash{};

    [[nodiscard]] std::uint64_t size() const { return header.size() + 2 + body.facts.size; }
};

using MessagePtr = std::shared_ptr<const Message>;

}  // namespace posthorn::mail
