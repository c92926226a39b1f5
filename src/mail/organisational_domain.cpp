// Asking libpsl's built-in list.
#include "mail/organisational_domain.hpp"

#include <libpsl.h>

namespace posthorn::mail {

std::string organisational_domain(std::string_view domain) {
    std::string name(domain);
    const char* registered = domain.starts_with('[') ? nullptr : psl_registrable_domain(psl_builtin(), name.c_str());
    if (registered == nullptr) return name;
    return registered;                     // points into `name`
}

}  // namespace posthorn::mail
