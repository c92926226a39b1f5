// Fuzzes what strangers publish about TLS: MTA-STS records and policies, TLSRPT records. The first octet chooses which.
#include <algorithm>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "delivery/mta_sts.hpp"
#include "delivery/tls_report.hpp"
#include "delivery/tls_report_text.hpp"
#include "law.hpp"

using namespace posthorn;
using namespace posthorn::delivery;
using fuzz::require;

namespace {

// TXT records are separated by NUL.
std::vector<std::string> records_in(std::string_view text) {
    std::vector<std::string> all;
    for (const std::string_view one : text::split(text, '\0')) all.emplace_back(one);
    return all;
}

// STS-1.
void record(std::string_view text) {
    const StsRecord found = parse_sts_record(records_in(text));
    if (!found.id) return;
    require(found.why.empty(), "a record that counts is not complained of");
    require(!found.id->empty() && found.id->size() <= 32 && std::all_of(found.id->begin(), found.id->end(), text::is_alnum),
            "an id is 1 to 32 letters and digits");
}

// STS-3.
void policy(std::string_view text) {
    const TimePoint now(std::chrono::hours(490000));
    const Result<StsPolicy> found = policy_from(text, "example.com", "1", now);
    if (!found) {
        require(!found.error().what.empty() && !text::has_control(found.error().what), "what is wrong is said on one line");
        return;
    }
    require(found->max_age.count() >= 0 && found->max_age <= kMaxStsAge, "a policy has an age within the limit");
    require(found->mode == StsMode::none || !found->mx.empty(), "a policy that binds names hosts");
    require(found->mx.size() <= kMaxStsPatterns, "patterns are bounded");
    for (const std::string& pattern : found->mx) {
        const bool wild = pattern.starts_with("*.");
        const std::string host = wild ? "a" + pattern.substr(1) : pattern;
        require(found->matches(host) && found->matches(host + "."), "a pattern matches its host");
        require(!wild || pattern.find('*', 1) == std::string::npos, "an asterisk is the left-most label");
    }
    const Result<StsPolicy> again = from_remembered(remembered_form(*found));
    require(again && again->mx == found->mx && again->mode == found->mode && again->expires == found->expires,
            "a policy is remembered as it was");
}

// RPT-1.
void report_record(std::string_view text) {
    const ReportRecord found = parse_report_record(records_in(text));
    require(found.addresses.size() <= kMaxReportAddresses, "addresses are bounded");
    for (const ReportAddress& one : found.addresses) {
        require(one.by_mail() != !one.host.empty(), "an address is one of mail or one of the web");
        require(!text::has_control(one.mailbox) && !text::has_control(one.host) && !text::has_control(one.target),
                "no control character gets into a request or an envelope");
        require(one.by_mail() || (one.target.starts_with('/') && one.port != 0), "a request has a target");
    }
}

void remembered_day(std::string_view text) {
    const Result<TlsDay> found = from_remembered_day(text);
    if (!found) return;
    const Result<TlsDay> again = from_remembered_day(remembered_form(*found));
    require(again && remembered_form(*again) == remembered_form(*found), "results are remembered as they were");
    TlsResults results;
    results.restore(*found);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 5) {
        case 0: policy(text); break;
        case 1: record(text); break;
        case 2: report_record(text); break;
        case 3: remembered_day(text); break;
        default: (void)from_remembered(text); break;
    }
    return 0;
}
