// What one key cannot tell: whether the settings make sense together. Pure; every finding gives its reason
// and the remedy.
#pragma once

#include "config/config.hpp"
#include "config/findings.hpp"

namespace posthorn::config {

void check_identity(const Config& config, const Places& places, Findings& findings);
void check_listeners(const Config& config, const Places& places, Findings& findings);
// Networks that are trusted or believed, and the guard: part of check_listeners.
void check_trust(const Config& config, const Places& places, Findings& findings);
void check_domains(const Config& config, const Places& places, Findings& findings);
void check_users(const Config& config, const Places& places, Findings& findings);
void check_streams(const Config& config, const Places& places, Findings& findings);
void check_repair(const Config& config, const Places& places, Findings& findings);
void check_times(const Config& config, const Places& places, Findings& findings);
void check_delivery(const Config& config, const Places& places, Findings& findings);

// Labels of letters, digits and hyphens, 1-63 octets each, at most 253 in all (RFC 1035 s2.3.1, RFC 1123
// s2.1), and one dot at least; not an IP address.
[[nodiscard]] bool is_domain_name(std::string_view name);

}  // namespace posthorn::config
