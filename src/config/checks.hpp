// What one key cannot tell: whether the settings make sense together. Pure; every finding gives its reason
// and the remedy.
#pragma once

#include <cstdint>

#include "config/config.hpp"
#include "config/findings.hpp"

namespace posthorn::config {

inline constexpr std::uint16_t kSubmissionPort = 587;   // the client asks for TLS by STARTTLS
inline constexpr std::uint16_t kSubmissionsPort = 465;  // TLS from the first octet (RFC 8314 s7.3)

void check_identity(const Config& config, const Places& places, Findings& findings);
void check_listeners(const Config& config, const Places& places, Findings& findings);
// Networks that are trusted or believed, and the guard: part of check_listeners.
void check_trust(const Config& config, const Places& places, Findings& findings);
void check_domains(const Config& config, const Places& places, Findings& findings);
void check_users(const Config& config, const Places& places, Findings& findings);
// [[site]] and the doors and senders of [local].
void check_sites(const Config& config, const Places& places, Findings& findings);
void check_streams(const Config& config, const Places& places, Findings& findings);
void check_repair(const Config& config, const Places& places, Findings& findings);
void check_times(const Config& config, const Places& places, Findings& findings);
void check_delivery(const Config& config, const Places& places, Findings& findings);
void check_tls_reports(const Config& config, const Places& places, Findings& findings);
// [warmup].
void check_warm_up(const Config& config, const Places& places, Findings& findings);
// [journal], [[webhook]] and [alarm].
void check_events(const Config& config, const Places& places, Findings& findings);
// [sandbox].
void check_sandbox(const Config& config, const Places& places, Findings& findings);
// [admin]: its door by TCP.
void check_admin(const Config& config, const Places& places, Findings& findings);
// [[relay]], [[route]] and [[provider]].
void check_routes(const Config& config, const Places& places, Findings& findings);

// Why this cannot be `hostname`, to be read after the name: " is a single label, which nobody can look up". Empty: it can. Lower case.
[[nodiscard]] std::string fault_of_hostname(std::string_view name);

// Labels of letters, digits and hyphens, 1-63 octets each, at most 253 in all (RFC 1035 s2.3.1, RFC 1123
// s2.1), and one dot at least; not an IP address.
[[nodiscard]] bool is_domain_name(std::string_view name);

}  // namespace posthorn::config
