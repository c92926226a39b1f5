// So many of something in so much time: "10 per minute".
#pragma once

#include <cstdint>

#include "base/clock.hpp"

namespace posthorn {

struct Rate {
    std::uint32_t count = 0;
    Duration per = std::chrono::seconds(1);  // more than zero

    friend bool operator==(const Rate&, const Rate&) = default;
};

}  // namespace posthorn
