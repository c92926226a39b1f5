// The text of the summary: see dsn_digest.hpp.
#include "mail/dsn_digest.hpp"

#include "base/text.hpp"
#include "mail/date.hpp"
#include "mail/mime_text.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxReply = 2000;

std::string_view words_of(DsnAction action) {
    switch (action) {
        case DsnAction::failed: return "failed";
        case DsnAction::delayed: return "delayed, still being retried";
        case DsnAction::delivered: return "delivered";
        case DsnAction::relayed: return "handed on";
    }
    return "failed";
}

}  // namespace

DsnText make_digest(const DigestReport& report) {
    std::string text = wrapped_text(
        "This is the mail system at host " + report.reporting_mta + ".\n\nYou have been sent many reports about your mail. "
        "So that they do not flood your mailbox, the reports about " + std::to_string(report.count) +
        " further recipients were not sent one by one. This is what they would have said. Mail that failed was not "
        "delivered and will not be tried again.\n\nAsk the operator of this mail system about a message by its queue id.\n");
    for (const DigestLine& line : report.lines) {
        text += "\r\n";
        text += wrapped_text("<" + text::safe_for_log(line.recipient, kMaxReply) + "> " + std::string(words_of(line.action)) +
                             " (queue id " + line.queue_id + ")\n");
        std::string_view rest = line.diagnostic;
        while (!rest.empty()) {
            const std::string_view reply = text::trim_right(text::take_field(rest, '\n'));
            text += wrapped_text(text::safe_for_log(reply, kMaxReply) + "\n", "    ");
        }
    }
    if (report.count > report.lines.size())
        text += wrapped_text("\nand " + std::to_string(report.count - report.lines.size()) +
                             " more, which the log of this mail system names.\n");

    DsnText out;
    out.needs_smtputf8 = !text::is_ascii(report.to) || !text::is_ascii(report.from);
    out.header += folded_field("Date", format_date(report.now));
    out.header += folded_field("From", "Mail Delivery System <" + report.from + ">");
    out.header += folded_field("To", "<" + report.to + ">");
    out.header += folded_field("Subject", "Undelivered mail: " + std::to_string(report.count) + " recipients, in one report");
    out.header += folded_field("Message-ID", report.message_id);
    out.header += "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n";
    if (!text::is_ascii(text) || has_long_line(text)) {
        out.header += "Content-Transfer-Encoding: quoted-printable\r\n";
        text = quoted_printable(text);
    }
    out.body = std::move(text);
    return out;
}

}  // namespace posthorn::mail
