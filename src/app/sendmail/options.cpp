// Reading the command line: see options.hpp. The rules for joined and separate values are those of getopt.
#include "app/sendmail/options.hpp"

#include <algorithm>

#include "base/sysexits.hpp"
#include "base/text.hpp"
#include "mail/address_field.hpp"

namespace posthorn::app::sendmail {
namespace {

// With a value, in the same argument or the next one. `d` and `q` have a value only in the same argument.
constexpr std::string_view kWithValue = "ABCFLNORVXbefhopr";
constexpr std::string_view kWithJoinedValue = "dq";
constexpr std::string_view kFlags = "GIUcimnstvx";
constexpr std::string_view kUsage =
    "; usage: sendmail [-t] [-i] [-f SENDER] [-F NAME] [RECIPIENT...], with the message on standard input; mailq; newaliases";

struct Refusal {
    int code;
    std::string words;
};

std::string shown(std::string_view text) { return "\"" + text::safe_for_log(text, 100) + "\""; }

// SM-24: nobody writes a line of the SMTP dialogue or of a record through an address.
std::optional<Refusal> control_in(std::string_view option, std::string_view value) {
    if (!text::has_control(value)) return std::nullopt;
    return Refusal{exit_code::kDataError, std::string(option) + " has a control character: " + shown(value)};
}

std::string without_blanks(std::string_view text) {
    std::string plain;
    bool quoted = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '"') quoted = !quoted;
        if (quoted && c == '\\' && at + 1 < text.size()) {
            plain += c;
            plain += text[++at];
        } else if (quoted ? c != '\r' && c != '\n' : !text::is_space(c)) {
            plain += c;
        }
    }
    return plain;
}

class Reader {
public:
    Reader(std::string_view program, std::span<const std::string_view> arguments) : arguments_(arguments) {
        program.remove_prefix(std::min(program.rfind('/') + 1, program.size()));  // npos + 1 is 0
        if (program == "mailq") plan_.mode = Mode::list_queue;
        if (program == "newaliases") plan_.mode = Mode::check_aliases;
    }

    Plan read() {
        while (at_ < arguments_.size() && !refusal_) {
            const std::string_view argument = arguments_[at_];
            if (argument == "--") {  // SM-20
                ++at_;
                break;
            }
            if (argument.size() < 2 || argument.front() != '-') {
                // As with GNU's getopt, options may stand behind recipients: mail programs append theirs.
                recipients_.push_back(argument);
                ++at_;
                continue;
            }
            ++at_;
            bundle(argument.substr(1));
        }
        for (; at_ < arguments_.size(); ++at_) recipients_.push_back(arguments_[at_]);
        if (!refusal_ && plan_.mode == Mode::send) add_recipients();
        if (refusal_) {
            plan_.mode = Mode::refuse;
            plan_.exit_code = refusal_->code;
            plan_.words = std::move(refusal_->words);
        }
        return std::move(plan_);
    }

private:
    // "ti", "tfuser@example.com"
    void bundle(std::string_view letters) {
        const std::string_view whole = letters;
        while (!letters.empty() && !refusal_) {
            const char letter = letters.front();
            letters.remove_prefix(1);
            if (kFlags.find(letter) != std::string_view::npos) {
                flag(letter);
            } else if (kWithJoinedValue.find(letter) != std::string_view::npos) {
                if (letter == 'q') queue(letters);
                return;
            } else if (kWithValue.find(letter) != std::string_view::npos) {
                if (!letters.empty()) {
                    value(letter, letters);
                } else if (at_ < arguments_.size()) {
                    value(letter, arguments_[at_++]);
                } else {
                    refuse_usage(std::string("option -") + letter + " needs a value");
                }
                return;
            } else {
                return refuse_usage("unknown option -" + text::safe_for_log(whole, 60) + (letter == '-' ? std::string(kUsage) : ""));
            }
        }
    }

    void flag(char letter) {
        if (letter == 't') plan_.header_recipients = true;
        if (letter == 'i') plan_.dot_is_text = true;
        if (letter == 'I') plan_.mode = Mode::check_aliases;
        // The others are accepted and mean nothing here (SM-18).
    }

    void value(char letter, std::string_view value) {
        switch (letter) {
            case 'b': return mode(value);
            case 'f':
            case 'r': return sender(value);
            case 'F': plan_.full_name = value; return;
            case 'o': return old_option(value);
            case 'O': return long_option(value);
            case 'B':
                if (text::iequals(value, "7BIT")) {
                    plan_.envelope.body = mail::BodyType::seven_bit;
                } else if (text::iequals(value, "8BITMIME")) {
                    plan_.envelope.body = mail::BodyType::eight_bit_mime;
                } else {
                    refuse_usage("option -B takes 7BIT or 8BITMIME, not " + shown(value));
                }
                return;
            case 'N': return notify(value);
            case 'R':
                if (text::iequals(value, "full")) {
                    plan_.envelope.ret = mail::DsnReturn::full;
                } else if (text::iequals(value, "hdrs")) {
                    plan_.envelope.ret = mail::DsnReturn::headers;
                } else {
                    refuse_usage("option -R takes full or hdrs, not " + shown(value));
                }
                return;
            case 'V':
                refusal_ = control_in("option -V", value);
                if (!refusal_ && (value.size() > 100 || !text::is_ascii(value)))
                    refuse_usage("option -V: an ENVID has at most 100 octets of ASCII (RFC 3461 s4.4)");
                plan_.envelope.envid = value;
                return;
            default: return;  // SM-17, SM-18
        }
    }

    void mode(std::string_view value) {
        const char letter = value.empty() ? '\0' : value.front();
        switch (letter) {
            case 'm': plan_.mode = Mode::send; return;
            case 's': plan_.mode = Mode::dialogue; return;
            case 'p': plan_.mode = Mode::list_queue; return;
            case 'i': plan_.mode = Mode::check_aliases; return;
            case 'd':
            case 'D':
            case 'l':
                return refuse_usage("this program is not the daemon; the service manager starts that, or \"posthorn serve\"");
            case 'v': return refuse_usage("-bv is not offered; \"posthorn route test ADDRESS\" shows the way of an address");
            default: return refuse_usage("-b" + text::safe_for_log(value, 20) + " is not offered: -bm, -bs, -bp and -bi are");
        }
    }

    void sender(std::string_view value) {
        refusal_ = control_in("the sender of -f", value);
        if (refusal_) return;
        plan_.sender_asked = true;
        plan_.envelope.reverse_path.clear();
        if (const std::string_view plain = text::trim(value); plain.empty() || plain == "<>") return;
        const AddressList list = read_addresses(value);
        if (list.addresses.size() != 1 || !list.unsound.empty()) {
            refusal_ = Refusal{exit_code::kDataError, "the sender of -f is no address: " + shown(value)};
            return;
        }
        plan_.envelope.reverse_path = list.addresses.front();
    }

    void old_option(std::string_view value) {
        if (value == "i") plan_.dot_is_text = true;
        // The one with a file's name, as a word of its own.
        if (value == "A" && at_ < arguments_.size() && arguments_[at_].starts_with('/')) ++at_;
    }

    // Those of Postfix 3.11; others of sendmail.cf are accepted and mean nothing (SM-15).
    void long_option(std::string_view value) {
        const std::string_view name = text::trim(text::take_field(value, '='));
        value = text::trim(value);
        const bool on = text::iequals(value, "yes") || text::iequals(value, "true") || value == "1";
        if (text::iequals(name, "requiretls")) plan_.envelope.require_tls = on;
        if (text::iequals(name, "smtputf8")) plan_.envelope.smtputf8 = on;
    }

    void notify(std::string_view value) {
        const std::string_view all = value;
        plan_.notify = mail::Notify::unset;
        while (!value.empty()) {
            const std::string_view word = text::trim(text::take_field(value, ','));
            if (text::iequals(word, "never")) {
                plan_.notify |= mail::Notify::never;
            } else if (text::iequals(word, "success")) {
                plan_.notify |= mail::Notify::success;
            } else if (text::iequals(word, "failure")) {
                plan_.notify |= mail::Notify::failure;
            } else if (text::iequals(word, "delay")) {
                plan_.notify |= mail::Notify::delay;
            } else {
                plan_.notify = mail::Notify::unset;
                break;
            }
        }
        const bool never_and_more = (plan_.notify & mail::Notify::never) != 0 && plan_.notify != mail::Notify::never;
        if (plan_.notify == mail::Notify::unset || never_and_more)
            refuse_usage("option -N takes never, or some of success,failure,delay, not " + shown(all));
    }

    void queue(std::string_view value) {
        if (!value.empty() && text::is_digit(value.front())) return;  // -q15m: the daemon has its own intervals
        plan_.mode = Mode::flush_queue;
        if (value.empty() || value == "f") return;
        const std::string_view what = value.substr(1);
        refusal_ = control_in("option -q", value);
        if (refusal_) return;
        if (value.front() == 'I' && !what.empty()) {
            plan_.queue_id = what;
        } else if (value.front() == 'R' && !what.empty()) {
            plan_.site = what;
        } else {
            refuse_usage("option -q" + text::safe_for_log(value, 60) + " is not offered: -q, -qf, -qIID and -qRsite are");
        }
    }

    void add_recipients() {
        for (const std::string_view argument : recipients_) {
            refusal_ = control_in("a recipient", argument);
            if (refusal_) return;
            AddressList list = read_addresses(argument);
            if (!list.unsound.empty() || (list.addresses.empty() && !text::trim(argument).empty())) {
                refusal_ = Refusal{exit_code::kDataError, "this recipient is no address: " + shown(argument)};
                return;
            }
            for (std::string& address : list.addresses)
                plan_.envelope.recipients.push_back({std::move(address), "", plan_.notify});
        }
        if (plan_.envelope.recipients.empty() && !plan_.header_recipients)
            refuse_usage("no recipients are named; -t takes them from the message's header");
        for (mail::EnvelopeRecipient& recipient : plan_.envelope.recipients) recipient.notify = plan_.notify;
    }

    void refuse_usage(std::string words) { refusal_ = Refusal{exit_code::kUsage, std::move(words)}; }

    std::span<const std::string_view> arguments_;
    std::size_t at_ = 0;
    Plan plan_;
    std::vector<std::string_view> recipients_;
    std::optional<Refusal> refusal_;
};

}  // namespace

AddressList read_addresses(std::string_view text) {
    AddressList list;
    const mail::AddressField field = mail::read_address_field(text);
    for (const mail::AddressPlace& place : field.addresses) {
        if (place.sound) {
            std::string address = without_blanks(place.local.of(text));
            if (!place.domain.empty()) address.append("@").append(without_blanks(place.domain.of(text)));
            // It becomes part of a line of SMTP: what a quoted string could hide there, a fold behind a backslash, is no address (SM-24).
            if (!address.empty() && !text::has_control(address)) {
                list.addresses.push_back(std::move(address));
                continue;
            }
        }
        if (place.in_angle && place.local.empty() && place.domain.empty()) continue;  // "undisclosed recipients <>" is nobody
        std::size_t begin = text.size();
        std::size_t end = 0;
        for (const mail::Span& span : {place.display, place.local, place.domain}) {
            if (span.empty()) continue;
            begin = std::min(begin, span.begin);
            end = std::max(end, span.end);
        }
        list.unsound.emplace_back(begin < end ? text.substr(begin, end - begin) : text::trim(text));
    }
    return list;
}

Plan plan_of(std::string_view program, std::span<const std::string_view> arguments) { return Reader(program, arguments).read(); }

}  // namespace posthorn::app::sendmail
