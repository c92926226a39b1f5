// The name of an address in the reverse zones.
#pragma once

#include <string>

#include "auth/spf_macro.hpp"
#include "base/endpoint.hpp"

namespace posthorn::setup {

// "1.2.0.192.in-addr.arpa", by the macros that SPF has for it (RFC 7208 s7.2).
[[nodiscard]] inline std::string reverse_name(const IpAddress& ip) {
    return auth::spf::expand_domain("%{ir}.%{v}.arpa", auth::spf::MacroValues(ip));
}

}  // namespace posthorn::setup
