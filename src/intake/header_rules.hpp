// The rules a submitted header is held to, and the changes it gets before it is stored (RFC 6409 s8).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "intake/intake.hpp"

namespace posthorn::intake {

struct JudgedHeader {
    std::string text;                 // with everything added and taken out, the Received field on top
    std::string stream;               // name of the list stream, or empty
    bool has_8bit = false;
};

// `header` as submitted, without the empty line; `received` is our own field for the top, with its CRLF.
[[nodiscard]] std::variant<JudgedHeader, Refusal> judge_header(std::string header, std::string_view received,
                                                               const Rules& rules, const Submission& submission,
                                                               bool null_sender);

}  // namespace posthorn::intake
