// How often a measured value fell into each of some fixed classes: the form in which Prometheus wants times and sizes.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace posthorn {

// A value of about 200 octets that never allocates; a measurement costs a search among at most 22 numbers. Belongs to one thread: who
// is asked for it from another one keeps it behind the lock it has, and hands out copies.
class Histogram {
public:
    static constexpr std::size_t kMostBounds = 22;

    // bounds: the upper ends of the classes (a value that equals one is in it), rising, in base units (seconds, octets), of static
    // storage; above the last is one more class. REQUIRES: 1 to kMostBounds of them.
    constexpr explicit Histogram(std::span<const double> bounds) : bounds_(bounds.first(std::min(bounds.size(), kMostBounds))) {}

    // value >= 0.
    constexpr void observe(double value) {
        const auto found = std::lower_bound(bounds_.begin(), bounds_.end(), value);
        ++counts_[static_cast<std::size_t>(found - bounds_.begin())];
        ++count_;
        sum_ += value;
    }
    // In seconds; what would be negative (a wall clock that was set) counts as none.
    void observe(std::chrono::nanoseconds duration) { observe(std::max(0.0, std::chrono::duration<double>(duration).count())); }

    [[nodiscard]] constexpr std::span<const double> bounds() const { return bounds_; }
    // Values in class `index` alone, not of those below it; bounds().size() is the class above the last bound.
    [[nodiscard]] constexpr std::uint64_t in_class(std::size_t index) const { return counts_[index]; }
    [[nodiscard]] constexpr std::uint64_t count() const { return count_; }
    [[nodiscard]] constexpr double sum() const { return sum_; }

private:
    std::span<const double> bounds_;
    std::array<std::uint64_t, kMostBounds + 1> counts_{};
    std::uint64_t count_ = 0;
    double sum_ = 0;
};

// The classes in use, all in seconds unless the name says otherwise.
// What a computer does by itself: signatures, commits, turns of the event loop.
inline constexpr double kMachineSeconds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10};
// What somebody else has a part in: an answer of DNS, a dialogue with a server, a client that sends its message.
inline constexpr double kDialogueSeconds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600};
// How long mail waits: from what nobody notices to the five days after which it is given up.
inline constexpr double kWaitSeconds[] = {0.01, 0.05, 0.1, 0.25, 0.5,  1,    2.5,   5,     10,    30,    60,
                                          120,  300,  600, 1800, 3600, 7200, 14400, 43200, 86400, 259200, 432000};
// How many of something were taken together.
inline constexpr double kAmounts[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

}  // namespace posthorn
