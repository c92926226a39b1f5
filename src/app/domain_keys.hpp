// The first key of each domain that has a key directory and none in it.
#pragma once

#include <string>
#include <vector>

#include "auth/options.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::app {

struct MadeKey {
    std::string domain, selector, path;
};

// Makes the directory (0700, its parent's owner's) and an RSA key of 2048 bits with the usual selector
// (SD-28, SD-32). Domains with any key, fixed or managed, are left as they are. May be called again after a
// crash in between: what was made is taken. Error: what could not be made, and why.
[[nodiscard]] Result<std::vector<MadeKey>> make_first_keys(const std::vector<auth::DomainOptions>& domains,
                                                           TimePoint now);

}  // namespace posthorn::app
