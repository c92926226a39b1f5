// The grammar of RFC 8461 s3.1 and s3.2, and the times at which a policy is fetched.
#include "delivery/mta_sts.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::string_view kVersion = "STSv1";
constexpr std::string_view kStsRecordStart = "v=STSv1";
constexpr std::size_t kMaxId = 32;
constexpr std::string_view kFormLine = "posthorn-sts 1";

std::string_view without_dot(std::string_view name) {
    if (!name.empty() && name.back() == '.') name.remove_suffix(1);
    return name;
}

// A host name as certificates and MX records have it: LDH labels (and the underscores that some use).
bool is_host_name(std::string_view name) {
    if (name.empty() || name.size() > 253) return false;
    for (const std::string_view label : text::split(name, '.')) {
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
        if (!std::all_of(label.begin(), label.end(), [](char c) { return text::is_alnum(c) || c == '-' || c == '_'; })) return false;
    }
    return true;
}

bool is_field_name(std::string_view name) {
    return !name.empty() && name.size() <= 32 && text::is_alnum(name.front()) &&
           std::all_of(name.begin(), name.end(), [](char c) { return text::is_alnum(c) || c == '_' || c == '-' || c == '.'; });
}

bool is_id(std::string_view id) {
    return !id.empty() && id.size() <= kMaxId && std::all_of(id.begin(), id.end(), text::is_alnum);
}

// "v=STSv1" *WSP ";": other TXT records may share the name (RFC 8461 s3.1).
bool is_sts_record(std::string_view text) {
    if (!text.starts_with(kStsRecordStart)) return false;
    return text::trim_left(text.substr(kStsRecordStart.size())).starts_with(';');
}

std::optional<StsMode> parse_mode(std::string_view text) {
    if (text == "none") return StsMode::none;
    if (text == "testing") return StsMode::testing;
    if (text == "enforce") return StsMode::enforce;
    return std::nullopt;
}

std::string quoted(std::string_view text) { return "\"" + text::safe_for_log(text, 100) + "\""; }

}  // namespace

std::string_view to_string(StsMode mode) {
    switch (mode) {
        case StsMode::none: return "none";
        case StsMode::testing: return "testing";
        case StsMode::enforce: return "enforce";
    }
    return "none";
}

bool StsPolicy::matches(std::string_view mx_name) const {
    const std::string name = text::to_lower(without_dot(mx_name));
    return std::any_of(mx.begin(), mx.end(), [&](const std::string& pattern) {
        if (!pattern.starts_with("*.")) return name == pattern;
        // The asterisk is the whole left-most label and no more.
        const std::size_t dot = name.find('.');
        return dot != std::string::npos && dot > 0 && std::string_view(name).substr(dot + 1) == std::string_view(pattern).substr(2);
    });
}

std::vector<std::string> StsPolicy::lines() const {
    std::vector<std::string> all{"version: STSv1", "mode: " + std::string(to_string(mode))};
    for (const std::string& pattern : mx) all.push_back("mx: " + pattern);
    all.push_back("max_age: " + std::to_string(max_age.count()));
    return all;
}

StsRecord parse_sts_record(const std::vector<std::string>& texts) {
    std::vector<std::string_view> records;
    for (const std::string& record : texts)
        if (is_sts_record(record)) records.push_back(record);
    StsRecord answer;
    if (records.empty()) return answer;
    if (records.size() > 1) {
        answer.why = "it has " + std::to_string(records.size()) + " MTA-STS TXT records where one is allowed";
        return answer;
    }
    std::string_view rest = records.front().substr(kStsRecordStart.size());
    text::take_field(rest, ';');   // blanks
    std::optional<std::string> id;
    while (!rest.empty()) {
        const std::string_view field = text::trim(text::take_field(rest, ';'));
        if (field.empty() && text::trim(rest).empty()) break;   // the closing semicolon
        const std::size_t equals = field.find('=');
        const std::string_view value = equals == std::string_view::npos ? std::string_view() : field.substr(equals + 1);
        const bool visible = std::all_of(value.begin(), value.end(), [](char c) { return text::is_graphic(c) && c != '='; });
        if (equals == std::string_view::npos || !is_field_name(field.substr(0, equals)) || value.empty() || !visible) {
            answer.why = "its MTA-STS TXT record has a field that is none: " + quoted(field);
            return answer;
        }
        if (field.substr(0, equals) != "id" || id) continue;
        if (!is_id(value)) {
            answer.why = "the id of its MTA-STS TXT record is not 1 to 32 letters and digits: " + quoted(value);
            return answer;
        }
        id = std::string(value);
    }
    if (!id) answer.why = "its MTA-STS TXT record has no id";
    answer.id = std::move(id);
    return answer;
}

Result<StsPolicy> parse_sts_policy(std::string_view body) {
    if (body.size() > kMaxStsPolicySize) return Error{"the policy is larger than 64 KiB"};
    StsPolicy policy;
    bool has_version = false, has_mode = false, has_age = false;
    while (!body.empty()) {
        std::string_view line = text::take_field(body, '\n');
        if (line.ends_with('\r')) line.remove_suffix(1);
        while (!line.empty() && text::is_blank(line.back())) line.remove_suffix(1);
        if (line.empty()) continue;
        const std::size_t colon = line.find(':');
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = colon == std::string_view::npos ? std::string_view() : text::trim(line.substr(colon + 1));
        if (colon == std::string_view::npos || !is_field_name(name) || text::has_control(value) || !text::is_utf8(value))
            return Error{"a line of the policy is no \"name: value\": ", quoted(line)};
        if (name == "version") {
            if (std::exchange(has_version, true)) continue;
            if (value != kVersion) return Error{"the policy's version is ", quoted(value), ", and only STSv1 is known"};
        } else if (name == "mode") {
            if (std::exchange(has_mode, true)) continue;
            const std::optional<StsMode> mode = parse_mode(value);
            if (!mode) return Error{"the policy's mode is ", quoted(value), ", and not enforce, testing or none"};
            policy.mode = *mode;
        } else if (name == "max_age") {
            if (std::exchange(has_age, true)) continue;
            const auto seconds = text::parse_unsigned(value, 9999999999ULL);
            if (!seconds || value.size() > 10) return Error{"the policy's max_age is ", quoted(value), ", which is no number of seconds"};
            policy.max_age = std::min(std::chrono::seconds(*seconds), kMaxStsAge);
        } else if (name == "mx") {
            const std::string pattern = text::to_lower(without_dot(value));
            const std::string_view host = pattern.starts_with("*.") ? std::string_view(pattern).substr(2) : std::string_view(pattern);
            if (!is_host_name(host)) return Error{"the policy's mx ", quoted(value), " is no host name"};
            if (policy.mx.size() >= kMaxStsPatterns) return Error{"the policy has more than 500 mx lines"};
            policy.mx.push_back(pattern);
        }
    }
    if (!has_version) return Error{"the policy has no version"};
    if (!has_mode) return Error{"the policy has no mode"};
    if (!has_age) return Error{"the policy has no max_age"};
    if (policy.mx.empty() && policy.mode != StsMode::none) return Error{"the policy has no mx"};
    return policy;
}

Result<StsPolicy> policy_from(std::string_view body, std::string domain, std::string id, TimePoint fetched) {
    Result<StsPolicy> policy = parse_sts_policy(body);
    if (!policy) return policy;
    policy->domain = std::move(domain);
    policy->id = std::move(id);
    policy->fetched = fetched;
    policy->expires = fetched + policy->max_age;
    return policy;
}

std::string remembered_form(const StsPolicy& policy) {
    std::string form = std::string(kFormLine) + '\n' + policy.domain + '\n' + policy.id + '\n' +
                       std::to_string(policy.fetched.time_since_epoch().count()) + '\n';
    for (const std::string& line : policy.lines()) form += line + '\n';
    return form;
}

Result<StsPolicy> from_remembered(std::string_view text) {
    const std::string_view first = text::take_field(text, '\n');
    std::string domain(text::take_field(text, '\n'));
    std::string id(text::take_field(text, '\n'));
    const auto fetched = text::parse_unsigned(text::take_field(text, '\n'), INT64_MAX / 2);
    if (first != kFormLine || domain.empty() || !fetched) return Error{"this is no policy as Posthorn remembers them"};
    return policy_from(text, std::move(domain), std::move(id), TimePoint(Duration(static_cast<std::int64_t>(*fetched))));
}

TimePoint refresh_due(const StsPolicy& policy) {
    const Duration half = policy.max_age / 2;
    return policy.fetched + std::min<Duration>(half, std::chrono::hours(24));
}

bool is_worth_less(const StsWorth& one, const StsWorth& other) {
    return one.in_force != other.in_force ? other.in_force : one.used < other.used;
}

bool should_fetch(const StsPolicy* policy, const std::optional<StsFailure>& failure, const std::optional<std::string>& id,
                  TimePoint now) {
    const bool in_force = policy != nullptr && policy->expires > now;
    if (!in_force && !id) return false;
    const std::string wanted = id ? *id : policy->id;
    const bool changed = in_force && id && *id != policy->id;
    if (failure && failure->id == wanted && now >= failure->at) {
        const bool patient = in_force && !changed && policy->expires - now > 2 * kStsRefreshRetry;
        if (now - failure->at < (patient ? kStsRefreshRetry : kStsRetry)) return false;
    }
    return !in_force || changed || now >= refresh_due(*policy);
}

}  // namespace posthorn::delivery
