// The text of etc/providers.toml, which is built into the program.
#pragma once

#include <string_view>

namespace posthorn::delivery {

[[nodiscard]] std::string_view built_in_rules();

}  // namespace posthorn::delivery
