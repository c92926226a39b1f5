// Which header fields intake knows, and what each is to it (RFC 5322 s3.6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace posthorn::intake {

enum class Field : std::uint8_t {
    // At most one each (RFC 5322 s3.6, SUB-11). Up to reply_to they hold addresses.
    from, sender, to, cc, reply_to,
    subject, date, message_id, in_reply_to, references,
    mime_version, content_type, content_transfer_encoding, list_unsubscribe, list_unsubscribe_post, feedback_id,
    // As many as there are.
    received, dkim_signature, authentication_results,
    control_stream, control_expiry, removed,   // ours to read, and never sent on
    structured, other,         // with a grammar that has no place for free text; any other
};
// How long the message is worth delivering: "1h" of a password reset (providers.md 2.7).
inline constexpr std::string_view kExpiryField = "X-Posthorn-Expire";
inline constexpr std::size_t kFields = static_cast<std::size_t>(Field::other) + 1;

constexpr bool is_single(Field field) { return field <= Field::feedback_id; }
constexpr bool holds_addresses(Field field) { return field <= Field::reply_to; }
// Lists that may be joined into one (RFC 5322 s4.5.3: obsolete syntax had them several times).
constexpr bool may_be_joined(Field field) { return field == Field::to || field == Field::cc || field == Field::reply_to; }
// Free text, where encoded words may stand (RFC 2047 s5 (1)).
constexpr bool is_text(Field field) { return field == Field::subject || field == Field::other; }

[[nodiscard]] Field classify(std::string_view name);

}  // namespace posthorn::intake
