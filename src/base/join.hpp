// Words as a list for people: "a, b, c".
#pragma once

#include <string>
#include <string_view>

namespace posthorn::text {

// Of strings or string_views, in their order.
template <class Words>
[[nodiscard]] std::string joined(const Words& words, std::string_view between = ", ") {
    std::string out;
    bool first = true;
    for (const auto& word : words) {
        if (!first) out += between;
        first = false;
        out += word;
    }
    return out;
}

}  // namespace posthorn::text
