// Questions to the settings of delivery.
#include <algorithm>

#include "auth/dkim/keys.hpp"
#include "delivery/agent.hpp"
#include "mail/domain.hpp"

namespace posthorn::delivery {

bool is_own_domain(const Settings& settings, std::string_view domain) {
    const auto own = settings.keys->domains();
    return std::any_of(own.begin(), own.end(), [&](const std::string& name) {
        return mail::is_subdomain_of(domain, name);
    });
}

}  // namespace posthorn::delivery
