// Durations, sizes and rates as they are written in the configuration: "30s", "5m", "3h", "5d"; "256KiB", "35MiB"; "600/1h".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/rate.hpp"

namespace posthorn::toml {

// A whole number directly followed by ms, s, m, h or d. Nothing for anything else, or when it overflows.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);
// In the largest unit that divides it: 90 s is "90s", 7200 s is "2h".
[[nodiscard]] std::string format_duration(Duration duration);

// A whole number, alone (octets) or directly followed by KiB, MiB or GiB. "KB" is refused: it means two
// things.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string format_size(std::uint64_t octets);

// "10/1m": ten a minute. Neither number is 0.
[[nodiscard]] std::optional<Rate> parse_rate(std::string_view text);
[[nodiscard]] std::string format_rate(const Rate& rate);

}  // namespace posthorn::toml
