// Commands on standard input: see stdio_dialogue.hpp.
#include "app/sendmail/stdio_dialogue.hpp"

#include <algorithm>
#include <utility>

#include "app/sendmail/options.hpp"
#include "base/text.hpp"
#include "mail/xtext.hpp"

namespace posthorn::app::sendmail {
namespace {

constexpr std::size_t kMaxCommand = 4096;

void say(std::string& replies, std::string_view line) { replies.append(line).append("\r\n"); }

// "FROM:<a@b> X=y": the address; takes it off the front of rest. Nothing: it is none.
std::optional<std::string> take_path(std::string_view& rest, std::string_view word) {
    rest = text::trim_left(rest);
    if (!text::istarts_with(rest, word)) return std::nullopt;
    rest = text::trim_left(rest.substr(word.size()));
    if (!rest.starts_with('<')) return std::nullopt;
    // ">" may stand in quotes.
    bool quoted = false;
    std::size_t end = 1;
    for (; end < rest.size() && (quoted || rest[end] != '>'); ++end) {
        if (rest[end] == '\\' && quoted && end + 1 < rest.size()) {
            ++end;
        } else if (rest[end] == '"') {
            quoted = !quoted;
        }
    }
    if (end >= rest.size()) return std::nullopt;
    const std::string_view path = rest.substr(0, end + 1);
    rest.remove_prefix(end + 1);
    if (!rest.empty() && !text::is_blank(rest.front())) return std::nullopt;
    if (path == "<>") return std::string();
    AddressList list = read_addresses(path);
    if (list.addresses.size() != 1 || !list.unsound.empty()) return std::nullopt;
    return std::move(list.addresses.front());
}

std::optional<std::uint8_t> read_notify(std::string_view value) {
    std::uint8_t notify = mail::Notify::unset;
    while (!value.empty()) {
        const std::string_view word = text::take_field(value, ',');
        if (text::iequals(word, "NEVER")) {
            notify |= mail::Notify::never;
        } else if (text::iequals(word, "SUCCESS")) {
            notify |= mail::Notify::success;
        } else if (text::iequals(word, "FAILURE")) {
            notify |= mail::Notify::failure;
        } else if (text::iequals(word, "DELAY")) {
            notify |= mail::Notify::delay;
        } else {
            return std::nullopt;
        }
    }
    if (notify == mail::Notify::unset || ((notify & mail::Notify::never) != 0 && notify != mail::Notify::never)) return std::nullopt;
    return notify;
}

}  // namespace

std::size_t StdioDialogue::feed(std::string_view chunk, std::string& replies, std::string& content) {
    const std::size_t whole = chunk.size();
    while (!chunk.empty() && !has_message_ && !done_) {
        if (input_) {
            const std::size_t before = content.size();
            chunk.remove_prefix(input_->feed(chunk, content));
            // What is over the limit is read and dropped, so that the dialogue goes on.
            too_big_ = too_big_ || input_->octets() > facts_.size_limit;
            if (too_big_) content.resize(before);
            if (!input_->fault().empty()) {
                // The rest cannot be told from commands.
                say(replies, "554 5.6.0 " + input_->fault());
                say(replies, "421 4.7.0 closing");
                done_ = true;
            } else if (input_->ended() && too_big_) {
                say(replies, "552 5.3.4 the message is longer than " + std::to_string(facts_.size_limit) + " octets");
                forget();
            } else if (input_->ended()) {
                has_message_ = true;
            }
            continue;
        }
        const std::size_t end = chunk.find('\n');
        line_ += chunk.substr(0, end);
        chunk.remove_prefix(end == std::string_view::npos ? chunk.size() : end + 1);
        if (line_.size() > kMaxCommand) {
            line_too_long_ = true;
            line_.resize(kMaxCommand);
        }
        if (end == std::string_view::npos) continue;
        while (line_.ends_with('\r')) line_.pop_back();
        const std::string line = std::move(line_);
        line_.clear();
        if (std::exchange(line_too_long_, false)) {
            say(replies, "500 5.5.2 the line is too long");
        } else if (text::has_control(line)) {
            say(replies, "500 5.5.2 the line has a control character");
        } else {
            command(line, replies);
        }
    }
    return whole - chunk.size();
}

void StdioDialogue::command(std::string_view line, std::string& replies) {
    std::string_view rest = line;
    const std::string verb = text::to_lower(text::take_field(rest, ' '));
    if (verb == "ehlo" || verb == "helo") {
        forget();
        greeted_ = true;
        if (verb == "helo") return say(replies, "250 " + facts_.hostname);
        for (const std::string& keyword :
             {facts_.hostname, std::string("PIPELINING"), "SIZE " + std::to_string(facts_.size_limit), std::string("8BITMIME"),
              std::string("SMTPUTF8"), std::string("DSN"), std::string("ENHANCEDSTATUSCODES")})
            say(replies, (keyword == "ENHANCEDSTATUSCODES" ? "250 " : "250-") + keyword);
        return;
    }
    if (verb == "mail") return mail(rest, replies);
    if (verb == "rcpt") return recipient(rest, replies);
    if (verb == "data") return data(replies);
    if (verb == "rset") {
        forget();
        return say(replies, "250 2.0.0 ok");
    }
    if (verb == "noop") return say(replies, "250 2.0.0 ok");
    if (verb == "vrfy") return say(replies, "252 2.5.0 not verified; send mail and see");
    if (verb == "quit") {
        done_ = true;
        return say(replies, "221 2.0.0 bye");
    }
    if (verb == "auth") return say(replies, "503 5.5.1 no login is needed here: you are known by your user id");
    if (verb == "starttls") return say(replies, "502 5.5.1 there is no network between us");
    say(replies, "500 5.5.2 unknown command");
}

void StdioDialogue::mail(std::string_view rest, std::string& replies) {
    if (!greeted_) return say(replies, "503 5.5.1 EHLO first");
    if (has_sender_) return say(replies, "503 5.5.1 a sender was named already");
    auto sender = take_path(rest, "FROM:");
    if (!sender) return say(replies, "501 5.1.7 no sender address in <>");
    forget();
    while (!text::trim(rest).empty()) {
        rest = text::trim_left(rest);
        std::string_view value = text::take_field(rest, ' ');
        const std::string name = text::to_lower(text::take_field(value, '='));
        if (name == "size") {
            const auto octets = text::parse_unsigned(value);
            if (!octets) return say(replies, "501 5.5.4 SIZE is no number");
            if (*octets > facts_.size_limit)
                return say(replies, "552 5.3.4 the message is longer than " + std::to_string(facts_.size_limit) + " octets");
        } else if (name == "body" && text::iequals(value, "8BITMIME")) {
            envelope_.body = mail::BodyType::eight_bit_mime;
        } else if (name == "body" && text::iequals(value, "7BIT")) {
            envelope_.body = mail::BodyType::seven_bit;
        } else if (name == "smtputf8") {
            envelope_.smtputf8 = true;
        } else if (name == "ret" && (text::iequals(value, "FULL") || text::iequals(value, "HDRS"))) {
            envelope_.ret = text::iequals(value, "FULL") ? mail::DsnReturn::full : mail::DsnReturn::headers;
        } else if (name == "envid" && mail::xtext_decode(value)) {
            envelope_.envid = *mail::xtext_decode(value);
        } else {
            return say(replies, "555 5.5.4 unknown parameter of MAIL, or a value it does not have");
        }
    }
    has_sender_ = true;
    envelope_.reverse_path = std::move(*sender);
    say(replies, "250 2.1.0 ok");
}

void StdioDialogue::recipient(std::string_view rest, std::string& replies) {
    if (!has_sender_) return say(replies, "503 5.5.1 MAIL first");
    if (envelope_.recipients.size() >= facts_.max_recipients) return say(replies, "452 4.5.3 too many recipients");
    auto address = take_path(rest, "TO:");
    if (!address || address->empty()) return say(replies, "501 5.1.3 no recipient address in <>");
    mail::EnvelopeRecipient recipient;
    recipient.address = std::move(*address);
    while (!text::trim(rest).empty()) {
        rest = text::trim_left(rest);
        std::string_view value = text::take_field(rest, ' ');
        const std::string name = text::to_lower(text::take_field(value, '='));
        const std::string_view all = value;
        const std::string_view kind = text::take_field(value, ';');
        if (const auto notify = read_notify(all); name == "notify" && notify) {
            recipient.notify = *notify;
        } else if (const auto original = mail::xtext_decode(value); name == "orcpt" && original && !original->empty()) {
            recipient.orcpt = std::string(kind).append(";").append(*original);
        } else {
            return say(replies, "555 5.5.4 unknown parameter of RCPT, or a value it does not have");
        }
    }
    envelope_.recipients.push_back(std::move(recipient));
    say(replies, "250 2.1.5 ok");
}

void StdioDialogue::data(std::string& replies) {
    if (envelope_.recipients.empty()) return say(replies, "503 5.5.1 RCPT first");
    input_.emplace(InputRules{true, true, false});
    too_big_ = false;
    say(replies, "354 end with a line of one dot");
}

void StdioDialogue::on_result(int code, std::string_view enhanced, std::string_view words, std::string& replies) {
    const bool is_reply = words.size() > 4 && (words[0] == '2' || words[0] == '4' || words[0] == '5') && text::is_digit(words[1]) &&
                          text::is_digit(words[2]) && words[3] == ' ' && words[0] == std::to_string(code).front();
    std::string line;
    if (!is_reply) line.append(std::to_string(code)).append(" ").append(enhanced).append(" ");
    line += text::safe_for_log(words, 900);
    say(replies, line);
    forget();
}

void StdioDialogue::forget() {
    input_.reset();
    has_message_ = has_sender_ = too_big_ = false;
    envelope_ = mail::Envelope();
}

}  // namespace posthorn::app::sendmail
