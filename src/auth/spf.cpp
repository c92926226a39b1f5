// check_host() of RFC 7208 s4, run on the answers that are there; where one is missing, the run stops and names it.
#include "auth/spf.hpp"

#include <algorithm>
#include <optional>

#include "auth/spf_macro.hpp"
#include "auth/spf_record.hpp"
#include "base/text.hpp"

namespace posthorn::auth::spf {
namespace {

constexpr unsigned kMaxLookups = 10;     // s4.6.4
constexpr unsigned kMaxVoidLookups = 2;  // s4.6.4
constexpr unsigned kMaxSurvey = 40;      // terms that a survey follows
constexpr std::size_t kMaxNames = 10;    // s4.6.4: names of an MX; of a PTR those beyond are ignored

bool within(const IpAddress& address, const IpAddress& network, unsigned prefix4, unsigned prefix6) {
    if (address.is_v4() != network.is_v4()) return false;
    const unsigned bits = address.is_v4() ? 96 + prefix4 : prefix6;
    for (unsigned bit = 0; bit < bits; bit += 8) {
        const unsigned left = std::min(8U, bits - bit);
        const auto mask = static_cast<std::uint8_t>(0xFF00U >> left);
        if (((address.octets()[bit / 8] ^ network.octets()[bit / 8]) & mask) != 0) return false;
    }
    return true;
}

enum class Match : std::uint8_t { no, yes, temperror, permerror, wait };

class Run {
public:
    // survey: null, or where all terms are told; then no limit but kMaxSurvey ends the run, and no match.
    Run(const Subject& subject, const DnsAnswers& known, Survey* survey = nullptr)
        : subject_(subject), known_(known), survey_(survey) {}

    Outcome check(const std::string& domain);  // meaningless when something is missing
    std::vector<DnsQuestion> missing() { return std::move(missing_); }
    [[nodiscard]] bool waits() const { return !missing_.empty(); }
    [[nodiscard]] unsigned lookups() const { return lookups_; }
    [[nodiscard]] unsigned void_lookups() const { return void_lookups_; }

private:
    Match match(const Term& term, const std::string& domain, std::string& why);
    Match match_and_tell(const Term& term, const std::string& domain, std::string& why);
    Outcome follow_redirect(const Term& redirect, const std::string& domain);
    [[nodiscard]] unsigned max_lookups() const { return survey_ != nullptr ? kMaxSurvey : kMaxLookups; }
    Match match_include(const std::string& target, std::string& why);
    Match match_mx(const Term& term, const std::string& target, std::string& why);
    Match match_ptr(const std::string& target, std::string& why);
    Match match_hosts(const std::vector<std::string>& hosts, const Term& term, std::string& why);
    std::optional<std::string> target_of(const Term& term, const std::string& domain);  // nothing: wait; empty: no name
    std::optional<std::vector<std::string>> validated_names();
    [[nodiscard]] std::string reverse_name() const;
    const DnsAnswer* ask(DnsType type, const std::string& name);
    // Of a term's own question: counts the void ones.
    Match nothing_there(const DnsAnswer& answer, const std::string& name, std::string& why);
    [[nodiscard]] DnsType address_type() const { return subject_.ip.is_v4() ? DnsType::a : DnsType::aaaa; }
    [[nodiscard]] MacroValues values(const std::string& domain) const;

    const Subject& subject_;
    const DnsAnswers& known_;
    Survey* survey_;
    unsigned depth_ = 0;
    std::vector<DnsQuestion> missing_;
    unsigned lookups_ = 0;
    unsigned void_lookups_ = 0;
};

Outcome ended(Verdict verdict, const std::string& domain, std::string why) {
    Outcome outcome;
    outcome.verdict = verdict;
    outcome.domain = domain;
    outcome.why = std::move(why);
    return outcome;
}

std::string unanswered(DnsType type, const std::string& name, const DnsAnswer& answer) {
    return "DNS gave no answer about " + std::string(to_string(type)) + " of " + name +
           (answer.detail.empty() ? "" : " (" + answer.detail + ")");
}

const DnsAnswer* Run::ask(DnsType type, const std::string& name) {
    DnsQuestion question(type, name);
    const DnsAnswer* const answer = known_.find(question);
    if (answer == nullptr && std::find(missing_.begin(), missing_.end(), question) == missing_.end())
        missing_.push_back(std::move(question));
    return answer;
}

Match Run::nothing_there(const DnsAnswer& answer, const std::string& name, std::string& why) {
    if (answer.status == DnsStatus::ok) return Match::no;
    if (!answer.known()) {
        why = "DNS gave no answer about " + name + (answer.detail.empty() ? "" : " (" + answer.detail + ")");
        return Match::temperror;
    }
    if (++void_lookups_ > kMaxVoidLookups && survey_ == nullptr) {
        why = "more than two of its terms name what does not exist, the last of them " + name + " (RFC 7208 s4.6.4)";
        return Match::permerror;
    }
    return Match::no;
}

MacroValues Run::values(const std::string& domain) const {
    MacroValues values(subject_.ip);
    values.sender_local = subject_.local_part;
    values.sender_domain = subject_.domain;
    values.domain = domain;
    values.helo = subject_.helo;
    return values;
}

std::optional<std::string> Run::target_of(const Term& term, const std::string& domain) {
    if (term.domain.empty()) return domain;
    MacroValues meant = values(domain);
    if (uses_validated_name(term.domain)) {
        const auto names = validated_names();
        if (!names) return std::nullopt;
        // s7.3: the domain itself, else one below it, else any.
        const auto rank = [&](const std::string& name) { return name == domain ? 0 : name.ends_with("." + domain) ? 1 : 2; };
        const auto best = std::min_element(names->begin(), names->end(),
                                           [&](const std::string& a, const std::string& b) { return rank(a) < rank(b); });
        if (best != names->end()) meant.validated_name = *best;
    }
    return expand_domain(term.domain, meant);
}

std::string Run::reverse_name() const {
    return expand_domain("%{ir}.%{v}.arpa", values({}));
}

// s5.5: names of the address that have the address. Errors of DNS: there are none.
std::optional<std::vector<std::string>> Run::validated_names() {
    std::vector<std::string> names;
    const DnsAnswer* const claimed = ask(DnsType::ptr, reverse_name());
    if (claimed == nullptr) return std::nullopt;
    bool waits = false;
    for (std::size_t i = 0; i < std::min(claimed->texts.size(), kMaxNames); ++i) {
        const std::string& name = claimed->texts[i];
        if (!is_dns_name(name)) continue;
        const DnsAnswer* const answer = ask(address_type(), name);
        waits = waits || answer == nullptr;
        if (answer != nullptr &&
            std::find(answer->addresses.begin(), answer->addresses.end(), subject_.ip) != answer->addresses.end())
            names.push_back(name);
    }
    if (waits) return std::nullopt;
    return names;
}

Match Run::match_hosts(const std::vector<std::string>& hosts, const Term& term, std::string& why) {
    std::vector<const DnsAnswer*> answers;
    for (const std::string& host : hosts) answers.push_back(ask(address_type(), host));
    if (waits()) return Match::wait;  // all of them are asked at once
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        if (!answers[i]->known()) {
            why = unanswered(address_type(), hosts[i], *answers[i]);
            return Match::temperror;
        }
        for (const IpAddress& address : answers[i]->addresses)
            if (within(subject_.ip, address, term.prefix4, term.prefix6)) return Match::yes;
    }
    return Match::no;
}

Match Run::match_mx(const Term& term, const std::string& target, std::string& why) {
    const DnsAnswer* const answer = ask(DnsType::mx, target);
    if (answer == nullptr) return Match::wait;
    if (const Match nothing = nothing_there(*answer, target, why); nothing != Match::no) return nothing;
    if (answer->texts.size() > kMaxNames) {
        why = target + " has more than ten MX hosts (RFC 7208 s4.6.4)";
        return Match::permerror;
    }
    std::vector<std::string> hosts;
    std::copy_if(answer->texts.begin(), answer->texts.end(), std::back_inserter(hosts), is_dns_name);
    return match_hosts(hosts, term, why);
}

Match Run::match_ptr(const std::string& target, std::string& why) {
    const auto names = validated_names();
    if (!names) return Match::wait;
    // s5.5: an error of DNS is no match here.
    const DnsAnswer& claimed = *ask(DnsType::ptr, reverse_name());
    if (claimed.known() && nothing_there(claimed, reverse_name(), why) == Match::permerror) return Match::permerror;
    const bool below = std::any_of(names->begin(), names->end(),
                                   [&](const std::string& name) { return name == target || name.ends_with("." + target); });
    return below ? Match::yes : Match::no;
}

// s5.2.
Match Run::match_include(const std::string& target, std::string& why) {
    const Outcome inner = check(target);
    if (waits()) return Match::wait;
    switch (inner.verdict) {
        case Verdict::pass:
            return Match::yes;
        case Verdict::temperror:
            why = inner.why;
            return Match::temperror;
        case Verdict::none:
            why = target + ", which it includes, has no SPF record: " + inner.why;
            return Match::permerror;
        case Verdict::permerror:
            why = inner.domain == target ? "in " + target + ", which it includes: " + inner.why : inner.why;
            return Match::permerror;
        default:
            return Match::no;
    }
}

Match Run::match(const Term& term, const std::string& domain, std::string& why) {
    if (term.asks_dns() && ++lookups_ > max_lookups()) {
        why = "more than ten of its terms and of those it includes ask DNS (RFC 7208 s4.6.4)";
        return Match::permerror;
    }
    if (term.kind == TermKind::all) return Match::yes;
    if (term.kind == TermKind::ip4 || term.kind == TermKind::ip6) {
        // "ip6:::ffff:192.0.2.1" is a network of IPv6, of which no IPv4 address is part.
        const bool same_family = subject_.ip.is_v4() == (term.kind == TermKind::ip4);
        return same_family && within(subject_.ip, *term.network, term.prefix4, term.prefix6) ? Match::yes : Match::no;
    }
    const auto target = target_of(term, domain);
    if (!target) return Match::wait;
    if (target->empty()) {  // s4.8: a name that cannot be is one that is not there
        why = "\"" + term.text + "\" leads to no name that DNS could have";
        return term.kind == TermKind::include ? Match::permerror : Match::no;
    }
    switch (term.kind) {
        case TermKind::include:
            return match_include(*target, why);
        case TermKind::mx:
            return match_mx(term, *target, why);
        case TermKind::ptr:
            return match_ptr(*target, why);
        default:
            break;
    }
    const DnsType type = term.kind == TermKind::exists ? DnsType::a : address_type();  // s5.7
    const DnsAnswer* const answer = ask(type, *target);
    if (answer == nullptr) return Match::wait;
    if (const Match nothing = nothing_there(*answer, *target, why); nothing != Match::no) return nothing;
    if (term.kind == TermKind::exists) return answer->addresses.empty() ? Match::no : Match::yes;
    return match_hosts({*target}, term, why);
}

Verdict verdict_of(char qualifier) {
    switch (qualifier) {
        case '-':
            return Verdict::fail;
        case '~':
            return Verdict::softfail;
        case '?':
            return Verdict::neutral;
        default:
            return Verdict::pass;
    }
}

Match Run::match_and_tell(const Term& term, const std::string& domain, std::string& why) {
    if (survey_ == nullptr) return match(term, domain, why);
    const std::size_t at = survey_->terms.size();
    TermSeen seen;
    seen.depth = depth_;
    seen.domain = domain;
    seen.term = term.text;
    survey_->terms.push_back(std::move(seen));
    const unsigned lookups = lookups_, voids = void_lookups_;
    ++depth_;
    const Match matched = match(term, domain, why);
    --depth_;
    TermSeen& told = survey_->terms[at];
    told.lookups = lookups_ - lookups;
    told.void_lookups = void_lookups_ - voids;
    told.matches = matched == Match::yes;
    told.note = why;
    if (matched == Match::temperror || matched == Match::permerror) survey_->complete = false;
    return matched;
}

// The recursion ends, as each step down is a term that counts towards the ten.
Outcome Run::check(const std::string& domain) {
    // s4.3.
    if (!is_dns_name(domain) || domain.find('.') == std::string::npos)
        return ended(Verdict::none, domain,
                     "\"" + text::safe_for_log(domain, 100) + "\" is no domain name of two labels or more");
    const DnsAnswer* const answer = ask(DnsType::txt, domain);
    if (answer == nullptr) return {};
    if (!answer->known()) return ended(Verdict::temperror, domain, unanswered(DnsType::txt, domain, *answer));
    std::vector<std::string_view> records;
    for (const std::string& text : answer->texts)
        if (is_record(text)) records.push_back(text);
    if (records.empty())
        return ended(Verdict::none, domain,
                     answer->status == DnsStatus::nxdomain ? domain + " does not exist in DNS" : domain + " has no SPF record");
    if (records.size() > 1)
        return ended(Verdict::permerror, domain,
                     domain + " has " + std::to_string(records.size()) + " SPF records, where one is allowed");
    const Result<Record> record = parse(records.front());
    if (!record) return ended(Verdict::permerror, domain, "the SPF record of " + domain + " is broken: " + record.error().what);
    bool all = false;
    std::optional<Outcome> first;  // of a survey, which goes on behind it
    for (const Term& term : record->terms) {
        if (term.is_modifier()) continue;
        std::string why;
        const Match matched = match_and_tell(term, domain, why);
        all = all || term.kind == TermKind::all;
        if (survey_ != nullptr) {
            if (matched == Match::yes && !first) first = ended(verdict_of(term.qualifier), domain, {});
            if (lookups_ > max_lookups()) return ended(Verdict::permerror, domain, std::move(why));
            continue;
        }
        switch (matched) {
            case Match::wait:
                return {};
            case Match::temperror:
                return ended(Verdict::temperror, domain, std::move(why));
            case Match::permerror:
                return ended(Verdict::permerror, domain, std::move(why));
            case Match::yes: {
                Outcome outcome = ended(verdict_of(term.qualifier), domain, {});
                outcome.term = term.text;
                return outcome;
            }
            case Match::no:
                break;
        }
    }
    // s6.1: looked at only where no "all" is.
    const Term* const redirect = record->find(TermKind::redirect);
    if (redirect == nullptr || all) return first ? *first : ended(Verdict::neutral, domain, "no term of the record matches");
    Outcome inner = follow_redirect(*redirect, domain);
    return first ? *first : inner;
}

// s6.1.
Outcome Run::follow_redirect(const Term& redirect, const std::string& domain) {
    const std::size_t at = survey_ != nullptr ? survey_->terms.size() : 0;
    const unsigned lookups = lookups_, voids = void_lookups_;
    if (survey_ != nullptr) {
        TermSeen seen;
        seen.depth = depth_;
        seen.domain = domain;
        seen.term = redirect.text;
        survey_->terms.push_back(std::move(seen));
    }
    if (++lookups_ > max_lookups())
        return ended(Verdict::permerror, domain, "more than ten of its terms ask DNS (RFC 7208 s4.6.4)");
    const auto target = target_of(redirect, domain);
    if (!target) return {};
    ++depth_;
    Outcome inner = check(*target);
    --depth_;
    if (inner.verdict == Verdict::none && !waits()) {
        inner.verdict = Verdict::permerror;
        inner.why = "it redirects to a domain without an SPF record: " + inner.why;
    }
    if (survey_ != nullptr) {
        TermSeen& told = survey_->terms[at];
        told.lookups = lookups_ - lookups;
        told.void_lookups = void_lookups_ - voids;
        told.matches = inner.verdict == Verdict::pass;
        if (inner.verdict == Verdict::permerror || inner.verdict == Verdict::temperror) {
            told.note = inner.why;
            survey_->complete = false;
        }
    }
    return inner;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::none:
            return "none";
        case Verdict::neutral:
            return "neutral";
        case Verdict::pass:
            return "pass";
        case Verdict::fail:
            return "fail";
        case Verdict::softfail:
            return "softfail";
        case Verdict::temperror:
            return "temperror";
        case Verdict::permerror:
            break;
    }
    return "permerror";
}

Step evaluate(const Subject& subject, const DnsAnswers& known) {
    Run run(subject, known);
    Outcome outcome = run.check(text::to_lower(subject.domain));
    if (run.waits()) return run.missing();
    outcome.lookups = run.lookups();
    outcome.void_lookups = run.void_lookups();
    return outcome;
}

SurveyStep survey(const Subject& subject, const DnsAnswers& known) {
    Survey found;
    Run run(subject, known, &found);
    const Outcome outcome = run.check(text::to_lower(subject.domain));
    if (run.waits()) return run.missing();
    found.lookups = run.lookups();
    found.void_lookups = run.void_lookups();
    if (found.terms.empty() || outcome.verdict == Verdict::temperror) found.complete = false;
    return found;
}

}  // namespace posthorn::auth::spf
