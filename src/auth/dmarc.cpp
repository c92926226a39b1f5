// Tags, and the two places where a record may be.
#include "auth/dmarc.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "mail/domain.hpp"
#include "mail/organisational_domain.hpp"

namespace posthorn::auth::dmarc {
namespace {

struct Tag {
    std::string_view name;
    std::string_view value;
};

// s6.4: tags end with ";", blanks around "=" are allowed.
std::vector<Tag> tags_of(std::string_view text) {
    std::vector<Tag> tags;
    for (const std::string_view piece : text::split(text, ';')) {
        const std::string_view tag = text::trim(piece);
        if (tag.empty()) continue;
        const std::size_t equals = tag.find('=');
        tags.push_back({text::trim(tag.substr(0, equals)),
                        equals == std::string_view::npos ? std::string_view() : text::trim(tag.substr(equals + 1))});
    }
    return tags;
}

std::optional<Policy> policy_of(std::string_view value) {
    if (text::iequals(value, "none")) return Policy::none;
    if (text::iequals(value, "quarantine")) return Policy::quarantine;
    if (text::iequals(value, "reject")) return Policy::reject;
    return std::nullopt;
}

std::string quoted(std::string_view name, std::string_view value) {
    return "\"" + text::safe_for_log(std::string(name) + "=" + std::string(value), 100) + "\"";
}

// s6.3: "r" or "s"; a value that is neither is ignored.
void read_alignment(const Tag& tag, Alignment& mode, std::vector<std::string>& complaints) {
    if (text::iequals(tag.value, "s"))
        mode = Alignment::strict;
    else if (!text::iequals(tag.value, "r"))
        complaints.push_back(quoted(tag.name, tag.value) + " is neither r nor s; receivers take r");
}

}  // namespace

std::string_view to_string(Policy policy) {
    switch (policy) {
        case Policy::none:
            return "none";
        case Policy::quarantine:
            return "quarantine";
        case Policy::reject:
            break;
    }
    return "reject";
}

bool is_record(std::string_view text) {
    const std::vector<Tag> tags = tags_of(text.substr(0, text.find(';')));
    // The name of the first tag in any case, its value as it is (s6.4: %x44 %x4d ...).
    return !tags.empty() && text::iequals(tags.front().name, "v") && tags.front().value == "DMARC1";
}

Result<Record> parse(std::string_view text) {
    if (!is_record(text)) return Error{"it does not begin with v=DMARC1"};
    Record record;
    std::optional<Policy> policy, subdomains;
    std::string broken;  // a p= or sp= that says nothing
    for (const Tag& tag : tags_of(text)) {
        if (text::iequals(tag.name, "p")) {
            policy = policy_of(tag.value);
            if (!policy) broken = quoted(tag.name, tag.value);
        } else if (text::iequals(tag.name, "sp")) {
            subdomains = policy_of(tag.value);
            if (!subdomains) broken = quoted(tag.name, tag.value);
        } else if (text::iequals(tag.name, "adkim")) {
            read_alignment(tag, record.dkim, record.complaints);
        } else if (text::iequals(tag.name, "aspf")) {
            read_alignment(tag, record.spf, record.complaints);
        } else if (text::iequals(tag.name, "pct")) {
            const auto percent = text::parse_unsigned(tag.value, 100);
            if (percent)
                record.percent = static_cast<unsigned>(*percent);
            else
                record.complaints.push_back(quoted(tag.name, tag.value) + " is no number from 0 to 100; receivers take 100");
        } else if (text::iequals(tag.name, "rua")) {
            for (const std::string_view uri : text::split(tag.value, ','))
                if (!text::trim(uri).empty()) record.reports_to.emplace_back(text::trim(uri));
        }
    }
    // s6.6.3 step 6: without a valid policy the record counts as p=none where reports are asked for, else not at all.
    if (!policy || !broken.empty()) {
        const bool reported = std::any_of(record.reports_to.begin(), record.reports_to.end(),
                                          [](const std::string& uri) { return text::istarts_with(uri, "mailto:"); });
        const std::string what = broken.empty() ? "it has no p= tag" : broken + " is none of none, quarantine and reject";
        if (!reported) return Error{what};
        record.complaints.push_back(what + "; receivers take p=none, as rua= is there");
        policy = Policy::none;
        subdomains = Policy::none;
    }
    record.policy = *policy;
    record.subdomain_policy = subdomains.value_or(*policy);
    return record;
}

Step discover(std::string_view from_domain, const DnsAnswers& known) {
    const std::string domain = text::to_lower(from_domain);
    const std::string organization = mail::organisational_domain(domain);
    Discovery discovery;
    for (const std::string& place : {domain, organization}) {
        discovery.inherited = place != domain;
        discovery.at = "_dmarc." + place;
        const DnsAnswer* const answer = known.find(DnsQuestion(DnsType::txt, discovery.at));
        if (answer == nullptr) return std::vector<DnsQuestion>{DnsQuestion(DnsType::txt, discovery.at)};
        if (!answer->known()) {
            discovery.found = Discovery::Found::temporary;
            discovery.why =
                "DNS gave no answer about TXT of " + discovery.at + (answer->detail.empty() ? "" : " (" + answer->detail + ")");
            return discovery;
        }
        std::vector<std::string> records;
        std::copy_if(answer->texts.begin(), answer->texts.end(), std::back_inserter(records), is_record);
        // s6.6.3 step 5: several end the search, as if there were none.
        if (records.size() > 1) {
            discovery.found = Discovery::Found::broken;
            discovery.text = records.front();
            discovery.why =
                discovery.at + " has " + std::to_string(records.size()) + " DMARC records; receivers take that as none";
            return discovery;
        }
        if (records.size() == 1) {
            discovery.text = records.front();
            Result<Record> record = parse(discovery.text);
            discovery.found = record ? Discovery::Found::record : Discovery::Found::broken;
            if (record)
                discovery.record = std::move(*record);
            else
                discovery.why = "the DMARC record at " + discovery.at + " is broken: " + record.error().what;
            return discovery;
        }
        if (place == organization) break;
    }
    discovery.why = "there is no DMARC record at " + discovery.at + (discovery.inherited ? ", and none at _dmarc." + domain : "");
    return discovery;
}

bool aligned(std::string_view authenticated, std::string_view from_domain, Alignment mode) {
    const std::string one = text::to_lower(authenticated), other = text::to_lower(from_domain);
    if (one.empty() || other.empty()) return false;
    return one == other || (mode == Alignment::relaxed && mail::organisational_domain(one) == mail::organisational_domain(other));
}

}  // namespace posthorn::auth::dmarc
