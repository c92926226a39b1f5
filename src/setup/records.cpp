// Names and addresses, SPF, DKIM: each record as it should be, and as it is found.
#include "setup/records.hpp"

#include <fmt/format.h>

#include "auth/dkim/published_key.hpp"
#include "auth/spf_merge.hpp"
#include "auth/spf_record.hpp"
#include "base/text.hpp"
#include "mail/organisational_domain.hpp"
#include "setup/record_survey.hpp"
#include "setup/reverse_name.hpp"

namespace posthorn::setup {

using auth::DnsAnswer;
using auth::DnsQuestion;
using auth::DnsRecord;
using auth::DnsStatus;
using auth::DnsType;

namespace {

// What others publish goes to terminals and JSON.
std::string shown(const std::string& text) {
    return text::has_control(text) || !text::is_ascii(text) ? text::safe_for_log(text, 2000) : text;
}

std::string lines(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) all += (all.empty() ? "" : "\n") + shown(text);
    return all;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
    std::string text;
    for (const std::string& word : words) text.append(text.empty() ? "" : between).append(word);
    return text;
}

DnsType address_type(const IpAddress& ip) {
    return ip.is_v4() ? DnsType::a : DnsType::aaaa;
}

std::string no_answer(const DnsAnswer& answer) {
    return answer.detail.empty() ? std::string() : "DNS gave no answer: " + answer.detail;
}

bool has(const DnsAnswer& answer, const IpAddress& ip) {
    return std::find(answer.addresses.begin(), answer.addresses.end(), ip) != answer.addresses.end();
}

}  // namespace

WantedRecords wanted_records(const RecordsQuestion& question, const auth::DnsAnswers& known) {
    return RecordSurvey(question, known).run();
}

bool is_ours(const RecordsQuestion& question, std::string_view name) {
    std::vector<std::string> ours = {mail::organisational_domain(question.domain),
                                     mail::organisational_domain(question.hostname)};
    for (const IpAddress& ip : question.ips) ours.push_back(reverse_name(ip));
    return std::any_of(ours.begin(), ours.end(), [&](const std::string& domain) {
        return !domain.empty() && (name == domain || name.ends_with("." + domain));
    });
}

WantedRecords RecordSurvey::run() {
    for (const IpAddress& ip : question_.ips) ptr(ip);
    for (const IpAddress& ip : question_.ips) address(ip);
    spf(RecordKind::spf, question_.domain);
    for (const SelectorRecord& key : question_.keys) dkim(key);
    dmarc();
    if (question_.hostname != question_.domain) spf(RecordKind::spf_helo, question_.hostname);
    hints();
    for (WantedRecord& one : found_.records) one.words = shown(one.words);
    return std::move(found_);
}

std::string RecordSurvey::zone_of(const std::string& name) {
    const std::string registered = mail::organisational_domain(name);
    std::string at = name;
    while (at != registered && at.size() > registered.size()) {
        const DnsAnswer& soa = ask(DnsType::soa, at);
        if (soa.status == DnsStatus::ok) return at;
        if (!soa.known()) return registered;
        const std::size_t dot = at.find('.');
        if (dot == std::string::npos) break;
        at.erase(0, dot + 1);
    }
    return registered;
}

// PR-2, SD-82: a name, and the name leads back.
void RecordSurvey::ptr(const IpAddress& ip) {
    constexpr std::size_t kMaxNames = 10;
    const std::string owner =
        "only who gives you the address can set it: in the hoster's control panel, as \"reverse DNS\" of the "
        "address";
    WantedRecord& one =
        add(RecordKind::ptr, Need::required, DnsRecord(reverse_name(ip), "PTR", question_.hostname),
            fmt::format("name of {} (reverse DNS): Gmail, Yahoo, Outlook and Apple refuse addresses without",
                        ip.to_string()));
    const DnsAnswer& names = ask(DnsType::ptr, one.record.name);
    one.ttl = names.ttl;
    one.found = lines(names.texts);
    if (!names.known()) {
        one.words = no_answer(names);
        return;
    }
    if (names.texts.empty()) {
        one.state = State::missing;
        one.words = owner;
        return;
    }
    if (std::find(names.texts.begin(), names.texts.end(), question_.hostname) != names.texts.end()) {
        one.state = State::present;
        return;
    }
    bool open = false;
    for (std::size_t i = 0; i < std::min(names.texts.size(), kMaxNames); ++i) {
        const DnsAnswer& forward = ask(address_type(ip), names.texts[i]);
        open = open || !forward.known();
        if (!has(forward, ip)) continue;
        one.state = State::present;
        one.words = fmt::format(
            "the name is {}, which leads back to the address: good enough; that of our EHLO name, {}, would "
            "be better",
            names.texts[i], question_.hostname);
        return;
    }
    one.state = open ? State::unknown : State::differs;
    one.words = open ? "DNS gave no answer about the addresses of " + joined(names.texts, ", ")
                     : "the name that is there does not lead back to the address; " + owner;
}

void RecordSurvey::address(const IpAddress& ip) {
    const DnsType type = address_type(ip);
    WantedRecord& one =
        add(RecordKind::address, Need::required,
            DnsRecord(question_.hostname, std::string(to_string(type)), ip.to_string()),
            fmt::format("address of {}, the name that Posthorn says in EHLO", question_.hostname));
    one.record.zone = zone_of(question_.hostname);
    const DnsAnswer& answer = ask(type, question_.hostname);
    one.ttl = answer.ttl;
    for (const IpAddress& other : answer.addresses)
        if (other != ip) one.others.push_back(other.to_string());
    one.found = lines(one.others);
    if (!answer.known()) {
        one.words = no_answer(answer);
    } else if (has(answer, ip)) {
        one.state = State::present;
        one.found = ip.to_string();
    } else {
        one.state = answer.addresses.empty() ? State::missing : State::differs;
        if (!one.others.empty())
            one.words =
                "the name has other addresses; add this one, and delete those that are no longer yours";
    }
}

// RFC 7208. Of the EHLO name: what counts for mail with the null sender (s2.4).
void RecordSurvey::spf(RecordKind kind, const std::string& name) {
    using Merge = auth::spf::Merge;
    const bool of_helo = kind == RecordKind::spf_helo;
    auth::spf::MergeStep step = auth::spf::merge(name, question_.ips, question_.hostname, known_);
    Merge merge;
    if (auto* questions = std::get_if<std::vector<DnsQuestion>>(&step)) {
        for (DnsQuestion& question : *questions) want(std::move(question));
        merge.state = Merge::State::unknown;
        if (!of_helo)
            merge.words.push_back(
                "where there is an SPF record already, add the addresses to that one: there must be only "
                "one");
    } else {
        merge = std::move(std::get<Merge>(step));
    }
    if (merge.found.empty()) {
        // An EHLO name is one machine, and that machine is all that may use it.
        if (of_helo)
            merge.record = "v=spf1 a -all";
        else if (question_.ips.empty())
            merge.record = fmt::format("v=spf1 a:{} ~all", question_.hostname);
        else
            merge.record = auth::spf::with_addresses({}, question_.ips);
    }
    WantedRecord& one =
        add(kind, of_helo ? Need::advised : Need::required, auth::txt_record(name, merge.record),
            of_helo ? "SPF of the EHLO name: counts for bounces, which have no sender"
                    : fmt::format("SPF: which machines send mail of {}", name));
    one.record.zone = zone_of(name);
    if (const DnsAnswer* answer = known_.find(DnsQuestion(DnsType::txt, name))) {
        one.ttl = answer->ttl;
        for (const std::string& text : answer->texts)
            if (std::find(merge.found.begin(), merge.found.end(), text) == merge.found.end())
                one.others.push_back(text);
    }
    one.found = lines(merge.found);
    one.state = merge.state == Merge::State::right     ? State::present
                : merge.state == Merge::State::unknown ? State::unknown
                : merge.found.empty()                  ? State::missing
                                                       : State::differs;
    if (merge.state == Merge::State::made) return;
    one.words = joined(merge.words, "; ");
    if (!merge.found.empty() && merge.state != Merge::State::unknown)
        one.words += fmt::format("{}DNS look-ups: {} of 10", one.words.empty() ? "" : "; ", merge.lookups);
}

// RFC 6376 s3.6.1, SD-46: the key in DNS is the one that we sign with.
void RecordSurvey::dkim(const SelectorRecord& key) {
    WantedRecord& one = add(RecordKind::dkim, Need::required,
                            auth::txt_record(key.selector + "._domainkey." + question_.domain, key.value),
                            fmt::format("DKIM key {}{}: receivers check our signatures with it", key.selector,
                                        key.stage.empty() ? "" : " (" + key.stage + ")"));
    one.record.zone = zone_of(question_.domain);
    const DnsAnswer& answer = ask(DnsType::txt, one.record.name);
    one.ttl = answer.ttl;
    one.found = lines(answer.texts);
    if (!answer.known()) {
        one.words = no_answer(answer);
        return;
    }
    if (answer.texts.empty()) {
        one.state = State::missing;
        return;
    }
    const auto ours = auth::dkim::parse_published_key(key.value);
    std::size_t same = 0;
    bool testing = false;
    std::string why = "another key stands there";
    for (const std::string& text : answer.texts) {
        const auto there = auth::dkim::parse_published_key(text);
        const bool equal =
            there && ours && there->key_type == ours->key_type && there->public_base64 == ours->public_base64;
        same += equal ? 1 : 0;
        testing = testing || (equal && there->testing);
        if (!there)
            why = there.error().what;
        else if (there->public_base64.empty())
            why = "the key that stands there is revoked (p= is empty)";
    }
    one.state = same == answer.texts.size() ? State::present : State::differs;
    if (one.state == State::differs)
        one.words = same > 0
                        ? fmt::format("{} records stand there, and receivers may take any: delete the others",
                                      answer.texts.size())
                        : why + "; put this record in its place";
    else if (testing)
        one.words =
            "it says t=y (testing): receivers may treat signed mail as unsigned; take that out when all "
            "works";
}

}  // namespace posthorn::setup
