// MAIL, RCPT, BDAT in one go, and what the answers mean: see handover.hpp.
#include "app/sendmail/handover.hpp"

#include <algorithm>

#include "base/sysexits.hpp"
#include "base/text.hpp"
#include "mail/xtext.hpp"
#include "smtp/protocol/extensions.hpp"

namespace posthorn::app::sendmail {
namespace {

using smtp::protocol::Reply;

// Together with an address, an ENVID and the rest, and were every octet written as three: less than the 2048 octets of the daemon's line.
constexpr std::size_t kMaxCommand = 200, kMaxDirectory = 128, kMaxName = 80;

// At most so many octets, no UTF-8 character in part.
std::string_view cut(std::string_view text, std::size_t most) {
    if (text.size() <= most) return text;
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0U) == 0x80) --most;
    return text.substr(0, most);
}

bool has_keyword(const Reply& ehlo, std::string_view keyword) {
    for (const std::string& line : ehlo.lines) {
        std::string_view rest = line;
        if (text::iequals(text::take_field(rest, ' '), keyword)) return true;
    }
    return false;
}

bool is_bare(std::string_view address) {
    bool quoted = false;
    for (std::size_t at = 0; at < address.size(); ++at) {
        if (address[at] == '\\' && quoted) {
            ++at;
        } else if (address[at] == '"') {
            quoted = !quoted;
        } else if (address[at] == '@' && !quoted) {
            return false;
        }
    }
    return true;
}

std::string notify_words(std::uint8_t notify) {
    std::string words;
    const auto add = [&](std::uint8_t bit, std::string_view word) {
        if ((notify & bit) == 0) return;
        words.append(words.empty() ? "" : ",").append(word);
    };
    add(mail::Notify::never, "NEVER");
    add(mail::Notify::success, "SUCCESS");
    add(mail::Notify::failure, "FAILURE");
    add(mail::Notify::delay, "DELAY");
    return words;
}

}  // namespace

bool is_policy(const Reply& reply) { return reply.enhanced.subject == 7 && reply.enhanced.status >= 4; }

int exit_code_of(const Reply& reply) {
    const auto& code = reply.enhanced;
    if (is_policy(reply)) return reply.temporary() ? exit_code::kUnavailable : exit_code::kNoPermission;
    if (reply.code == 530 || reply.code == 535) return exit_code::kNoPermission;
    if (reply.code == 552 || (code.subject == 3 && code.detail == 4) || (code.subject == 2 && code.detail == 3))
        return exit_code::kUnavailable;
    if (code.subject == 1) {
        if (code.detail == 2) return exit_code::kNoHost;
        return code.detail == 7 || code.detail == 8 || code.detail == 3 ? exit_code::kDataError : exit_code::kNoUser;
    }
    if (code.subject == 6 || code.subject == 0) return exit_code::kDataError;
    if (code.subject == 5) return exit_code::kProtocol;
    return exit_code::kUnavailable;
}

Handover::Step Handover::on_reply(const Reply& reply) {
    if (outcome_) return {};
    switch (stage_) {
        case Stage::greeting:
            // 421 "too many connections", 554 "no service here": nothing was said about this message.
            if (reply.code != 220) {
                end(Fate::unanswered, reply.joined());
                return {};
            }
            stage_ = Stage::ehlo;
            return {"EHLO " + options_.hostname + "\r\n", false, false, {}, {}};
        case Stage::ehlo: {
            if (!reply.positive()) {
                end(Fate::unanswered, reply.joined());
                return {};
            }
            const smtp::protocol::Extensions offered = smtp::protocol::parse_extensions(reply);
            pipelining_ = offered.pipelining;
            chunking_ = offered.chunking;
            dsn_ = offered.dsn;
            size_ = offered.size;
            eight_bit_mime_ = offered.eight_bit_mime;
            smtputf8_ = offered.smtputf8;
            require_tls_ = offered.require_tls;
            knows_callers_ = has_keyword(reply, "XCALLER");
            if (size_ && offered.size_limit != 0 && letter_->octets > offered.size_limit) {
                end(Fate::refused, "the message has " + std::to_string(letter_->octets) + " octets, " +
                                       std::to_string(offered.size_limit) + " are allowed (submission.limits.max_message_size)",
                    exit_code::kUnavailable);
                return {};
            }
            // RFC 8689 s4.1: without it the demand would be lost on the way.
            if (letter_->handoff.envelope.require_tls && !require_tls_) {
                end(Fate::postponed, "the daemon does not offer REQUIRETLS on this connection");
                return {};
            }
            return begin();
        }
        case Stage::mail:
            if (!reply.positive()) {
                mail_refusal_ = reply;
                if (!sent_along_ && !pipelining_) {
                    conclude(reply);
                    return {};
                }
            }
            stage_ = Stage::recipients;
            return pipelining_ ? Step{} : Step{recipient_command(0), false, false, {}, {}};
        case Stage::recipients: {
            if (reply.positive()) {
                ++taken_;
            } else {
                left_.push_back({answered_, reply.temporary() && !is_policy(reply), exit_code_of(reply), reply.joined()});
            }
            if (++answered_ < letter_->handoff.envelope.recipients.size())
                return pipelining_ ? Step{} : Step{recipient_command(answered_), false, false, {}, {}};
            if (sent_along_) {
                stage_ = Stage::end;
                return {};
            }
            const bool go_on = !mail_refusal_ && taken_ > 0 && !(options_.all_or_nothing && !left_.empty());
            if (!go_on) {
                conclude(reply);
                return {"QUIT\r\n", false, false, {}, {}};
            }
            if (chunking_) return content();
            stage_ = Stage::data;
            return {"DATA\r\n", false, false, {}, {}};
        }
        case Stage::data:
            if (reply.code != 354) {
                conclude(reply);
                return {};
            }
            stage_ = Stage::end;
            return {{}, true, true, "QUIT\r\n", header_for_strangers()};
        case Stage::end:
            conclude(reply);
            return {};
    }
    return {};
}

// What goes out in answer to EHLO.
Handover::Step Handover::begin() {
    Step step{mail_command(), false, false, {}, {}};
    stage_ = Stage::mail;
    if (!pipelining_) return step;
    for (std::size_t at = 0; at < letter_->handoff.envelope.recipients.size(); ++at) step.text += recipient_command(at);
    sent_along_ = chunking_ && letter_->octets <= kSendAlongOctets && !options_.all_or_nothing;
    if (sent_along_) {
        Step chunk = content();
        stage_ = Stage::mail;
        chunk.text.insert(0, step.text);
        return chunk;
    }
    return step;
}

Handover::Step Handover::content() {
    stage_ = Stage::end;
    std::string prefix = header_for_strangers();
    return {"BDAT " + std::to_string(prefix.size() + letter_->octets) + " LAST\r\n", true, false, "QUIT\r\n", std::move(prefix)};
}

std::string Handover::mail_command() const {
    const mail::Handoff& handoff = letter_->handoff;
    const mail::Envelope& envelope = handoff.envelope;
    const std::string sender = knows_callers_ ? envelope.reverse_path : sender_for_strangers();
    std::string command = "MAIL FROM:<" + sender + ">";
    if (size_) command += " SIZE=" + std::to_string(letter_->octets);
    if (letter_->eight_bit && eight_bit_mime_) {
        command += " BODY=8BITMIME";
    } else if (envelope.body == mail::BodyType::seven_bit && eight_bit_mime_) {
        command += " BODY=7BIT";
    } else if (envelope.body == mail::BodyType::eight_bit_mime && eight_bit_mime_) {
        command += " BODY=8BITMIME";
    }
    bool utf8 = envelope.smtputf8 || !text::is_ascii(sender);
    for (const mail::EnvelopeRecipient& recipient : envelope.recipients) utf8 = utf8 || !text::is_ascii(recipient.address);
    if (utf8 && smtputf8_) command += " SMTPUTF8";
    if (envelope.require_tls) command += " REQUIRETLS";
    if (dsn_ && envelope.ret != mail::DsnReturn::unset)
        command += envelope.ret == mail::DsnReturn::full ? " RET=FULL" : " RET=HDRS";
    if (dsn_ && !envelope.envid.empty()) command += " ENVID=" + mail::xtext_encode(envelope.envid);
    if (knows_callers_) {
        if (!handoff.sender_asked) command += " XFROM=default";
        // cmd takes the rest, so it is last; a directory ends at its semicolon. All of it fits into the daemon's line of 2048 octets.
        std::string directory(cut(handoff.directory, kMaxDirectory));
        std::ranges::replace(directory, ';', '?');
        std::string claim = "pid=" + std::to_string(handoff.pid);
        if (!directory.empty()) claim.append(";cwd=").append(directory);
        claim.append(";cmd=").append(cut(handoff.command, kMaxCommand));
        command += " XCALLER=" + mail::xtext_encode(claim);
        command += " XHANDOFF=" + options_.name;
        if (!handoff.name.empty()) command += " XNAME=" + mail::xtext_encode(cut(handoff.name, kMaxName));
    }
    return command + "\r\n";
}

std::string Handover::recipient_command(std::size_t index) const {
    const mail::EnvelopeRecipient& recipient = letter_->handoff.envelope.recipients[index];
    std::string command = "RCPT TO:<" + recipient.address;
    // A local name: user@localhost is one for every Posthorn (SM-45).
    if (!knows_callers_ && is_bare(recipient.address)) command += "@localhost";
    command += ">";
    if (dsn_ && recipient.notify != mail::Notify::unset) command += " NOTIFY=" + notify_words(recipient.notify);
    if (dsn_ && !recipient.orcpt.empty()) {
        std::string_view rest = recipient.orcpt;
        const std::string_view kind = text::take_field(rest, ';');
        command.append(" ORCPT=").append(kind).append(";").append(mail::xtext_encode(rest));
    }
    return command + "\r\n";
}

// For a peer that cannot derive one: -f, else the author, else user@host.
std::string Handover::sender_for_strangers() const {
    const mail::Handoff& handoff = letter_->handoff;
    std::string sender = handoff.envelope.reverse_path;
    if (handoff.sender_asked && sender.empty()) return sender;
    if (!handoff.sender_asked) sender = !letter_->author.empty() ? letter_->author : handoff.user;
    if (sender.empty()) sender = "uid" + std::to_string(handoff.uid);
    if (is_bare(sender)) sender.append("@").append(options_.hostname);
    return sender;
}

// A peer that knows nothing of the caller is given the name for a From field that is missing; and a header where there is none at all,
// which any mail server may refuse. What begins with an empty line has that already.
std::string Handover::header_for_strangers() const {
    const mail::Handoff& handoff = letter_->handoff;
    if (knows_callers_ || letter_->has_from) return {};
    const std::string sender = sender_for_strangers();
    std::string field;
    if (!sender.empty() && !handoff.name.empty() && text::is_utf8(handoff.name) && !text::has_control(handoff.name)) {
        field = "From: \"";
        for (const char c : handoff.name) {
            if (c == '"' || c == '\\') field += '\\';
            field += c;
        }
        field += "\" <" + sender + ">\r\n";
    }
    if (letter_->has_header) return field;
    if (field.empty()) field = "Subject:\r\n";
    return letter_->begins_with_text ? field + "\r\n" : field;
}

// reply: the last one, to the content or to what it did not come to.
void Handover::conclude(const Reply& reply) {
    if (mail_refusal_) {
        const bool later = mail_refusal_->temporary() && !is_policy(*mail_refusal_);
        return end(later ? Fate::postponed : Fate::refused, mail_refusal_->joined(), exit_code_of(*mail_refusal_));
    }
    const bool nobody = taken_ == 0 || (options_.all_or_nothing && !left_.empty());
    if (!nobody || left_.empty()) {
        if (reply.code >= 200 && reply.code < 300) {
            end(Fate::stored, reply.joined());
            outcome_->left = std::move(left_);
            return;
        }
        const bool later = !reply.permanent() && !is_policy(reply);
        return end(later ? Fate::postponed : Fate::refused, reply.joined(), exit_code_of(reply));
    }
    // All are put off: as if the peer were down. Some: the spool keeps it for those, and the others are told of.
    bool all_later = true;
    for (const Outcome::Left& left : left_) all_later = all_later && left.later;
    if (all_later) return end(Fate::postponed, left_.front().words);
    const auto refused = std::ranges::find(left_, false, &Outcome::Left::later);
    end(Fate::refused, refused->words, refused->exit_code);
    if (!options_.all_or_nothing) outcome_->left = std::move(left_);
}

void Handover::on_lost(std::string why) {
    if (outcome_) return;
    if (content_written_) return end(Fate::doubtful, std::move(why));
    // Nothing can have been stored; whether something was answered before makes no difference.
    end(Fate::unanswered, std::move(why));
}

void Handover::end(Fate fate, std::string words, int exit_code) {
    outcome_ = Outcome{fate, std::move(words), exit_code, {}};
}

}  // namespace posthorn::app::sendmail
