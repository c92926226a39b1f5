// The table of known fields: see field_names.hpp.
#include "intake/field_names.hpp"

#include <array>

#include "auth/stream.hpp"
#include "base/text.hpp"

namespace posthorn::intake {
namespace {

struct KnownField {
    std::string_view name;
    Field field;
};
constexpr std::array kKnown{
    KnownField{"Received", Field::received},
    KnownField{"From", Field::from},
    KnownField{"To", Field::to},
    KnownField{"Subject", Field::subject},
    KnownField{"Date", Field::date},
    KnownField{"Message-ID", Field::message_id},
    KnownField{"MIME-Version", Field::mime_version},
    KnownField{"Content-Type", Field::content_type},
    KnownField{"Content-Transfer-Encoding", Field::content_transfer_encoding},
    KnownField{"Sender", Field::sender},
    KnownField{"Reply-To", Field::reply_to},
    KnownField{"Cc", Field::cc},
    KnownField{"Bcc", Field::removed},           // RFC 5322 s3.6.3
    KnownField{"Return-Path", Field::removed},   // RFC 5321 s4.4
    KnownField{"In-Reply-To", Field::in_reply_to},
    KnownField{"References", Field::references},
    KnownField{"List-Unsubscribe", Field::list_unsubscribe},
    KnownField{"List-Unsubscribe-Post", Field::list_unsubscribe_post},
    KnownField{"Feedback-ID", Field::feedback_id},
    KnownField{"DKIM-Signature", Field::dkim_signature},
    KnownField{"Authentication-Results", Field::authentication_results},
    KnownField{"Auto-Submitted", Field::structured},
    KnownField{"Disposition-Notification-To", Field::structured},
    KnownField{"Errors-To", Field::structured},
};
constexpr std::array<std::string_view, 5> kStructured{"Resent-", "Content-", "List-", "ARC-", "X-Posthorn-"};

}  // namespace

Field classify(std::string_view name) {
    for (const KnownField& known : kKnown) {
        if (known.name.size() == name.size() && text::iequals(known.name, name)) return known.field;
    }
    for (const std::string_view prefix : kStructured) {
        if (!text::istarts_with(name, prefix)) continue;
        if (prefix != "X-Posthorn-") return Field::structured;
        if (text::iequals(name, kExpiryField)) return Field::control_expiry;
        return text::iequals(name, auth::kStreamField) ? Field::control_stream : Field::removed;
    }
    return Field::other;
}

}  // namespace posthorn::intake
