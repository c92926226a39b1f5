// What a failing check means to Gmail, Yahoo and Outlook, in the words of their published rules.
#pragma once

#include <string_view>
#include <vector>

#include "doctor/finding.hpp"

namespace posthorn::doctor {

// Gmail, Yahoo, Outlook in this order; without those to whom it means nothing. Source: PR-1 to PR-31 of the
// requirements.
[[nodiscard]] std::vector<Meaning> meaning_of(std::string_view check);

}  // namespace posthorn::doctor
