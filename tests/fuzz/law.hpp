// What the fuzz targets share: a check that aborts, and the pieces an input is cut into.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace posthorn::fuzz {

// The process ends here, so that libFuzzer keeps the input.
inline void require(bool holds, const char* law) {
    if (holds) return;
    std::fprintf(stderr, "broken: %s\n", law);
    std::abort();
}

// Cuts a text into pieces of 1 to 16 octets by a small generator, the same pieces for the same seed. Seed 0:
// one piece.
class Slices {
public:
    Slices(std::string_view text, std::uint8_t seed) : rest_(text), state_(seed) {}

    [[nodiscard]] bool empty() const { return rest_.empty(); }
    std::string_view next() {
        std::size_t size = rest_.size();
        if (state_ != 0) {
            state_ = state_ * 1664525U + 1013904223U;
            size = 1 + ((state_ >> 16U) & 15U);
        }
        const std::string_view piece = rest_.substr(0, size);
        rest_.remove_prefix(piece.size());
        return piece;
    }

private:
    std::string_view rest_;
    std::uint32_t state_;
};

}  // namespace posthorn::fuzz
