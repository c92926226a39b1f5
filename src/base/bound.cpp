// The bounds' words and counts.
#include "base/bound.hpp"

#include <atomic>

namespace posthorn {
namespace {

constexpr std::array<BoundText, kBounds> kTexts = {{
    {Bound::smtp_sessions, "smtp_sessions",
     "Connections of clients (submission.limits.max_connections): a stranger's idle one makes room, else the newcomer is turned away."},
    {Bound::smtp_sessions_of_client, "smtp_sessions_of_client",
     "Connections of one address (submission.limits.max_connections_per_client): further ones are turned away."},
    {Bound::smtp_intake_memory, "smtp_intake_memory",
     "Memory of messages being received (submission.limits.max_intake_memory): 452, the client comes again."},
    {Bound::smtp_logins_waiting, "smtp_logins_waiting",
     "Passwords that wait for their hash: 454, the client comes again."},
    {Bound::guard_addresses, "guard_addresses",
     "Addresses that the guard remembers (submission.guard.max_addresses): an eighth is forgotten, those that did least."},
    {Bound::allowance_users, "allowance_users",
     "Users whose amounts are counted: the one that sent nothing for longest is forgotten."},
    {Bound::sender_sources, "sender_sources",
     "Submitters that `posthorn senders` counts: the one that sent nothing for longest is forgotten."},
    {Bound::system_users, "system_users",
     "Names of system users that are kept: all are looked up again."},
    {Bound::caller_looks, "caller_looks",
     "Looks at callers' processes at once: the message says less of where it came from."},
    {Bound::refusal_codes, "refusal_codes",
     "Kinds of replies that are counted apart: others are counted together."},
    {Bound::storm_kinds, "storm_kinds",
     "Kinds of local mail that are watched for storms: others are not limited."},
    {Bound::queue_inbox, "queue_inbox",
     "Octets that wait for the disk (queue.inbox_limit): 452, the client comes again."},
    {Bound::queue_free_space, "queue_free_space",
     "Free space of the queue's file system (queue.min_free_space): 452, the client comes again."},
    {Bound::delivery_connections, "delivery_connections",
     "Deliveries at once (delivery.connections): others wait for their turn."},
    {Bound::delivery_hot_memory, "delivery_hot_memory",
     "Memory of messages that go out unread from disk (queue.hot_memory): others are read back."},
    {Bound::signatures_kept, "signatures_kept",
     "Signatures kept for further recipients of a message: the oldest are made again."},
    {Bound::sick_hosts, "sick_hosts",
     "Addresses known not to answer: those that come first are forgotten."},
    {Bound::broken_tls, "broken_tls",
     "Hosts known for broken TLS: the one that ends first is forgotten."},
    {Bound::quirks, "quirks",
     "What is known of hosts' habits: what ends first is forgotten."},
    {Bound::blocked_sites, "blocked_sites",
     "Sites known to refuse us, of routes with a fallback: others are tried directly each time."},
    {Bound::throttles, "throttles",
     "Gates slowed down at once: that of which least was heard is let go."},
    {Bound::throttle_paces, "throttle_paces",
     "Gates whose pace is known: a throttle of others begins by guess."},
    {Bound::warm_up_plans, "warm_up_plans",
     "Warm-up plans: further ones have no cap."},
    {Bound::bulk_marks, "bulk_marks",
     "Pairs of domain and provider whose daily recipients are counted: the least is forgotten."},
    {Bound::suspended_pairs, "suspended_pairs",
     "Suspended pairs of sender and provider: the mail of others is deferred message by message."},
    {Bound::soft_refusals, "soft_refusals",
     "Pairs whose temporary refusals of authentication are counted: others are not."},
    {Bound::operator_passes, "operator_passes",
     "Recipients sent past a suspension by hand: the oldest order is forgotten."},
    {Bound::bounce_windows, "bounce_windows",
     "Addresses whose reports are counted: others get all of theirs."},
    {Bound::suppressions, "suppressions",
     "Addresses suppressed by refusals: others are tried again."},
    {Bound::suppression_strikes, "suppression_strikes",
     "Addresses with a first refusal: the one that would be forgotten first goes."},
    {Bound::sts_policies, "sts_policies",
     "Domains whose MTA-STS policy is in memory: the one worth least is read from disk again."},
    {Bound::sts_fetches, "sts_fetches",
     "Fetches of MTA-STS policies that wait: delivery goes on without, as if there were none yet."},
    {Bound::tls_report_domains, "tls_report_domains",
     "Domains whose TLS results are counted for reports: others are left out of the day's reports."},
    {Bound::tls_report_octets, "tls_report_octets",
     "Memory of TLS results: from then on numbers are counted, and no words."},
    {Bound::memory_entries, "memory_entries",
     "Entries of one kind in delivery.sqlite: those that end first are forgotten."},
    {Bound::memory_writes, "memory_writes",
     "Entries that wait to be written to delivery.sqlite: further ones are not remembered over a restart."},
    {Bound::dns_cache, "dns_cache",
     "Answers of DNS in the cache (dns.cache_entries): the ones least asked for go."},
    {Bound::dns_queries, "dns_queries",
     "Questions to one DNS server at once: further ones are tried again later."},
    {Bound::alarms_raised, "alarms_raised",
     "Alarms remembered as raised: others are told, and told again."},
    {Bound::alarms_waiting, "alarms_waiting",
     "Alarms that wait for the command or the webhook: the oldest is dropped."},
    {Bound::alarm_groups, "alarm_groups",
     "Providers whose success is watched: others raise no alarm for it."},
    {Bound::spool_entries, "spool_entries",
     "Files of a spool that stay there and are remembered: others are looked at anew at each scan."},
    {Bound::flush_orders, "flush_orders",
     "Orders to flush the queue that wait: the caller is told to come again."},
    {Bound::event_readers, "event_readers",
     "Readers of the events at once: a further one is told to come again."},
}};

// Like the log, of the process and of nobody in it.
std::array<std::atomic<std::uint64_t>, kBounds> counts;

}  // namespace

void note_reached(Bound bound) noexcept { counts[static_cast<std::size_t>(bound)].fetch_add(1, std::memory_order_relaxed); }

std::uint64_t times_reached(Bound bound) noexcept {
    return counts[static_cast<std::size_t>(bound)].load(std::memory_order_relaxed);
}

const std::array<BoundText, kBounds>& bound_texts() { return kTexts; }

}  // namespace posthorn
