// What the table of settings says in words: the reference manual, the commented example file, and the
// effective values.
#pragma once

#include <string>

#include "config/config.hpp"

namespace posthorn::config {

// docs/CONFIGURATION.md: every key with its type, range, default and environment variable.
[[nodiscard]] std::string reference_markdown();

// etc/posthorn.toml: every key, commented, with its default; what most people set is live.
[[nodiscard]] std::string example_toml();

// The effective configuration as TOML that parse() reads back to the same values (`posthorn check-config
// --show`). It names key, certificate and user files and shows nothing of what is in them, so it may be sent
// to others.
[[nodiscard]] std::string show(const Config& config);

}  // namespace posthorn::config
