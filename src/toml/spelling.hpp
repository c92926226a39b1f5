// The guess at what was meant by a word that is none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace posthorn::toml {

// The nearest of the candidates when it is near enough to be a slip of the finger; else empty.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace posthorn::toml
