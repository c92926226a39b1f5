// The rules a submitted header is held to, and the changes it gets before it is stored (RFC 6409 s8).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "intake/intake.hpp"

namespace posthorn::intake {

struct JudgedHeader {
    std::string text;                   // with everything added and taken out, the Received field on top
    std::string stream;                 // name of the list stream, or empty
    std::vector<std::string> repaired;  // "added Date", in the order of the repairs
    std::vector<std::string> warnings;  // for the log
    bool has_mime_version = false;
    bool is_signed = false;             // by somebody else (SUB-17): not to be changed
    std::optional<std::string> reverse_path;  // of the envelope, where Submission::sender_policy decides it
    std::optional<Duration> lifetime;   // of kExpiryField: how long it is to be tried at most
    std::string script;                 // the PHP script that sent it says who it is; of local callers only
};

// `header` as submitted, without the empty line; `received` is our own field for the top, with its CRLF.
[[nodiscard]] std::variant<JudgedHeader, Refusal> judge_header(std::string header, std::string_view received,
                                                               const Rules& rules, const Submission& submission,
                                                               const mail::Envelope& envelope);

// The domain that completes bare addresses; empty: none is known.
[[nodiscard]] std::string qualify_domain(const Rules& rules, std::string_view reverse_path);

}  // namespace posthorn::intake
