// The sendmail program's command line as a plan: what is to be done, with every option that callers have used for forty years.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mail/envelope.hpp"

namespace posthorn::app::sendmail {

enum class Mode {
    send,           // -bm, and nothing
    dialogue,       // -bs: SMTP on standard input and output (SM-7)
    list_queue,     // -bp, mailq (SM-6)
    flush_queue,    // -q, -qf, -qIID, -qRsite (SM-9)
    check_aliases,  // -bi, -I, newaliases (SM-8)
    refuse,         // the command line is wrong: exit code and words say how
};

struct Plan {
    Mode mode = Mode::send;
    int exit_code = 0;        // of Mode::refuse
    std::string words;        // of Mode::refuse: one line for standard error

    bool header_recipients = false;  // -t (SM-1)
    bool dot_is_text = false;        // -i, -oi (SM-2)
    bool sender_asked = false;       // -f or -r was given; envelope.reverse_path is its address, empty for <> (SM-3)
    std::string full_name;           // -F (SM-4)
    std::uint8_t notify = mail::Notify::unset;  // -N (SM-14), for recipients from the header as well
    mail::Envelope envelope;         // recipients of the command line, with notify; -B, -R, -V, -O
    std::string queue_id;            // -qIID
    std::string site;                // -qRsite
};

// program: argv[0]; only what stands behind the last slash counts. arguments: the others. Pure.
[[nodiscard]] Plan plan_of(std::string_view program, std::span<const std::string_view> arguments);

// The addresses of an argument or a header field, "a@b, Anna <c@d>" (SM-19): without names, comments and routes. An address without
// a domain is a local name. What is no address stands in `unsound`.
struct AddressList {
    std::vector<std::string> addresses;
    std::vector<std::string> unsound;
};
[[nodiscard]] AddressList read_addresses(std::string_view text);

}  // namespace posthorn::app::sendmail
