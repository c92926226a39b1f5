// libpsl, asked for one thing only.
#include "auth/organizational_domain.hpp"

#include <libpsl.h>

#include "base/text.hpp"

namespace posthorn::auth {
namespace {

// For the life of the process: other threads may ask until its end.
const psl_ctx_t* list() {
    static const psl_ctx_t* const known = [] {
        const psl_ctx_t* latest = psl_latest(nullptr);
        return latest != nullptr ? latest : psl_builtin();
    }();
    return known;
}

}  // namespace

std::string organizational_domain(std::string_view domain) {
    if (domain.ends_with('.')) domain.remove_suffix(1);
    std::string name = text::to_lower(domain);
    const char* const found = list() == nullptr ? nullptr : psl_registrable_domain(list(), name.c_str());
    return found == nullptr ? name : std::string(found);
}

bool same_organization(std::string_view a, std::string_view b) {
    return !a.empty() && organizational_domain(a) == organizational_domain(b);
}

}  // namespace posthorn::auth
