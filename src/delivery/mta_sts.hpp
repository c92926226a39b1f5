// MTA-STS as values: what the TXT record and the policy file say, and which mail hosts a policy lets through (RFC 8461).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::delivery {

enum class StsMode : std::uint8_t { none, testing, enforce };

[[nodiscard]] std::string_view to_string(StsMode mode);

// A policy as it was fetched. Shared as const by all that deliver under it; `mode` none is kept (so that it is known that
// there is nothing to enforce) but never handed out as a policy in force.
struct StsPolicy {
    StsMode mode = StsMode::none;
    std::vector<std::string> mx;               // lower case A-labels; "*.example.com" stands for exactly one label more
    std::chrono::seconds max_age{0};
    std::string domain;                        // the policy domain: the recipient's (STS-8)
    std::string id;                            // of the TXT record when it was fetched; empty: it was gone
    TimePoint fetched{};
    TimePoint expires{};                       // fetched + max_age: in force until then, whatever DNS and HTTPS say (STS-4)

    // RFC 8461 s4.1: is this host one of the policy's? Any case, with or without a trailing dot.
    [[nodiscard]] bool matches(std::string_view mx_name) const;
    // Its lines, for TLSRPT's policy-string (RFC 8460 s4.2): those with a meaning, in the order of RFC 8461.
    [[nodiscard]] std::vector<std::string> lines() const;
};

inline constexpr std::size_t kMaxStsPolicySize = 64 * 1024;         // RFC 8461 s3.3
inline constexpr std::chrono::seconds kMaxStsAge{31557600};         // RFC 8461 s3.2
inline constexpr std::size_t kMaxStsPatterns = 500;                 // ours: more than any mail domain has hosts

// What `_mta-sts.DOMAIN TXT` says: the id, or no id and, where there was something like a record, why it does not count.
struct StsRecord {
    std::optional<std::string> id;
    std::string why;
};
// STS-1, RFC 8461 s3.1: of the records that begin with "v=STSv1;" there must be exactly one, and it has an id.
[[nodiscard]] StsRecord parse_sts_record(const std::vector<std::string>& texts);

// STS-3, RFC 8461 s3.2: LF or CRLF, unknown fields ignored, of duplicates the first counts, all but mx. The error says what
// is wrong in a sentence. `domain`, `id`, `fetched` and `expires` are for the caller (policy_from).
[[nodiscard]] Result<StsPolicy> parse_sts_policy(std::string_view body);
[[nodiscard]] Result<StsPolicy> policy_from(std::string_view body, std::string domain, std::string id, TimePoint fetched);

// The durable form, and back. An error: this is no policy of ours.
[[nodiscard]] std::string remembered_form(const StsPolicy& policy);
[[nodiscard]] Result<StsPolicy> from_remembered(std::string_view text);

// When a policy that is in force should be fetched again, well before it expires (STS-4): daily, and a short-lived one at
// half its age.
[[nodiscard]] TimePoint refresh_due(const StsPolicy& policy);

// The last fetch that did not succeed.
struct StsFailure {
    TimePoint at{};
    std::string id;                            // that was to be fetched
    std::string what;
};
// Is it time to fetch? STS-2: a failed fetch is not repeated within kStsRetry for the same id. `id`: what the TXT record says
// now; nothing: there is none, or DNS failed, and then only a policy that is in force is fetched again.
[[nodiscard]] bool should_fetch(const StsPolicy* policy, const std::optional<StsFailure>& failure,
                                const std::optional<std::string>& id, TimePoint now);

// What is known of a domain, when there is room for one less: which of two is worth less? Whoever may send mail can name any
// number of domains of his own; they must not drive out a policy that is in force, and with it the protection of another's mail.
struct StsWorth {
    bool in_force = false;
    SteadyTime used{};
};
[[nodiscard]] bool is_worth_less(const StsWorth& one, const StsWorth& other);

inline constexpr Duration kStsRetry = std::chrono::minutes(5);
inline constexpr Duration kStsRefreshRetry = std::chrono::hours(1);   // while the policy we have is good for longer than that

}  // namespace posthorn::delivery
