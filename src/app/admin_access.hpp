// The tokens of the admin interface, read from their files, and the names it answers to.
#pragma once

#include <string>
#include <vector>

#include "admin/access.hpp"
#include "config/config.hpp"

namespace posthorn::app {

// Files that cannot be read, or hold too little, are problems; those that others may read are warnings.
[[nodiscard]] admin::AccessRules make_access(const config::Config& config, std::vector<std::string>& problems, std::vector<std::string>& warnings);

}  // namespace posthorn::app
