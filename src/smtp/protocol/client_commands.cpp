// The client's envelope commands: how many may be under way, what they say, and when none is worth sending.
#include <algorithm>

#include "base/text.hpp"
#include "mail/xtext.hpp"
#include "smtp/protocol/client_session.hpp"

namespace posthorn::smtp::protocol {
namespace {

void append_notify(std::string& out, std::uint8_t notify) {
    using mail::Notify;
    if (notify == Notify::unset) return;
    out += " NOTIFY=";
    if ((notify & Notify::never) != 0) {
        out += "NEVER";
        return;
    }
    if ((notify & Notify::success) != 0) out += "SUCCESS,";
    if ((notify & Notify::failure) != 0) out += "FAILURE,";
    if ((notify & Notify::delay) != 0) out += "DELAY,";
    out.pop_back();
}

// A value of type utf-8 is kept coded (RFC 6533 s3) and goes out as it is, in UTF-8 only where the
// transaction speaks it.
void append_orcpt(std::string& out, std::string_view orcpt, bool smtputf8) {
    const auto semicolon = orcpt.find(';');
    if (semicolon == std::string_view::npos) return;
    const std::string_view type = orcpt.substr(0, semicolon);
    if (!text::iequals(type, "utf-8")) {
        out.append(" ORCPT=").append(type).append(";").append(
            mail::xtext_encode(orcpt.substr(semicolon + 1)));
    } else if (smtputf8 || text::is_ascii(orcpt)) {
        out.append(" ORCPT=").append(orcpt);
    }
}

}  // namespace

void ClientSession::send_envelope() {
    if (abandoned_) return;
    if (!mail_refused_) {
        if (!mail_sent_) mail_sent_ = send(Stage::mail, mail_command());
        if (!mail_sent_) return;
        while (next_recipient_ < recipients_end_) {
            if (settled_[next_recipient_]) {
                ++next_recipient_;
                continue;
            }
            if (!send(Stage::rcpt, rcpt_command(transaction_.envelope.recipients[next_recipient_]),
                      next_recipient_))
                return;
            ++next_recipient_;
        }
        const bool nobody = accepted_ == 0 && expected_.empty();
        if (by_chunks_) {
            if (expected_.empty() && !nobody) return next_chunk();
        } else if (!data_sent_ && !nobody) {
            data_sent_ = send(Stage::data, "DATA\r\n");
        }
    }
    if (!expected_.empty()) return;
    // Nobody is left to send it to. The peer forgets the transaction when there is another.
    reset_due_ = true;
    phase_ = Phase::ready;
}

// RFC 3030 s2. The size is known beforehand, so that the last chunk with octets is the one that says LAST.
void ClientSession::next_chunk() {
    chunk_ = std::min(kChunk, transaction_.size - content_sent_);
    output_ += "BDAT " + std::to_string(chunk_);
    if (content_sent_ + chunk_ == transaction_.size) output_ += " LAST";
    output_ += "\r\n";
    phase_ = Phase::chunk;
}

std::string ClientSession::mail_command() const {
    const auto& envelope = transaction_.envelope;
    std::string out = "MAIL FROM:<" + envelope.reverse_path + '>';
    if (extensions_.size) out += " SIZE=" + std::to_string(transaction_.size);
    const bool eight_bit = transaction_.body_has_8bit || transaction_.header_has_8bit ||
                           envelope.body == mail::BodyType::eight_bit_mime;
    if (extensions_.eight_bit_mime && eight_bit) out += " BODY=8BITMIME";
    if (needs_smtputf8()) out += " SMTPUTF8";
    if (envelope.require_tls && secure_ && extensions_.require_tls) out += " REQUIRETLS";
    if (extensions_.dsn) {
        if (envelope.ret != mail::DsnReturn::unset)
            out += envelope.ret == mail::DsnReturn::full ? " RET=FULL" : " RET=HDRS";
        if (!envelope.envid.empty()) out += " ENVID=" + mail::xtext_encode(envelope.envid);
    }
    return out += "\r\n";
}

std::string ClientSession::rcpt_command(const mail::EnvelopeRecipient& recipient) const {
    std::string out = "RCPT TO:<" + recipient.address + '>';
    if (extensions_.dsn) {  // DSN-4: not to a server that knows nothing of it
        append_notify(out, recipient.notify);
        append_orcpt(out, recipient.orcpt, needs_smtputf8());
    }
    return out += "\r\n";
}

// RFC 6531 s3: UTF-8 in addresses, or in a header whose sender asked for it. A message that only asked, and
// turns out to be ASCII, goes to any server (EXT-10).
bool ClientSession::needs_smtputf8() const {
    if (sender_needs_smtputf8()) return true;
    const auto& recipients = transaction_.envelope.recipients;
    for (std::size_t i = 0; i < recipients.size(); ++i)
        if (!settled_[i] && !text::is_ascii(recipients[i].address)) return true;
    return false;
}

bool ClientSession::sender_needs_smtputf8() const {
    const auto& envelope = transaction_.envelope;
    return (envelope.smtputf8 && transaction_.header_has_8bit) || !text::is_ascii(envelope.reverse_path);
}

// A UTF-8 address is its own trouble: the others get the message.
void ClientSession::refuse_hopeless() {
    if (extensions_.smtputf8) return;
    const Reply reply =
        make_reply(553, "5.6.7", "the address needs SMTPUTF8, which the server does not offer");
    const auto& recipients = transaction_.envelope.recipients;
    for (std::uint32_t i = 0; i < recipients.size(); ++i)
        if (!text::is_ascii(recipients[i].address)) settle(i, Fate::refused, Stage::rcpt, reply, true);
}

std::optional<Reply> ClientSession::objection() const {
    const auto& envelope = transaction_.envelope;
    const bool forged =
        text::has_control(envelope.reverse_path) ||
        std::any_of(envelope.recipients.begin(), envelope.recipients.end(),
                    [](const auto& recipient) { return text::has_control(recipient.address); });
    if (forged) return make_reply(553, "5.1.3", "an address has a control character");  // SMTP-37
    if (extensions_.size_limit > 0 && transaction_.size > extensions_.size_limit) {     // RFC 1870 s6.1
        return make_reply(552, "5.3.4",
                          "the message has " + std::to_string(transaction_.size) +
                              " octets, the server takes " + std::to_string(extensions_.size_limit));
    }
    if (sender_needs_smtputf8() && !extensions_.smtputf8)
        return make_reply(553, "5.6.7", "the message needs SMTPUTF8, which the server does not offer");
    if (transaction_.body_has_8bit && !extensions_.eight_bit_mime)
        return make_reply(554, "5.6.3", "the message has 8-bit text, and the server does not offer 8BITMIME");
    // RFC 8689 s4.2.1; s5 exempts reports: a DSN goes also to a server that does not know the option.
    if (envelope.require_tls && !envelope.reverse_path.empty() && (!secure_ || !extensions_.require_tls))
        return make_reply(550, "5.7.30", "the message needs REQUIRETLS, which the server does not offer");
    return std::nullopt;
}

}  // namespace posthorn::smtp::protocol
