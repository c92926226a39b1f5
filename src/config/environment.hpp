// Environment variables as values of the configuration: their text, or the text of the file they name.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "config/binding.hpp"
#include "toml/value.hpp"

namespace posthorn::config {

// The text of a variable as the value it would be in the file; nothing when it cannot be one. Lists are
// written with commas.
[[nodiscard]] std::optional<Value> value_of(Shape shape, const std::string& text);

// The content of a POSTHORN_..._FILE without blanks and line ends around it (container secrets end with a
// line end). At most 64 KiB are read.
[[nodiscard]] Result<std::string> read_value_file(const std::string& path);

// The variables POSTHORN_..._FILE of this process and the files they name, which a reload reads again.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> value_files_here();

}  // namespace posthorn::config
