// Fuzzes command lines and parameters. Input: one command line without its CRLF.
#include "law.hpp"
#include "smtp/protocol/command.hpp"

using namespace posthorn;
using namespace posthorn::smtp::protocol;

namespace {

void require_refusal(const Reply& reply) {
    fuzz::require(reply.code >= 500 && reply.code <= 599 && reply.enhanced.status == 5,
                  "a refusal is 5xx 5.x.x");
    for (char c : reply.joined()) fuzz::require(c >= 0x20 && c < 0x7f, "a refusal is printable ASCII");
}

void require_clean(const std::string& text) {
    for (char c : text)
        fuzz::require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f,
                      "no control character gets through");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view line(reinterpret_cast<const char*>(data), size);
    const CommandLine command = parse_command_line(line);
    (void)acceptable_helo(command.arguments);
    AcceptedParameters accepted;
    accepted.auth = accepted.require_tls = true;
    const auto mail = parse_mail(command.arguments, accepted);
    if (const auto* reply = std::get_if<Reply>(&mail)) {
        require_refusal(*reply);
    } else {
        const auto& parsed = std::get<MailCommand>(mail);
        require_clean(parsed.sender.to_string());
        require_clean(parsed.envid);
    }
    for (const bool smtputf8 : {false, true}) {
        const auto rcpt = parse_rcpt(command.arguments, accepted, smtputf8);
        if (const auto* reply = std::get_if<Reply>(&rcpt)) {
            require_refusal(*reply);
        } else {
            const auto& parsed = std::get<RcptCommand>(rcpt);
            require_clean(parsed.recipient.to_string());
            require_clean(parsed.orcpt);
            fuzz::require(!parsed.recipient.is_null(), "no null recipient");
        }
    }
    return 0;
}
