// Defaults that depend on other settings.
#pragma once

#include "config/config.hpp"
#include "config/findings.hpp"

namespace posthorn::config {

// After all settings are read and before they are checked. `places`: which were given; those stay as they are.
void derive(Config& config, const Places& places);

}  // namespace posthorn::config
