// What a status code means to a person, and what that person can do about it.
#pragma once

#include <string_view>

namespace posthorn::mail {

// status: "5.7.26". The most particular sentences there are for it; general ones for a code nobody has words
// for. One or two plain sentences in English, without line ends.
[[nodiscard]] std::string_view explain_status(std::string_view status);

}  // namespace posthorn::mail
