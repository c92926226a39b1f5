// Bounds of what is kept or done at once: each has a name, and it is counted how often it was in the way.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace posthorn {

// In the order of the layers. What a message, a session or a reply may have at most is not here: that is a rule of the protocol or of a
// setting, and its breach has a reply and a line in the log of its own.
enum class Bound : std::uint8_t {
    smtp_sessions,
    smtp_sessions_of_client,
    smtp_intake_memory,
    smtp_logins_waiting,
    guard_addresses,
    allowance_users,
    sender_sources,
    system_users,
    caller_looks,
    refusal_codes,
    storm_kinds,
    queue_inbox,
    queue_free_space,
    delivery_connections,
    delivery_hot_memory,
    signatures_kept,
    sick_hosts,
    broken_tls,
    quirks,
    blocked_sites,
    throttles,
    throttle_paces,
    warm_up_plans,
    bulk_marks,
    suspended_pairs,
    soft_refusals,
    operator_passes,
    bounce_windows,
    suppressions,
    suppression_strikes,
    sts_policies,
    sts_fetches,
    tls_report_domains,
    tls_report_octets,
    memory_entries,
    memory_writes,
    dns_cache,
    dns_queries,
    alarms_raised,
    alarms_waiting,
    alarm_groups,
    spool_entries,
    flush_orders,
    event_readers,
};
inline constexpr std::size_t kBounds = static_cast<std::size_t>(Bound::event_readers) + 1;

// Any thread, any layer; costs as much as an increment. Called where the bound changes what happens: something is refused, forgotten or
// left out.
void note_reached(Bound bound) noexcept;
// Since the start.
[[nodiscard]] std::uint64_t times_reached(Bound bound) noexcept;

struct BoundText {
    Bound bound;
    std::string_view name;    // the enumerator's
    std::string_view beyond;  // what it bounds (where it is a setting: which), and what happens beyond; one sentence
};
[[nodiscard]] const std::array<BoundText, kBounds>& bound_texts();

}  // namespace posthorn
