// Text to values: the one place that knows the TOML library (it takes seconds to compile).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "toml/value.hpp"

namespace posthorn::toml {

struct SyntaxMistake {
    Position at;
    std::string what;
};

struct TomlText {
    Table root;
    // Not TOML: then root is empty. Keys given twice: root has the first of each.
    std::vector<SyntaxMistake> mistakes;
    bool readable = false;
};

[[nodiscard]] TomlText read_toml(std::string_view text);

}  // namespace posthorn::toml
