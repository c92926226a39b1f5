// The commands a client may send us, as typed values or as the reply that refuses them (RFC 5321 s4.1.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "mail/address.hpp"
#include "mail/envelope.hpp"
#include "smtp/protocol/reply.hpp"

namespace posthorn::smtp::protocol {

enum class Verb : std::uint8_t {
    ehlo,
    helo,
    starttls,
    auth,
    mail,
    rcpt,
    data,
    bdat,
    xclient,
    rset,
    noop,
    vrfy,
    help,
    quit,
    refused,  // known, and not for a submission server: EXPN, ETRN, ATRN, TURN, BURL, SEND, ... (RFC
              // 6409 s7)
    unknown,
};

[[nodiscard]] std::string_view to_string(Verb verb);

struct CommandLine {
    Verb verb = Verb::unknown;
    std::string_view arguments;  // without blanks at its ends
};

// line: without its CRLF.
[[nodiscard]] CommandLine parse_command_line(std::string_view line);

// Which parameters of MAIL and RCPT we advertised; others are refused with 555 5.5.4 (RFC 5321 s4.1.1.11).
struct AcceptedParameters {
    bool size = true, eight_bit_mime = true, smtputf8 = true, dsn = true;
    bool auth = false;         // MAIL AUTH= (RFC 4954 s5)
    bool require_tls = false;  // RFC 8689
    // XCALLER, ours alone: a program of this machine hands in for its caller. MAIL takes XCALLER=, XFROM=, XNAME= and XHANDOFF=;
    // in MAIL and RCPT stand names of this machine's users without a domain, too.
    bool caller = false;
};

// What a program of this machine says beside the sender. It tells of the caller, and gives no right.
struct CallerClaims {
    std::string claim;         // XCALLER=, decoded: "pid=812;cmd=php-fpm: pool www"
    bool sender_asked = true;  // false: XFROM=default with the null path, i.e. sendmail without -f
    std::string full_name;     // XNAME=, decoded: sendmail's -F
    std::string handoff;       // XHANDOFF=: the name that makes a message that comes twice the same (mail/handoff.hpp)
};

struct MailCommand {
    mail::Address sender;
    std::optional<std::uint64_t> size;  // SIZE= saturates: 2^64-1 for any larger number
    mail::BodyType body = mail::BodyType::unset;
    bool smtputf8 = false;
    bool require_tls = false;
    mail::DsnReturn ret = mail::DsnReturn::unset;
    std::string envid;  // decoded from xtext
    CallerClaims caller;
};

struct RcptCommand {
    mail::Address recipient;
    std::string orcpt;  // "rfc822;user@example.com", decoded from xtext
    std::uint8_t notify = mail::Notify::unset;
};

struct BdatCommand {
    std::uint64_t size = 0;  // saturates: 2^64-1 for any larger number
    bool last = false;
};

template <class Command>
using Parsed = std::variant<Command, Reply>;  // the command, or what to answer

// arguments: what follows "MAIL", i.e. "FROM:<a@example.com> SIZE=1000". Blanks after the colon are
// tolerated.
[[nodiscard]] Parsed<MailCommand> parse_mail(std::string_view arguments, const AcceptedParameters& accepted);
// smtputf8: whether MAIL of this transaction had SMTPUTF8 (RFC 6531 s3.4).
[[nodiscard]] Parsed<RcptCommand> parse_rcpt(std::string_view arguments, const AcceptedParameters& accepted,
                                             bool smtputf8);

// "1000" or "1000 LAST" (RFC 3030 s2); nothing where it is anything else.
[[nodiscard]] std::optional<BdatCommand> parse_bdat(std::string_view arguments);

// The argument of EHLO and HELO: a name or an address literal. Looser than RFC 5321 s4.1.1.1 in what names
// are made of (underscores, single labels: what PHP and Windows say), strict in characters that could forge a
// header field.
[[nodiscard]] bool acceptable_helo(std::string_view argument);

}  // namespace posthorn::smtp::protocol
