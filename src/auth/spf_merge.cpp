// The record that is there, evaluated for each address of ours; then the record to publish, evaluated for
// what it costs others.
#include "auth/spf_merge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "auth/spf.hpp"
#include "auth/spf_record.hpp"
#include "base/text.hpp"

namespace posthorn::auth::spf {
namespace {

constexpr unsigned kMaxLookups = 10;     // s4.6.4
constexpr unsigned kMaxVoidLookups = 2;  // s4.6.4

std::string term_for(const IpAddress& ip) {
    return (ip.is_v4() ? "ip4:" : "ip6:") + ip.to_string();
}

std::string joined(std::span<const IpAddress> addresses) {
    std::string text;
    for (const IpAddress& one : addresses) text += (text.empty() ? "" : ", ") + term_for(one);
    return text;
}

// An address that no record names: what it costs to find that out is what a receiver must do at most.
IpAddress nobody() {
    return IpAddress::from_v4({0, 0, 0, 0});
}

class Merging {
public:
    Merging(std::string_view domain, std::span<const IpAddress> ips, std::string_view helo,
            const DnsAnswers& known)
        : domain_(domain), ips_(ips), helo_(helo), world_(known) {}

    MergeStep run() {
        const DnsQuestion question(DnsType::txt, domain_);
        const DnsAnswer* const answer = world_.find(question);
        if (answer == nullptr) return std::vector<DnsQuestion>{question};
        published_ = *answer;
        if (!published_.known()) return unknown(published_.detail);
        std::copy_if(published_.texts.begin(), published_.texts.end(), std::back_inserter(merge_.found),
                     is_record);
        if (merge_.found.empty()) return make();
        return change();
    }

private:
    MergeStep unknown(const std::string& why) {
        merge_.state = Merge::State::unknown;
        merge_.added.assign(ips_.begin(), ips_.end());
        merge_.record = with_addresses(merge_.found, ips_);
        merge_.words.push_back(
            fmt::format("whether {} has an SPF record is not known{}{}; if it has one, add {} to that: there "
                        "must be only one",
                        domain_, why.empty() ? "" : ": ", why, ips_.empty() ? "this server's addresses" : joined(ips_)));
        return std::move(merge_);
    }

    MergeStep make() {
        merge_.state = Merge::State::made;
        merge_.added.assign(ips_.begin(), ips_.end());
        merge_.record = with_addresses({}, ips_);
        merge_.words.push_back(fmt::format("{} has no SPF record", domain_));
        return counted();
    }

    MergeStep change() {
        std::string base = merge_.found.front();
        const Result<Record> parsed = parse(base);
        if (merge_.found.size() > 1) {
            base = with_addresses(merge_.found, {});
            merge_.words.push_back(
                fmt::format("{} has {} SPF records, and receivers take that for an error: this one replaces "
                            "them all; delete the others",
                            domain_, merge_.found.size()));
        } else if (!parsed) {
            base = with_addresses(merge_.found, {});
            merge_.words.push_back("the record that is there cannot be read: " + parsed.error().what +
                                   "; it is left out");
        }
        merge_.record = base;
        for (const IpAddress& ip : ips_) {
            const std::optional<Outcome> outcome = evaluate_with(base, ip);
            if (!outcome) continue;
            if (outcome->verdict == Verdict::temperror) {
                merge_.words.push_back(
                    fmt::format("whether {} passes is not known: {}", ip.to_string(), outcome->why));
                undecided_ = true;
            } else if (outcome->verdict != Verdict::pass) {
                merge_.added.push_back(ip);
                if (outcome->verdict == Verdict::permerror)
                    merge_.words.push_back("as it is, the record is an error to receivers: " + outcome->why);
            }
        }
        if (!wanted_.empty()) return std::move(wanted_);
        const std::vector<std::string> bases = {base};
        if (!merge_.added.empty()) {
            merge_.record = with_addresses(bases, merge_.added);
            merge_.words.push_back("added " + joined(merge_.added));
        }
        const bool same = merge_.found.size() == 1 && merge_.record == merge_.found.front();
        merge_.state = !same        ? Merge::State::changed
                       : undecided_ ? Merge::State::unknown
                                    : Merge::State::right;
        return counted();
    }

    MergeStep counted() {
        publish(merge_.record);
        SurveyStep step = survey(Subject(nobody(), domain_, helo_), world_);
        if (auto* questions = std::get_if<std::vector<DnsQuestion>>(&step)) return std::move(*questions);
        const Survey& cost = std::get<Survey>(step);
        merge_.lookups = cost.lookups;
        merge_.void_lookups = cost.void_lookups;
        for (const TermSeen& term : cost.terms)
            if (!term.note.empty())
                merge_.words.push_back(fmt::format("\"{}\" of {}: {}", term.term, term.domain, term.note));
        // Whoever stands in front passes before a limit is met; machines that are named behind it do not.
        if (cost.lookups > kMaxLookups)
            merge_.words.push_back(fmt::format(
                "{} of its terms and of those it includes ask DNS, and receivers stop at {}: machines that "
                "only later terms name do not pass; take out what is no longer needed",
                cost.lookups, kMaxLookups));
        if (cost.void_lookups > kMaxVoidLookups)
            merge_.words.push_back(fmt::format(
                "{} of the names it asks for do not exist, and receivers stop at {}: take them out",
                cost.void_lookups, kMaxVoidLookups + 1));
        if (const Result<Record> record = parse(merge_.record))
            for (const std::string& doubt : suspicions(*record))
                merge_.words.push_back(doubt + "; Gmail calls that suspicious");
        std::vector<std::string> once;
        for (std::string& one : merge_.words)
            if (std::find(once.begin(), once.end(), one) == once.end()) once.push_back(std::move(one));
        merge_.words = std::move(once);
        return std::move(merge_);
    }

    void publish(const std::string& record) {
        DnsAnswer answer(DnsStatus::ok);
        answer.texts.push_back(record);
        answer.ttl = published_.ttl;
        world_.add(DnsQuestion(DnsType::txt, domain_), std::move(answer));
    }

    // As if `record` were the domain's only one. Nothing: there are questions first.
    std::optional<Outcome> evaluate_with(const std::string& record, const IpAddress& ip) {
        publish(record);
        Step step = evaluate(Subject(ip, domain_, helo_), world_);
        if (auto* outcome = std::get_if<Outcome>(&step)) return std::move(*outcome);
        for (DnsQuestion& one : std::get<std::vector<DnsQuestion>>(step))
            if (std::find(wanted_.begin(), wanted_.end(), one) == wanted_.end())
                wanted_.push_back(std::move(one));
        return std::nullopt;
    }

    std::string domain_;
    std::span<const IpAddress> ips_;
    std::string helo_;
    DnsAnswers world_;
    DnsAnswer published_;
    std::vector<DnsQuestion> wanted_;
    bool undecided_ = false;
    Merge merge_;
};

}  // namespace

MergeStep merge(std::string_view domain, std::span<const IpAddress> ips, std::string_view helo,
                const DnsAnswers& known) {
    return Merging(domain, ips, helo, known).run();
}

}  // namespace posthorn::auth::spf
