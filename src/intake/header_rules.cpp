// One pass over the fields counts what matters and notes what goes; the new text is then written once.
#include "intake/header_rules.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "auth/stream.hpp"
#include "base/text.hpp"
#include "mail/date.hpp"
#include "mail/domain.hpp"
#include "mail/header.hpp"
#include "mail/mailbox.hpp"
#include "mail/message_id.hpp"

namespace posthorn::intake {
namespace {

enum class Field : std::uint8_t {
    from, sender, subject, date, message_id,     // at most one each (RFC 5322 s3.6): two that differ are refused
    reply_to, to, cc, in_reply_to, references,   // at most one each, but no reason to lose the message
    mime_version, content_type, content_transfer_encoding,
    received, list_unsubscribe, list_unsubscribe_post, control_stream,
    removed, other,
};

struct KnownField {
    std::string_view name;
    Field field;
};
constexpr std::array<KnownField, 18> kKnown{{{"From", Field::from},
                                             {"Sender", Field::sender},
                                             {"Subject", Field::subject},
                                             {"Date", Field::date},
                                             {"Message-ID", Field::message_id},
                                             {"Reply-To", Field::reply_to},
                                             {"To", Field::to},
                                             {"Cc", Field::cc},
                                             {"In-Reply-To", Field::in_reply_to},
                                             {"References", Field::references},
                                             {"MIME-Version", Field::mime_version},
                                             {"Content-Type", Field::content_type},
                                             {"Content-Transfer-Encoding", Field::content_transfer_encoding},
                                             {"Received", Field::received},
                                             {"List-Unsubscribe", Field::list_unsubscribe},
                                             {"List-Unsubscribe-Post", Field::list_unsubscribe_post},
                                             {"Return-Path", Field::removed},
                                             {"Bcc", Field::removed}}};
constexpr std::string_view kControlPrefix = "X-Posthorn-";

Field classify(std::string_view name) {
    for (const KnownField& known : kKnown) {
        if (known.name.size() == name.size() && text::iequals(known.name, name)) return known.field;
    }
    if (text::istarts_with(name, kControlPrefix)) {
        return text::iequals(name, auth::kStreamField) ? Field::control_stream : Field::removed;
    }
    return Field::other;
}

bool goes(Field field) { return field == Field::removed || field == Field::control_stream; }

Refusal refuse(std::uint16_t code, std::string_view enhanced, std::string text) {
    return Refusal{code, enhanced, std::move(text)};
}

// The one mailbox of From, or why it cannot be had.
std::variant<mail::Mailbox, Refusal> author(std::string_view from) {
    mail::MailboxList list = mail::parse_mailboxes(from);
    if (list.mailboxes.size() > 1) {
        // Legal with a Sender field, refused by Gmail and without a meaning for DMARC (RFC 7489 s6.6.1).
        return refuse(554, "5.6.0", "The From field must name exactly one address");
    }
    if (list.mailboxes.empty() || list.mailboxes.front().local.empty() ||
        list.mailboxes.front().domain.empty()) {
        return refuse(550, "5.6.0", "No address of the form user@domain can be read in the From field");
    }
    return std::move(list.mailboxes.front());
}

}  // namespace

std::variant<JudgedHeader, Refusal> judge_header(std::string header, std::string_view received,
                                                 const Rules& rules, const Submission& submission,
                                                 bool null_sender) {
    if (header.empty()) return refuse(554, "5.6.0", "The message does not begin with a header");

    const mail::HeaderBlock block(std::move(header));
    if (const auto fault = block.fault()) {
        return refuse(554, "5.6.0",
                      "Malformed header, line " + std::to_string(fault->line) + ": " + fault->what);
    }

    std::array<std::uint32_t, static_cast<std::size_t>(Field::other) + 1> seen{};
    const auto count = [&seen](Field field) { return seen[static_cast<std::size_t>(field)]; };
    bool any_goes = false;
    std::string_view from;
    // SUB-11: PHP programs put To and Subject into the additional headers as well; the second, the same as the first, goes.
    std::array<std::optional<std::size_t>, static_cast<std::size_t>(Field::content_transfer_encoding) + 1> first{};
    std::vector<std::size_t> repeated;
    for (std::size_t i = 0; i < block.size(); ++i) {
        const mail::HeaderField field = block[i];
        const Field kind = classify(field.name);
        if (kind <= Field::content_transfer_encoding) {
            std::optional<std::size_t>& known = first[static_cast<std::size_t>(kind)];
            if (known && text::trim(block[*known].value) == text::trim(field.value)) {
                repeated.push_back(i);
                continue;
            }
            if (!known) known = i;
        }
        ++seen[static_cast<std::size_t>(kind)];
        if (kind == Field::from) from = field.value;
        any_goes = any_goes || goes(kind);
    }

    if (count(Field::received) > rules.max_received_fields) {
        return refuse(554, "5.4.6", "Too many hops: the message has " + std::to_string(count(Field::received)) +
                                        " Received fields and is probably in a loop");
    }
    for (const KnownField& single : kKnown) {
        if (single.field <= Field::message_id && count(single.field) > 1) {
            return refuse(554, "5.6.0", "The message has more than one " + std::string(single.name) + " field");
        }
    }
    if (count(Field::from) == 0) return refuse(550, "5.6.0", "The message has no From field");
    auto read = author(from);
    if (auto* refusal = std::get_if<Refusal>(&read)) return std::move(*refusal);
    const mail::Mailbox& mailbox = std::get<mail::Mailbox>(read);
    // SUB-6: what people see is what the account must have a right to, not only the envelope.
    if (submission.senders && !submission.senders->allow(mailbox.local, mailbox.domain)) {
        return refuse(550, "5.7.1", "This account may not send with that address in From");
    }

    JudgedHeader judged;
    if (!rules.streams.empty() || count(Field::control_stream) + count(Field::list_unsubscribe) +
                                          count(Field::list_unsubscribe_post) > 0) {
        const std::string address = mailbox.address();
        auth::StreamFacts facts;
        facts.user = submission.user;
        facts.from = address;
        facts.header = block.text();
        facts.null_sender = null_sender;
        auth::StreamChoice choice = auth::choose_stream(rules.streams, facts);
        if (!choice.refusal.empty()) return refuse(554, "5.6.0", std::move(choice.refusal));
        if (choice.stream) judged.stream = choice.stream->name;
    }

    std::string& out = judged.text;
    out.reserve(received.size() + block.text().size() + 160);
    out.append(received);
    if (any_goes || !repeated.empty()) {
        for (std::size_t i = 0; i < block.size(); ++i) {
            const mail::HeaderField field = block[i];
            const bool again = std::binary_search(repeated.begin(), repeated.end(), i);
            if (!again && !goes(classify(field.name))) out.append(field.raw);
        }
    } else {
        out.append(block.text());
    }
    if (count(Field::date) == 0) {
        out.append("Date: ").append(mail::format_date(submission.now)).append("\r\n");
    }
    if (count(Field::message_id) == 0) {
        // Its right side is the author's domain, never a container's name: receivers compare them (SUB-7).
        const Result<std::string> domain = mail::to_ascii(mailbox.domain);
        out.append("Message-ID: ")
            .append(mail::make_message_id(submission.id, domain ? *domain : rules.hostname))
            .append("\r\n");
    }
    judged.has_8bit = !text::is_ascii(out);
    return judged;
}

}  // namespace posthorn::intake
