// What happened when TLS was tried, counted per day and policy domain for the reports of RFC 8460.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::delivery {

// RFC 8460 s4.2: which policy was applied. With both DANE and MTA-STS: the one that decided (DANE).
enum class TlsPolicyType : std::uint8_t { no_policy_found, tlsa, sts };

// RFC 8460 s4.3. `success` is none of its result types: the session had TLS as the policy wants it.
enum class TlsResultType : std::uint8_t {
    success,
    starttls_not_supported,
    certificate_host_mismatch,
    certificate_expired,
    certificate_not_trusted,
    validation_failure,                        // anything else, for example a handshake that broke
    tlsa_invalid,
    dnssec_invalid,
    dane_required,
    sts_policy_fetch_error,
    sts_policy_invalid,
    sts_webpki_invalid,
};

[[nodiscard]] std::string_view to_string(TlsPolicyType type);        // "no-policy-found"
[[nodiscard]] std::string_view to_string(TlsResultType type);        // "certificate-host-mismatch"; "success"
[[nodiscard]] std::optional<TlsPolicyType> parse_tls_policy_type(std::string_view text);
[[nodiscard]] std::optional<TlsResultType> parse_tls_result_type(std::string_view text);

// One session in which TLS was decided, well or badly. Empty fields are unknown and left out of the report.
struct TlsResult {
    std::string policy_domain;                 // the recipient domain; with DANE, too
    TlsPolicyType policy_type = TlsPolicyType::no_policy_found;
    std::vector<std::string> policy_strings;   // the lines of the STS policy, or the TLSA records in text
    std::vector<std::string> mx_patterns;      // of the STS policy
    TlsResultType result = TlsResultType::success;
    // Of failures:
    std::string sending_address;               // our own, as the peer saw it
    std::string receiving_mx;
    std::string receiving_address;
    std::string receiving_helo;                // what the peer called itself in its greeting
    std::string detail;                        // failure-reason-code: what OpenSSL or we said
};

// What is counted of one policy on one day. Bounded: of more than kMaxFailures different ones, those beyond are told apart by
// their result only.
struct TlsFailure {
    TlsResultType result = TlsResultType::validation_failure;
    std::string sending_address, receiving_mx, receiving_address, receiving_helo, detail;
    auto operator<=>(const TlsFailure&) const = default;
};
struct TlsPolicyCount {
    TlsPolicyType type = TlsPolicyType::no_policy_found;
    std::vector<std::string> strings;
    std::vector<std::string> mx_patterns;
    std::uint64_t successes = 0;
    std::uint64_t failures = 0;
    std::map<TlsFailure, std::uint64_t> details;          // sessions
};

// A day in UTC, 00:00 to 24:00 (RPT-2).
using Day = std::chrono::sys_days;
[[nodiscard]] inline Day day_of(TimePoint time) { return std::chrono::floor<std::chrono::days>(time); }
[[nodiscard]] std::string to_string(Day day);                        // "2026-11-22"
[[nodiscard]] std::optional<Day> parse_day(std::string_view text);
[[nodiscard]] inline TimePoint end_of(Day day) { return TimePoint(day + std::chrono::days(1)); }
// RFC 8460 s4.1: when the reports about a day go out, so that not all the world's come at midnight. chance: 0 to 1.
[[nodiscard]] TimePoint report_due(Day day, Duration delay, double chance);
// RFC 8460 s5.5: a day of trying is over (a machine that was off for long, a receiver that was).
[[nodiscard]] bool report_is_too_late(Day day, Duration delay, TimePoint now);

// One domain's day: what a report is made of.
struct TlsDay {
    Day day{};
    std::string domain;
    std::vector<TlsPolicyCount> policies;

    [[nodiscard]] std::uint64_t sessions() const;
};

// The durable form, and back.
[[nodiscard]] std::string remembered_form(const TlsDay& day);
[[nodiscard]] Result<TlsDay> from_remembered_day(std::string_view text);

// RFC 8460 lets a record name any receiver, and asks nobody whether he wants to be one: whoever owns a domain with a wildcard
// and may send mail could have us write to a stranger for each of its names. So one receiver gets at most so many reports of a
// day, counted since the start. Pure.
class ReportBudget {
public:
    static constexpr std::uint32_t kMaxOfReceiver = 1000;

    [[nodiscard]] bool take(Day day, const std::string& receiver);
    void give_back(Day day, const std::string& receiver);         // it did not get it
    void forget_before(Day day);

private:
    std::map<Day, std::map<std::string, std::uint32_t>> taken_;
};

// Counts in memory; owned by app::Daemon, on the home shard. Pure: writing down and sending is TlsReporter's. Counts also
// where no reports are sent (RPT-6): for metrics.
class TlsResults {
public:
    static constexpr std::size_t kMaxDomains = 20000;     // per day; sessions with more are counted in `left_out` only
    static constexpr std::size_t kMaxPolicies = 8;        // per domain and day: a policy that changes
    static constexpr std::size_t kMaxFailures = 100;      // per policy and day
    static constexpr std::size_t kMaxOctets = 64 * 1024 * 1024;   // of them all; beyond it numbers are counted, and no words

    // By C's dialler: once for each session in which TLS was decided.
    void note(TlsResult result, TimePoint now = wall_now());
    // Nothing is counted while off: no reports are to be made (the totals below always are).
    void enable(bool on) { enabled_ = on; }

    // Days that have something, oldest first; the domains of one of them.
    [[nodiscard]] std::vector<Day> days() const;
    [[nodiscard]] std::vector<std::string> domains(Day day) const;
    [[nodiscard]] const TlsDay* find(Day day, const std::string& domain) const;
    void forget(Day day, const std::string& domain);

    void restore(TlsDay day);                             // read back at the start; adds to what is there
    // What changed since the last call.
    [[nodiscard]] std::vector<const TlsDay*> take_changed();

    struct Totals {
        std::map<TlsResultType, std::uint64_t> sessions;  // by result, since the start
        std::uint64_t left_out = 0;
    };
    [[nodiscard]] const Totals& totals() const { return totals_; }
    [[nodiscard]] std::size_t octets() const { return octets_; }  // of memory, about

private:
    std::map<Day, std::map<std::string, TlsDay>> days_;
    std::set<std::pair<Day, std::string>> changed_;
    Totals totals_;
    std::size_t octets_ = 0;
    bool enabled_ = true;
};

}  // namespace posthorn::delivery
