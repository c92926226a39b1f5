// The name of a message in the queue: 63 bits that grow with time, written as 13 characters of base32.
#pragma once

#include <bit>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace posthorn {

// Ordered by time of acceptance, so that inserts into the queue append. 0 means "none".
class QueueId {
public:
    constexpr QueueId() = default;
    constexpr explicit QueueId(std::int64_t value) : value_(value) {}

    // Crockford base32, lower case, always 13 characters; parse() takes either case and refuses anything
    // else.
    [[nodiscard]] std::string to_string() const;
    [[nodiscard]] static std::optional<QueueId> parse(std::string_view text);

    // When it was given, which is when its message was accepted, as far as the clock was right.
    [[nodiscard]] TimePoint time() const;

    [[nodiscard]] constexpr std::int64_t value() const { return value_; }
    constexpr explicit operator bool() const { return value_ != 0; }
    friend constexpr auto operator<=>(QueueId, QueueId) = default;

private:
    std::int64_t value_ = 0;
};

// Hands out ids that are unique within the process and, by 20 random bits chosen at start and counted up,
// over restarts. Layout: 43 bits of milliseconds since 1970, 20 bits of counter. Not thread-safe: one per
// shard. Give each its number and how many there are: their ids then differ in the lowest bits and never
// meet.
class QueueIdSource {
public:
    // REQUIRES: source < sources <= 1024.
    explicit QueueIdSource(std::uint32_t seed, std::uint32_t source = 0, std::uint32_t sources = 1)
        : step_(std::bit_ceil(sources)), counter_((seed & ~(step_ - 1)) | source) {}
    // GUARANTEE: strictly greater than every id this source returned before, also when the clock steps back.
    [[nodiscard]] QueueId next(TimePoint now);

private:
    std::uint32_t step_;
    std::uint32_t counter_;
    std::int64_t last_ = 0;
};

}  // namespace posthorn

template <>
struct std::hash<posthorn::QueueId> {
    std::size_t operator()(posthorn::QueueId id) const noexcept {
        return std::hash<std::int64_t>{}(id.value());
    }
};
