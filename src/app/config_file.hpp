// posthorn.toml on disk: read for a change, and put in place of the old one only when the new one is right.
#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"
#include "config/config.hpp"
#include "setup/config_text.hpp"

namespace posthorn::app {

// Empty where there is no such file: a text without settings, which can be changed and written all the same.
[[nodiscard]] Result<setup::ConfigText> read_config_text(const std::string& path);

// What stops a text from being a configuration, all mistakes, one a line; empty: nothing. With this process's
// environment, as the daemon would read it.
[[nodiscard]] std::string mistakes_in(const std::string& text, const std::string& path);

// Puts `text` in place of `before`, which is what the change was made from (empty: there was no file).
// Nothing is written where both are equal (false), where the new text has mistakes, or where the file is no
// longer `before`: then somebody else changed it meanwhile. Whole or not at all: a temporary file, fsync,
// rename; mode and owner of an old file stay, a new one is 0644 and its directory's owner's. A symbolic link
// stays one.
[[nodiscard]] Result<bool> write_config(const std::string& path, const std::string& before,
                                        const std::string& text);

}  // namespace posthorn::app
