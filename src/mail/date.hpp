// Dates as mail writes them (RFC 5322 s3.3).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace posthorn::mail {

// "Sat, 21 Nov 2026 20:52:01 +0000". Milliseconds are dropped, not rounded.
[[nodiscard]] std::string format_date(TimePoint when);

// The moment a date names, by the same reading as is_valid_date. Zones that are words but UT, GMT and the American ones
// say nothing reliable and count as +0000 (RFC 5322 s4.3).
[[nodiscard]] std::optional<TimePoint> parse_date(std::string_view value);

// True for what other programs will read as a date: day of week optional, one or two digits for the day, two
// to four for the year, seconds optional, numeric or obsolete zone, comments and folding anywhere (RFC 5322
// s3.3, s4.3).
[[nodiscard]] bool is_valid_date(std::string_view value);

}  // namespace posthorn::mail
