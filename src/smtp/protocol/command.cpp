// Reading command lines and the parameters of MAIL and RCPT.
#include "smtp/protocol/command.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "mail/handoff.hpp"
#include "mail/xtext.hpp"

namespace posthorn::smtp::protocol {
namespace {

struct Name {
    std::string_view text;
    Verb verb;
};

constexpr std::array<Name, 23> kNames = {{
    {"EHLO", Verb::ehlo},       {"HELO", Verb::helo},        {"STARTTLS", Verb::starttls},
    {"AUTH", Verb::auth},       {"MAIL", Verb::mail},        {"RCPT", Verb::rcpt},
    {"DATA", Verb::data},       {"RSET", Verb::rset},        {"NOOP", Verb::noop},
    {"VRFY", Verb::vrfy},       {"HELP", Verb::help},        {"QUIT", Verb::quit},
    {"EXPN", Verb::refused},    {"ETRN", Verb::refused},     {"ATRN", Verb::refused},
    {"TURN", Verb::refused},    {"BDAT", Verb::bdat},        {"BURL", Verb::refused},
    {"SEND", Verb::refused},    {"SOML", Verb::refused},     {"SAML", Verb::refused},
    {"XCLIENT", Verb::xclient}, {"XFORWARD", Verb::refused},
}};

constexpr std::size_t kMaxEnvid = 100;  // RFC 3461 s4.4
constexpr std::size_t kMaxOrcpt = 500;  // s4.2

Reply bad_value(std::string_view text) {
    return make_reply(501, "5.5.4", text);
}
Reply not_known() {
    return make_reply(555, "5.5.4", "Parameter not recognized or not implemented");
}

// One "KEYWORD" or "KEYWORD=value" (RFC 5321 s4.1.2, esmtp-param).
struct Parameter {
    std::string_view keyword, value;
    bool has_value = false;

    [[nodiscard]] bool is(std::string_view name) const { return text::iequals(keyword, name); }
};

bool well_formed(const Parameter& parameter) {
    if (parameter.keyword.empty() || !text::is_alnum(parameter.keyword.front())) return false;
    for (char c : parameter.keyword)
        if (!text::is_alnum(c) && c != '-') return false;
    if (parameter.has_value && parameter.value.empty()) return false;
    for (char c : parameter.value)
        // Octets above 127 only in an ORCPT of type utf-8 (RFC 6533 s3), which looks at them itself.
        if ((!text::is_graphic(c) && !text::is_8bit(c)) || c == '=') return false;
    return true;
}

// Calls take(parameter) for each; it returns the reply that refuses it, or nothing.
template <class Take>
std::optional<Reply> each_parameter(std::string_view rest, Take take) {
    if (!rest.empty() && !text::is_blank(rest.front()))
        return bad_value("Parameters must follow the address after a blank");
    std::vector<std::string_view> seen;
    for (rest = text::trim(rest); !rest.empty(); rest = text::trim_left(rest)) {
        const auto end = rest.find_first_of(" \t");
        const std::string_view word = rest.substr(0, end);
        rest.remove_prefix(word.size());
        const auto equals = word.find('=');
        Parameter parameter;
        parameter.keyword = word.substr(0, equals);
        parameter.has_value = equals != std::string_view::npos;
        if (parameter.has_value) parameter.value = word.substr(equals + 1);
        if (!well_formed(parameter)) return bad_value("Malformed parameter");
        for (std::string_view earlier : seen)
            if (text::iequals(earlier, parameter.keyword)) return bad_value("Parameter given twice");
        seen.push_back(parameter.keyword);
        if (auto refusal = take(parameter)) return refusal;
    }
    return std::nullopt;
}

std::optional<Reply> take_size(const Parameter& parameter, std::optional<std::uint64_t>& out) {
    const auto all_digits = std::all_of(parameter.value.begin(), parameter.value.end(), text::is_digit);
    if (!parameter.has_value || !all_digits || parameter.value.size() > 20)  // RFC 1870 s3: at most 20 digits
        return bad_value("SIZE needs a number of octets");
    out = text::parse_unsigned(parameter.value).value_or(UINT64_MAX);
    return std::nullopt;
}

std::optional<Reply> take_body(const Parameter& parameter, mail::BodyType& out) {
    if (text::iequals(parameter.value, "7BIT")) {
        out = mail::BodyType::seven_bit;
    } else if (text::iequals(parameter.value, "8BITMIME")) {
        out = mail::BodyType::eight_bit_mime;
    } else if (text::iequals(parameter.value, "BINARYMIME")) {
        return not_known();  // EXT-7: not offered, for delivery sends with DATA
    } else {
        return bad_value("BODY is 7BIT or 8BITMIME");
    }
    return std::nullopt;
}

std::optional<Reply> take_ret(const Parameter& parameter, mail::DsnReturn& out) {
    if (text::iequals(parameter.value, "FULL")) {
        out = mail::DsnReturn::full;
    } else if (text::iequals(parameter.value, "HDRS")) {
        out = mail::DsnReturn::headers;
    } else {
        return bad_value("RET is FULL or HDRS");
    }
    return std::nullopt;
}

// What is decoded ends up in the header of a DSN: nothing in it may look like the start of another field.
bool plain(std::string_view decoded) {
    return !text::has_control(decoded);
}

std::optional<Reply> take_envid(const Parameter& parameter, std::string& out) {
    if (parameter.value.size() > kMaxEnvid) return bad_value("ENVID is too long");
    auto decoded = mail::xtext_decode(parameter.value);
    if (!parameter.has_value || !decoded || !plain(*decoded) || !text::is_ascii(*decoded))
        return bad_value("ENVID is not xtext of printable characters");
    out = std::move(*decoded);
    return std::nullopt;
}

// Text of people, for the log and a display name.
std::optional<Reply> take_text(const Parameter& parameter, std::string& out) {
    auto decoded = mail::xtext_decode(parameter.value);
    if (!parameter.has_value || !decoded || !text::is_utf8(*decoded))
        return make_reply(501, "5.5.4", std::string(parameter.keyword) + " is not xtext of UTF-8");
    std::replace_if(decoded->begin(), decoded->end(), [](char c) { return text::is_control(c); }, ' ');
    out = std::move(*decoded);
    return std::nullopt;
}

// Those of XCALLER; nothing where the parameter is another.
std::optional<std::optional<Reply>> take_caller(const Parameter& parameter, CallerClaims& out) {
    using Taken = std::optional<Reply>;
    if (parameter.is("XCALLER")) return take_text(parameter, out.claim);
    if (parameter.is("XNAME")) return take_text(parameter, out.full_name);
    if (parameter.is("XFROM")) {
        out.sender_asked = !text::iequals(parameter.value, "default");
        return out.sender_asked ? Taken(bad_value("XFROM is default, or is not said")) : Taken();
    }
    if (!parameter.is("XHANDOFF")) return std::nullopt;
    if (!mail::is_handoff_name(parameter.value)) return Taken(bad_value("XHANDOFF is the name of a file in the spool"));
    out.handoff = parameter.value;
    return Taken();
}

// RFC 3461 s4.1: NEVER stands alone (DSN-2).
std::optional<Reply> take_notify(const Parameter& parameter, std::uint8_t& out) {
    using mail::Notify;
    if (text::iequals(parameter.value, "NEVER")) {
        out = Notify::never;
        return std::nullopt;
    }
    std::string_view rest = parameter.value;
    for (bool more = true; more;) {
        more = rest.find(',') != std::string_view::npos;
        const std::string_view item = text::take_field(rest, ',');
        if (text::iequals(item, "SUCCESS")) {
            out |= Notify::success;
        } else if (text::iequals(item, "FAILURE")) {
            out |= Notify::failure;
        } else if (text::iequals(item, "DELAY")) {
            out |= Notify::delay;
        } else {
            return bad_value("NOTIFY is NEVER, or of SUCCESS, FAILURE and DELAY");
        }
    }
    return std::nullopt;
}

// RFC 3461 s4.2: addr-type ";" xtext. The type utf-8 has codings of its own and is kept as it is (RFC 6533
// s3).
std::optional<Reply> take_orcpt(const Parameter& parameter, bool smtputf8, std::string& out) {
    const auto semicolon = parameter.value.find(';');
    if (parameter.value.size() > kMaxOrcpt || semicolon == std::string_view::npos || semicolon == 0)
        return bad_value("ORCPT is an address type, a semicolon and xtext");
    const std::string_view type = parameter.value.substr(0, semicolon);
    const std::string_view address = parameter.value.substr(semicolon + 1);
    for (char c : type)
        if (!text::is_alnum(c) && c != '-') return bad_value("ORCPT has a malformed address type");
    if (text::iequals(type, "utf-8")) {
        if (!text::is_ascii(address) && (!smtputf8 || !text::is_utf8(address)))
            return bad_value("ORCPT has octets above 127");
        out = parameter.value;
        return std::nullopt;
    }
    const auto decoded = mail::xtext_decode(address);
    if (!decoded || !plain(*decoded)) return bad_value("ORCPT is not xtext");
    out.assign(type).append(";").append(*decoded);
    return std::nullopt;
}

// After "FROM" or "TO", in any case, up to and with the colon; nothing when it is not there.
std::optional<std::string_view> after_keyword(std::string_view arguments, std::string_view keyword) {
    if (!text::istarts_with(arguments, keyword)) return std::nullopt;
    std::string_view rest = text::trim_left(arguments.substr(keyword.size()));
    if (!rest.starts_with(':')) return std::nullopt;
    return text::trim_left(rest.substr(1));
}

}  // namespace

std::string_view to_string(Verb verb) {
    for (const auto& name : kNames)
        if (name.verb == verb && verb != Verb::refused) return name.text;
    return verb == Verb::refused ? "refused" : "unknown";
}

CommandLine parse_command_line(std::string_view line) {
    line = text::trim(line);
    const auto end = line.find_first_of(" \t");
    const std::string_view word = line.substr(0, end);
    CommandLine out;
    out.arguments = text::trim_left(line.substr(word.size()));
    for (const auto& name : kNames)
        if (text::iequals(name.text, word)) out.verb = name.verb;
    return out;
}

Parsed<MailCommand> parse_mail(std::string_view arguments, const AcceptedParameters& accepted) {
    const auto rest = after_keyword(arguments, "FROM");
    if (!rest) return make_reply(501, "5.5.4", "Syntax: MAIL FROM:<address>");
    // Whether octets above 127 may be there is only known when the parameters are read.
    auto path = mail::parse_path(*rest, accepted.caller ? mail::PathKind::reverse_or_name : mail::PathKind::reverse, true);
    if (!path) return make_reply(501, "5.1.7", path.error().what);
    MailCommand command;
    const auto take = [&](const Parameter& parameter) -> std::optional<Reply> {
        const bool bare = !parameter.has_value;
        if (parameter.is("SIZE") && accepted.size) return take_size(parameter, command.size);
        if (parameter.is("BODY") && accepted.eight_bit_mime) return take_body(parameter, command.body);
        if (parameter.is("RET") && accepted.dsn) return take_ret(parameter, command.ret);
        if (parameter.is("ENVID") && accepted.dsn) return take_envid(parameter, command.envid);
        if (parameter.is("SMTPUTF8") && accepted.smtputf8) {
            command.smtputf8 = true;
            return bare ? std::nullopt : std::optional(bad_value("SMTPUTF8 takes no value"));
        }
        if (parameter.is("REQUIRETLS") && accepted.require_tls) {
            command.require_tls = true;
            return bare ? std::nullopt : std::optional(bad_value("REQUIRETLS takes no value"));
        }
        if (parameter.is("AUTH") && accepted.auth) {
            // RFC 4954 s5: we trust nobody to speak for another, so that its value is read and let go
            // (AUTH-6).
            const bool good = !bare && (parameter.value == "<>" || mail::xtext_decode(parameter.value));
            return good ? std::nullopt : std::optional(bad_value("AUTH is <> or xtext"));
        }
        if (accepted.caller) {
            if (auto taken = take_caller(parameter, command.caller)) return *std::move(taken);
        }
        return not_known();
    };
    if (auto refusal = each_parameter(rest->substr(path->consumed), take)) return *std::move(refusal);
    if (!command.caller.sender_asked && !path->address.is_null()) return bad_value("XFROM=default goes with MAIL FROM:<>");
    // RFC 6531 s3.5
    if (path->has_utf8 && !command.smtputf8)
        return make_reply(550, "5.6.7", "An address with UTF-8 needs the SMTPUTF8 parameter");
    command.sender = std::move(path->address);
    return command;
}

Parsed<RcptCommand> parse_rcpt(std::string_view arguments, const AcceptedParameters& accepted,
                               bool smtputf8) {
    const auto rest = after_keyword(arguments, "TO");
    if (!rest) return make_reply(501, "5.5.4", "Syntax: RCPT TO:<address>");
    auto path = mail::parse_path(*rest, accepted.caller ? mail::PathKind::forward_or_name : mail::PathKind::forward, smtputf8);
    if (!path && path.error().fault == mail::AddressFault::needs_smtputf8)
        return make_reply(553, "5.6.7", "An address with UTF-8 needs the SMTPUTF8 parameter of MAIL");
    if (!path) return make_reply(501, "5.1.3", path.error().what);
    RcptCommand command;
    const auto take = [&](const Parameter& parameter) -> std::optional<Reply> {
        if (parameter.is("NOTIFY") && accepted.dsn) return take_notify(parameter, command.notify);
        if (parameter.is("ORCPT") && accepted.dsn) return take_orcpt(parameter, smtputf8, command.orcpt);
        return not_known();
    };
    if (auto refusal = each_parameter(rest->substr(path->consumed), take)) return *std::move(refusal);
    command.recipient = std::move(path->address);
    return command;
}

std::optional<BdatCommand> parse_bdat(std::string_view arguments) {
    const std::string_view size = arguments.substr(0, arguments.find(' '));
    const std::string_view rest = arguments.substr(size.size());
    if (size.empty() || !std::all_of(size.begin(), size.end(), text::is_digit)) return std::nullopt;
    BdatCommand command;
    command.size = text::parse_unsigned(size).value_or(UINT64_MAX);
    const auto word = rest.find_first_not_of(' ');
    if (word == std::string_view::npos) return command;
    command.last = text::iequals(rest.substr(word), "LAST");
    return command.last ? std::optional(command) : std::nullopt;
}

bool acceptable_helo(std::string_view argument) {
    if (argument.empty() || argument.size() > 255) return false;
    return std::all_of(argument.begin(), argument.end(), [](char c) {
        return text::is_alnum(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
    });
}

}  // namespace posthorn::smtp::protocol
