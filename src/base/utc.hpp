// Times for people and logs: "2026-11-22T09:46:16Z".
#pragma once

#include <string>

#include "base/clock.hpp"

namespace posthorn {

// RFC 3339, UTC, whole seconds.
[[nodiscard]] std::string utc_text(TimePoint when);

}  // namespace posthorn
