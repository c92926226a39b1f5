// Sentences for RFC 3463 status codes: see dsn_words.hpp.
#include "mail/dsn_words.hpp"

namespace posthorn::mail {

namespace {

struct Words {
    std::string_view detail;  // after "5." or "4.": "7.26", or a whole subject "7."
    std::string_view text;
};

// The most particular entry first: the first that matches is taken.
constexpr Words kWords[] = {
    {"1.1",
     "The address does not exist at the recipient's mail system. Check it for typing errors, and ask the "
     "recipient for the right address another way."},
    {"1.2", "The domain of the address cannot receive mail. Check the part after the @ for typing errors."},
    {"1.3", "The address is not written as a mail address must be. Check it for typing errors."},
    {"1.6", "The recipient has moved and left no new address."},
    {"1.7",
     "The sender's address was refused as malformed. Check the settings of the program that sent the "
     "message."},
    {"1.8",
     "The recipient's mail system finds no valid domain in the sender's address. The sender's domain needs "
     "MX or "
     "address records in DNS."},
    {"1.10",
     "The domain of the address says that it receives no mail at all. Check the part after the @ for typing "
     "errors."},
    {"1.", "There is something wrong with the address. Check it for typing errors."},
    {"2.1", "The recipient's mailbox is disabled. Ask the recipient for another address."},
    {"2.2", "The recipient's mailbox is full. Try again later, or reach the recipient another way."},
    {"2.3",
     "The message is longer than this recipient accepts. Send it smaller, for example with a link in place "
     "of an "
     "attachment."},
    {"2.", "The recipient's mailbox cannot take the message now."},
    {"3.4",
     "The message is larger than the recipient's mail system accepts. Send it smaller, for example with a "
     "link in "
     "place of an attachment."},
    {"3.", "The recipient's mail system could not take the message."},
    {"4.1",
     "No mail server of the recipient's domain answered. If this goes on, tell the recipient that their mail "
     "system cannot be reached."},
    {"4.4",
     "DNS names no mail server for the recipient's domain. Check the part after the @ for typing errors."},
    {"4.3", "DNS did not answer for the recipient's domain."},
    {"4.6",
     "The message went round in a loop. The administrator of the recipient's mail system has to look at its "
     "forwarding."},
    {"4.7",
     "The message could not be delivered in the time allowed. The last answer of the recipient's mail system "
     "is below."},
    {"4.", "The recipient's mail system could not be reached."},
    {"6.7",
     "The address or the header is not ASCII, and the recipient's mail system does not know SMTPUTF8. Use an "
     "address without international characters, if there is one."},
    {"6.", "The recipient's mail system cannot handle the content of the message in this form."},
    {"7.1",
     "The recipient's mail system refuses the message by its policy. Its words below may say why; the "
     "recipient's "
     "administrator can tell more."},
    {"7.20",
     "The recipient's mail system wants a DKIM signature that is valid. The DNS record of the sender's DKIM "
     "key "
     "must be published and must match the key."},
    {"7.23",
     "The recipient's mail system found that SPF does not allow this server to send for the sender's domain. "
     "Its "
     "SPF record in DNS must name this server's address."},
    {"7.25",
     "The recipient's mail system wants a reverse DNS (PTR) record for this server's address that leads back "
     "to "
     "the same address. The server's hosting provider sets it."},
    {"7.26",
     "The recipient's mail system could not verify that the message comes from the sender's domain. That "
     "domain "
     "needs SPF and DKIM records in DNS that match this server and its signing key; `posthorn dkim record` on the "
     "sending server prints the DKIM record. Send the message again when they are there."},
    {"7.27", "The sender's domain says that it receives no mail, so its mail is refused."},
    {"7.28",
     "The recipient's mail system finds that too much mail comes from this server or domain. Send less at a "
     "time."},
    {"7.30", "The message may go by verified TLS only, and the recipient's mail system does not offer it."},
    {"7.515",
     "The recipient's mail system (Outlook) wants SPF, DKIM and DMARC to pass for the sender's domain. Its "
     "DNS "
     "records must match this server and its signing key; `posthorn dkim record` on the sending server prints "
     "the DKIM record. Send the message again when they are there."},
    {"7.",
     "The recipient's mail system refuses the message for a reason of security or policy. Its words below "
     "may say why."},
};

}  // namespace

std::string_view explain_status(std::string_view status) {
    if (status.size() > 2 && status[1] == '.') {
        const std::string_view detail = status.substr(2);
        for (const auto& words : kWords) {
            const bool whole_subject = words.detail.back() == '.';
            if (whole_subject ? detail.starts_with(words.detail) : detail == words.detail) return words.text;
        }
    }
    if (status.starts_with('4')) return "The recipient's mail system could not take the message for now.";
    return "The recipient's mail system refused the message. Its words below may say why.";
}

}  // namespace posthorn::mail
