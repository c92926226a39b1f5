// The text of delivery status notifications: see dsn.hpp.
#include "mail/dsn.hpp"

#include <array>
#include <cstdint>

#include "base/text.hpp"
#include "mail/date.hpp"
#include "mail/dsn_words.hpp"
#include "mail/mime_text.hpp"

namespace posthorn::mail {

namespace {

std::string_view action_word(DsnAction action) {
    switch (action) {
        case DsnAction::failed:
            return "failed";
        case DsnAction::delayed:
            return "delayed";
        case DsnAction::delivered:
            return "delivered";
        case DsnAction::relayed:
            return "relayed";
    }
    return "failed";
}

// "5.7.26" if it is one that fits the action (RFC 3463 s2: class, subject, detail), else the action's
// undefined status.
std::string status_of(const DsnRecipient& recipient) {
    const char wanted = recipient.action == DsnAction::failed    ? '5'
                        : recipient.action == DsnAction::delayed ? '4'
                                                                 : '2';
    const std::string& status = recipient.status;
    std::string_view rest = status;
    const std::string_view klass = text::take_field(rest, '.');
    const std::string_view subject = text::take_field(rest, '.');
    const bool sound = klass.size() == 1 && std::string_view("245").find(klass) != std::string_view::npos &&
                       subject.size() <= 3 && text::parse_unsigned(subject) && rest.size() <= 3 &&
                       text::parse_unsigned(rest);
    if (!sound) return std::string(1, wanted) + ".0.0";
    // A 4yz reply may end in failure when the time is up: the peer's subject and detail stay, the class says
    // what is true.
    return wanted + status.substr(1);
}

// Control characters and octets that are not UTF-8 go as \xHH; with ascii_only all beyond ASCII does. "\n"
// stays.
std::string safe_reply(std::string_view reply, bool ascii_only) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string safe;
    safe.reserve(reply.size());
    for (std::size_t at = 0; at < reply.size();) {
        const char c = reply[at];
        const std::size_t length = text::safe_utf8_length(reply, at);
        if (c == '\t' || c == '\r') {
            safe += ' ';
        } else if (c == '\n' || (!text::is_8bit(c) && !text::is_control(c))) {
            safe += c;
        } else if (text::is_8bit(c) && length > 0 && !ascii_only) {
            safe += reply.substr(at, length);
            at += length;
            continue;
        } else {
            safe += "\\x";
            safe += kDigits[static_cast<unsigned char>(c) >> 4];
            safe += kDigits[static_cast<unsigned char>(c) & 15];
        }
        ++at;
    }
    return safe;
}

// RFC 6533 s3, utf-8-addr-xtext: characters beyond ASCII, and "\", "+", "=" as \x{HEX}.
std::string utf8_address_xtext(std::string_view address) {
    std::string coded;
    for (std::size_t at = 0; at < address.size(); ++at) {
        const auto first = static_cast<unsigned char>(address[at]);
        std::uint32_t point = first;
        std::size_t tail = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
        if (tail > 0) point = first & (0x3fU >> tail);
        for (; tail > 0 && at + 1 < address.size() &&
               (static_cast<unsigned char>(address[at + 1]) & 0xc0) == 0x80;
             --tail)
            point = point << 6 | (static_cast<unsigned char>(address[++at]) & 0x3fU);
        if (text::is_graphic(static_cast<char>(first)) && first != '\\' && first != '+' && first != '=') {
            coded += static_cast<char>(first);
            continue;
        }
        std::string digits;
        do {
            digits.insert(digits.begin(), "0123456789ABCDEF"[point & 15]);
            point >>= 4;
        } while (point != 0);
        if (digits.size() < 2) digits.insert(digits.begin(), '0');
        coded += "\\x{" + digits + "}";
    }
    return coded;
}

// "rfc822; user@example.com", or the utf-8 type where the address is not ASCII.
std::string typed_address(std::string_view address, bool utf8_forms) {
    if (text::is_ascii(address)) return "rfc822; " + safe_reply(address, true);
    return "utf-8; " + (utf8_forms ? safe_reply(address, false) : utf8_address_xtext(address));
}

// ORCPT as it came: "type;address". Its type stays.
std::string typed_orcpt(std::string_view orcpt, bool utf8_forms) {
    const std::size_t semicolon = orcpt.find(';');
    if (semicolon == std::string_view::npos) return typed_address(orcpt, utf8_forms);
    const std::string_view type = text::trim(orcpt.substr(0, semicolon));
    const std::string_view address = text::trim(orcpt.substr(semicolon + 1));
    if (!text::is_ascii(address)) return typed_address(address, utf8_forms);
    return safe_reply(type, true) + "; " + safe_reply(address, true);
}

// "mx.example.com[192.0.2.1]" without the address: the field wants a name (RFC 3464 s2.3.5).
std::string mta_name(std::string_view host) {
    const std::size_t bracket = host.find('[');
    if (bracket != std::string_view::npos && bracket > 0) host = host.substr(0, bracket);
    return safe_reply(host, true);
}

std::string subject_of(const DsnReport& report) {
    switch (report.kind) {
        case DsnAction::failed:
            return "Undelivered Mail Returned to Sender";
        case DsnAction::delayed:
            return "Delayed Mail (still being retried)";
        case DsnAction::delivered:
        case DsnAction::relayed:
            return "Successful Mail Delivery Report";
    }
    return "Mail Delivery Report";
}

std::string opening_of(const DsnReport& report) {
    switch (report.kind) {
        case DsnAction::failed:
            return "Your message could not be delivered to one or more recipients. It will not be tried "
                   "again.\n";
        case DsnAction::delayed:
            return "THIS IS A WARNING ONLY. YOU DO NOT NEED TO SEND YOUR MESSAGE AGAIN.\n\n"
                   "Your message has not reached one or more recipients yet. It is being retried.\n";
        case DsnAction::delivered:
            return "Your message was delivered to the recipients below.\n";
        case DsnAction::relayed:
            return "Your message was handed to the mail systems of the recipients below. They do not report "
                   "deliveries, so "
                   "you may hear no more of it.\n";
    }
    return {};
}

// The part for people.
std::string human_text(const DsnReport& report) {
    std::string text = wrapped_text("This is the mail system at host " + mta_name(report.reporting_mta) +
                                    ".\n\n" + opening_of(report));
    if (!report.about_sender.empty())
        text += wrapped_text("\nThe message was sent as <" + safe_reply(report.about_sender, false) +
                             ">, whose reports come to you by the settings of this mail system.\n");
    const auto paragraph = [&](const std::string& words, std::string_view indent = "    ") {
        text += wrapped_text(words + "\n", indent);
    };
    for (const auto& recipient : report.recipients) {
        text += "\r\n<" + safe_reply(recipient.final_address, false) + ">\r\n";
        if (recipient.action == DsnAction::failed || recipient.action == DsnAction::delayed)
            paragraph(recipient.explanation.empty() ? std::string(explain_status(status_of(recipient)))
                                                    : safe_reply(recipient.explanation, false));
        if (!recipient.diagnostic.empty()) {
            text += "\r\n";
            paragraph(recipient.remote_mta.empty() || recipient.own_words
                          ? "The mail system at this host reports:"
                          : "The mail server " + safe_reply(recipient.remote_mta, false) + " said:");
            paragraph(safe_reply(recipient.diagnostic, false), "        ");
        }
        if (recipient.action == DsnAction::delayed && recipient.will_retry_until != TimePoint{}) {
            text += "\r\n";
            paragraph("It will be retried until " + format_date(recipient.will_retry_until) + ".");
        }
    }
    if (!report.original_id.empty()) {
        text += "\r\n";
        text += wrapped_text("If you ask the operator of this mail system about it, give this queue id: " +
                             safe_reply(report.original_id, true) + "\n");
    }
    return text;
}

// RFC 3464 s2.1: the fields of the message, an empty line, then those of each recipient.
std::string status_fields(const DsnReport& report, bool utf8_forms) {
    std::string fields;
    if (!report.envid.empty()) fields += folded_field("Original-Envelope-Id", safe_reply(report.envid, true));
    fields += folded_field("Reporting-MTA", "dns; " + mta_name(report.reporting_mta));
    if (report.arrival_date != TimePoint{})
        fields += folded_field("Arrival-Date", format_date(report.arrival_date));
    for (const auto& recipient : report.recipients) {
        fields += "\r\n";
        if (!recipient.orcpt.empty())
            fields += folded_field("Original-Recipient", typed_orcpt(recipient.orcpt, utf8_forms));
        fields += folded_field("Final-Recipient", typed_address(recipient.final_address, utf8_forms));
        fields += folded_field("Action", action_word(recipient.action));
        fields += folded_field("Status", status_of(recipient));
        if (!recipient.remote_mta.empty())
            fields += folded_field("Remote-MTA", "dns; " + mta_name(recipient.remote_mta));
        if (!recipient.diagnostic.empty())
            // Words of our own are no SMTP reply: the type says whose they are (RFC 3464 s2.3.6).
            fields +=
                folded_field("Diagnostic-Code", (recipient.remote_mta.empty() || recipient.own_words ? "X-Posthorn; " : "smtp; ") +
                                                    safe_reply(recipient.diagnostic, !utf8_forms));
        if (recipient.last_attempt != TimePoint{})
            fields += folded_field("Last-Attempt-Date", format_date(recipient.last_attempt));
        // RFC 3464 s2.3.8: where to look in our log, as our server made the last attempt.
        if (!report.original_id.empty()) fields += folded_field("Final-Log-ID", safe_reply(report.original_id, true));
        if (recipient.action == DsnAction::delayed && recipient.will_retry_until != TimePoint{})
            fields += folded_field("Will-Retry-Until", format_date(recipient.will_retry_until));
    }
    return fields;
}

// One MIME part: its own fields and its octets.
struct Part {
    std::string fields;
    std::string content;
};

// A part whose content may be coded: quoted-printable where it is not short-lined ASCII, so that the report
// stays 7-bit.
Part coded_part(std::string fields, std::string content) {
    if (!text::is_ascii(content) || has_long_line(content)) {
        fields += "Content-Transfer-Encoding: quoted-printable\r\n";
        content = quoted_printable(content);
    }
    return {std::move(fields), std::move(content)};
}

Part original_part(const DsnReport& report, bool utf8_forms) {
    const std::string_view header = report.original_header;
    const bool header_8bit = !text::is_ascii(header);
    // Raw 8-bit headers of old programs are not the internationalised ones of RFC 6532.
    const bool is_global = header_8bit && report.smtputf8 && utf8_forms && text::is_utf8(header);
    const bool body_8bit = !text::is_ascii(report.original_body);
    // message/rfc822 may not be coded (RFC 2046 s5.2.1), so what cannot go as it is goes as headers only.
    const bool fits = header.size() + report.original_body.size() <= report.full_limit &&
                      !has_long_line(header) && !has_long_line(report.original_body);
    const std::string description =
        "Content-Description: " +
        std::string(report.kind == DsnAction::failed ? "Undelivered Message" : "Your Message");
    if (report.return_full && report.kind == DsnAction::failed && fits) {
        Part part;
        part.fields =
            description + "\r\nContent-Type: " + (is_global ? "message/global" : "message/rfc822") + "\r\n";
        if (header_8bit || body_8bit) part.fields += "Content-Transfer-Encoding: 8bit\r\n";
        part.content.reserve(header.size() + 2 + report.original_body.size());
        part.content += header;
        part.content += "\r\n";
        part.content += report.original_body;
        return part;
    }
    std::string fields = description + " Headers\r\nContent-Type: ";
    if (is_global && !has_long_line(header))
        return {fields + "message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n",
                std::string(header)};
    return coded_part(fields + "text/rfc822-headers\r\n", std::string(header));
}

// A phrase and an address for the header of the DSN; a header address that is not ASCII makes the DSN an
// SMTPUTF8 message.
std::string address_field(std::string_view name, std::string_view phrase, std::string_view address) {
    std::string value(phrase);
    if (!value.empty()) value += ' ';
    value += '<';
    for (const char c : address) value += text::is_control(c) ? '?' : c;
    return folded_field(name, value + ">");
}

}  // namespace

DsnText make_dsn(const DsnReport& report) {
    DsnText dsn;
    // Only a sender of SMTPUTF8 mail surely reads the UTF-8 forms; to anyone else the ASCII forms go, which each system takes
    // (RFC 6533 s3, utf-8-addr-xtext). They are inside of the report, so the way back needs 8BITMIME for them and no more.
    dsn.needs_smtputf8 = !text::is_ascii(report.to) || !text::is_ascii(report.from);
    const bool utf8_forms = dsn.needs_smtputf8 || report.smtputf8;

    const Part human =
        coded_part("Content-Description: Notification\r\nContent-Type: text/plain; charset=utf-8\r\n",
                   human_text(report));
    Part status{"Content-Description: Delivery Report\r\n", status_fields(report, utf8_forms)};
    // Only reports with something to say in UTF-8 use the newer type (RFC 6533 s4): ASCII ones are read by
    // everybody.
    if (text::is_ascii(status.content))
        status.fields += "Content-Type: message/delivery-status\r\n";
    else
        status.fields +=
            "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n";
    const Part original = original_part(report, utf8_forms);

    const std::string boundary =
        make_boundary(report.boundary_seed, {human.content, status.content, original.content});
    dsn.header += folded_field("Date", format_date(report.now));
    dsn.header += address_field("From", "Mail Delivery System", report.from);
    dsn.header += address_field("To", {}, report.to);
    dsn.header += folded_field("Subject", subject_of(report));
    dsn.header += folded_field("Message-ID", report.message_id);
    // RFC 3834 s5.2: auto-replied, never auto-generated, on a DSN (DSN-11).
    dsn.header += "Auto-Submitted: auto-replied\r\n";
    dsn.header += "MIME-Version: 1.0\r\n";
    dsn.header +=
        "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"" + boundary + "\"\r\n";

    dsn.body += "This is a MIME-encapsulated message.\r\n";
    const std::array<const Part*, 3> parts = {&human, &status, &original};
    for (const Part* part : parts) {
        dsn.body += "\r\n--" + boundary + "\r\n" + part->fields + "\r\n" + part->content;
        // The CRLF before a boundary belongs to the boundary (RFC 2046 s5.1.1); the loop writes it.
        if (!part->content.ends_with("\r\n")) dsn.body += "\r\n";
    }
    dsn.body += "\r\n--" + boundary + "--\r\n";
    dsn.has_8bit = !text::is_ascii(dsn.body);
    if (dsn.has_8bit) dsn.header += "Content-Transfer-Encoding: 8bit\r\n";
    return dsn;
}

}  // namespace posthorn::mail
