// Counting, bounded in every direction: domains, policies, details, lengths.
#include "delivery/tls_report.hpp"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/bound.hpp"
#include "base/text.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::size_t kMaxDetail = 500;        // octets of a peer's or OpenSSL's words
constexpr std::size_t kMaxStrings = 100;       // lines of a policy that are reported

constexpr std::array<std::pair<TlsPolicyType, std::string_view>, 3> kPolicyTypes = {{
    {TlsPolicyType::no_policy_found, "no-policy-found"},
    {TlsPolicyType::tlsa, "tlsa"},
    {TlsPolicyType::sts, "sts"},
}};

constexpr std::array<std::pair<TlsResultType, std::string_view>, 12> kResultTypes = {{
    {TlsResultType::success, "success"},
    {TlsResultType::starttls_not_supported, "starttls-not-supported"},
    {TlsResultType::certificate_host_mismatch, "certificate-host-mismatch"},
    {TlsResultType::certificate_expired, "certificate-expired"},
    {TlsResultType::certificate_not_trusted, "certificate-not-trusted"},
    {TlsResultType::validation_failure, "validation-failure"},
    {TlsResultType::tlsa_invalid, "tlsa-invalid"},
    {TlsResultType::dnssec_invalid, "dnssec-invalid"},
    {TlsResultType::dane_required, "dane-required"},
    {TlsResultType::sts_policy_fetch_error, "sts-policy-fetch-error"},
    {TlsResultType::sts_policy_invalid, "sts-policy-invalid"},
    {TlsResultType::sts_webpki_invalid, "sts-webpki-invalid"},
}};

template <class Table, class T>
std::string_view name_in(const Table& table, T value) {
    for (const auto& [known, name] : table)
        if (known == value) return name;
    return {};
}

template <class T, class Table>
std::optional<T> value_in(const Table& table, std::string_view text) {
    for (const auto& [known, name] : table)
        if (name == text) return known;
    return std::nullopt;
}

void shorten(std::vector<std::string>& strings) {
    if (strings.size() > kMaxStrings) strings.resize(kMaxStrings);
    for (std::string& one : strings) one = text::safe_for_log(one, kMaxDetail);
}

constexpr std::size_t kNode = 150;             // what a string or an entry costs besides its octets, about

std::size_t weight_of(const TlsFailure& failure) {
    return 2 * kNode + failure.sending_address.size() + failure.receiving_mx.size() + failure.receiving_address.size() +
           failure.receiving_helo.size() + failure.detail.size();
}

// Without its failures.
std::size_t weight_of(const TlsPolicyCount& policy) {
    std::size_t octets = kNode;
    for (const auto* strings : {&policy.strings, &policy.mx_patterns})
        for (const std::string& one : *strings) octets += sizeof(std::string) + one.size();
    return octets;
}

std::size_t weight_of(const TlsDay& day) {
    std::size_t octets = 2 * kNode + day.domain.size();
    for (const TlsPolicyCount& policy : day.policies) {
        octets += weight_of(policy);
        for (const auto& [failure, sessions] : policy.details) octets += weight_of(failure);
    }
    return octets;
}

// The day's place for this policy; the last one takes what goes beyond the bound.
TlsPolicyCount& place_for(TlsDay& day, TlsPolicyCount policy, std::size_t& octets) {
    for (TlsPolicyCount& known : day.policies)
        if (known.type == policy.type && known.strings == policy.strings) return known;
    if (day.policies.size() >= TlsResults::kMaxPolicies) return day.policies.back();
    if (octets >= TlsResults::kMaxOctets) {
        note_reached(Bound::tls_report_octets);
        policy.strings.clear();
        policy.mx_patterns.clear();
    }
    octets += weight_of(policy);
    day.policies.push_back(std::move(policy));
    return day.policies.back();
}

void count_failure(TlsPolicyCount& policy, TlsFailure failure, std::uint64_t sessions, std::size_t& octets) {
    policy.failures += sessions;
    auto at = policy.details.find(failure);
    if (at == policy.details.end()) {
        if (policy.details.size() >= TlsResults::kMaxFailures || octets >= TlsResults::kMaxOctets) {
            note_reached(Bound::tls_report_octets);
            TlsFailure in_general;
            in_general.result = failure.result;
            failure = std::move(in_general);
        }
        const std::size_t weight = weight_of(failure);
        const auto [place, fresh] = policy.details.try_emplace(std::move(failure), 0);
        if (fresh) octets += weight;
        at = place;
    }
    at->second += sessions;
}

}  // namespace

std::string_view to_string(TlsPolicyType type) { return name_in(kPolicyTypes, type); }
std::string_view to_string(TlsResultType type) { return name_in(kResultTypes, type); }
std::optional<TlsPolicyType> parse_tls_policy_type(std::string_view text) { return value_in<TlsPolicyType>(kPolicyTypes, text); }
std::optional<TlsResultType> parse_tls_result_type(std::string_view text) { return value_in<TlsResultType>(kResultTypes, text); }

std::string to_string(Day day) {
    const std::chrono::year_month_day date(day);
    return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                       static_cast<unsigned>(date.day()));
}

TimePoint report_due(Day day, Duration delay, double chance) {
    return end_of(day) + Duration(static_cast<Duration::rep>(static_cast<double>(delay.count()) * chance));
}

bool report_is_too_late(Day day, Duration delay, TimePoint now) {
    constexpr Duration kPersistence = std::chrono::hours(24);
    return now > end_of(day) + delay + kPersistence;
}

std::optional<Day> parse_day(std::string_view text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
    const auto year = text::parse_unsigned(text.substr(0, 4));
    const auto month = text::parse_unsigned(text.substr(5, 2));
    const auto day = text::parse_unsigned(text.substr(8, 2));
    if (!year || !month || !day) return std::nullopt;
    const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)),
                                           std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day)));
    if (!date.ok()) return std::nullopt;
    return Day(date);
}

std::uint64_t TlsDay::sessions() const {
    std::uint64_t all = 0;
    for (const TlsPolicyCount& policy : policies) all += policy.successes + policy.failures;
    return all;
}

bool ReportBudget::take(Day day, const std::string& receiver) {
    std::uint32_t& taken = taken_[day][receiver];
    if (taken >= kMaxOfReceiver) return false;
    ++taken;
    return true;
}

void ReportBudget::give_back(Day day, const std::string& receiver) {
    std::uint32_t& taken = taken_[day][receiver];
    if (taken > 0) --taken;
}

void ReportBudget::forget_before(Day day) { taken_.erase(taken_.begin(), taken_.lower_bound(day)); }

void TlsResults::note(TlsResult result, TimePoint now) {
    ++totals_.sessions[result.result];
    if (!enabled_ || result.policy_domain.empty()) return;
    const Day today = day_of(now);
    std::map<std::string, TlsDay>& domains = days_[today];
    const std::string domain = text::to_lower(result.policy_domain);
    auto at = domains.find(domain);
    if (at == domains.end()) {
        if (domains.size() >= kMaxDomains) {
            note_reached(Bound::tls_report_domains);
            ++totals_.left_out;
            return;
        }
        TlsDay fresh;
        fresh.day = today;
        fresh.domain = domain;
        octets_ += weight_of(fresh);
        at = domains.emplace(domain, std::move(fresh)).first;
    }
    TlsPolicyCount policy;
    policy.type = result.policy_type;
    policy.strings = std::move(result.policy_strings);
    policy.mx_patterns = std::move(result.mx_patterns);
    shorten(policy.strings);
    shorten(policy.mx_patterns);
    TlsPolicyCount& place = place_for(at->second, std::move(policy), octets_);
    if (result.result == TlsResultType::success) {
        ++place.successes;
    } else {
        TlsFailure failure;
        failure.result = result.result;
        failure.sending_address = std::move(result.sending_address);
        failure.receiving_mx = text::safe_for_log(result.receiving_mx, 255);
        failure.receiving_address = std::move(result.receiving_address);
        failure.receiving_helo = text::safe_for_log(result.receiving_helo, 255);
        failure.detail = text::safe_for_log(result.detail, kMaxDetail);
        count_failure(place, std::move(failure), 1, octets_);
    }
    changed_.emplace(today, domain);
}

std::vector<Day> TlsResults::days() const {
    std::vector<Day> all;
    for (const auto& [day, domains] : days_)
        if (!domains.empty()) all.push_back(day);
    return all;
}

std::vector<std::string> TlsResults::domains(Day day) const {
    std::vector<std::string> all;
    if (const auto at = days_.find(day); at != days_.end())
        for (const auto& [domain, counted] : at->second) all.push_back(domain);
    return all;
}

const TlsDay* TlsResults::find(Day day, const std::string& domain) const {
    const auto at = days_.find(day);
    if (at == days_.end()) return nullptr;
    const auto found = at->second.find(domain);
    return found == at->second.end() ? nullptr : &found->second;
}

void TlsResults::forget(Day day, const std::string& domain) {
    changed_.erase({day, domain});
    const auto at = days_.find(day);
    if (at == days_.end()) return;
    const auto found = at->second.find(domain);
    if (found == at->second.end()) return;
    octets_ -= weight_of(found->second);
    at->second.erase(found);
    if (at->second.empty()) days_.erase(at);
}

void TlsResults::restore(TlsDay day) {
    std::map<std::string, TlsDay>& domains = days_[day.day];
    const auto at = domains.find(day.domain);
    if (at == domains.end()) {
        if (domains.size() >= kMaxDomains || octets_ >= kMaxOctets) return;
        octets_ += weight_of(day);
        const std::string domain = day.domain;
        domains.emplace(domain, std::move(day));
        return;
    }
    changed_.emplace(day.day, day.domain);
    for (TlsPolicyCount& read : day.policies) {
        TlsPolicyCount bare;
        bare.type = read.type;
        bare.strings = std::move(read.strings);
        bare.mx_patterns = std::move(read.mx_patterns);
        TlsPolicyCount& place = place_for(at->second, std::move(bare), octets_);
        place.successes += read.successes;
        for (const auto& [failure, sessions] : read.details) count_failure(place, failure, sessions, octets_);
    }
}

std::vector<const TlsDay*> TlsResults::take_changed() {
    std::vector<const TlsDay*> all;
    for (const auto& [day, domain] : changed_)
        if (const TlsDay* found = find(day, domain)) all.push_back(found);
    changed_.clear();
    return all;
}

}  // namespace posthorn::delivery
