// One method a kind of fact.
#include "delivery/examination.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "auth/dkim/published_key.hpp"
#include "auth/dkim/record.hpp"
#include "auth/dmarc.hpp"
#include "auth/spf.hpp"
#include "auth/spf_record.hpp"
#include "auth/txt_record.hpp"
#include "base/text.hpp"
#include "dns/answers.hpp"
#include "mail/domain.hpp"
#include "mail/organisational_domain.hpp"

namespace posthorn::delivery {
namespace {

using auth::DnsAnswer;
using auth::DnsQuestion;
using auth::DnsStatus;
using auth::DnsType;

DnsType address_type(const IpAddress& ip) {
    return ip.is_v4() ? DnsType::a : DnsType::aaaa;
}

bool has(const DnsAnswer& answer, const IpAddress& ip) {
    return std::find(answer.addresses.begin(), answer.addresses.end(), ip) != answer.addresses.end();
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

bool is_plain(std::string_view text) {
    return !text::has_control(text) && text::is_ascii(text);
}

// PR-20: what hosters give to addresses that nobody named: most of the address's numbers are in it.
bool looks_generic(const std::string& name, const IpAddress& ip) {
    if (!ip.is_v4()) return false;
    const std::string text = ip.to_string();
    std::size_t found = 0;
    std::vector<std::string_view> numbers;
    for (const std::string_view piece : text::split(text, '.')) numbers.push_back(piece);
    for (const std::string_view number : numbers) {
        for (std::size_t at = name.find(number); at != std::string::npos; at = name.find(number, at + 1)) {
            const bool whole = (at == 0 || !text::is_digit(name[at - 1])) && (at + number.size() >= name.size() || !text::is_digit(name[at + number.size()]));
            if (!whole) continue;
            ++found;
            break;
        }
    }
    return found >= 3;
}

class Examiner {
public:
    Examiner(const DiagnosisQuestion& question, const auth::DnsAnswers& known) : question_(question), known_(known) {}

    Examination run() {
        spf();
        spf_of_helo();
        spf_of_from();
        dkim();
        dmarc();
        ptr();
        sender_domains();
        helo();
        // Names in DNS may have any octets, and these words go to terminals, mail and JSON.
        for (Fact& one : found_.facts) {
            if (!is_plain(one.detail)) one.detail = text::safe_for_log(one.detail);
            if (!is_plain(one.repair)) one.repair = text::safe_for_log(one.repair);
        }
        return std::move(found_);
    }

private:
    // Not there: it is wanted, and an answer that says nothing stands in for it.
    const DnsAnswer& ask(DnsType type, const std::string& name) {
        static const DnsAnswer kNothing;
        DnsQuestion question(type, name);
        if (const DnsAnswer* answer = known_.find(question)) return *answer;
        want(std::move(question));
        return kNothing;
    }
    void want(DnsQuestion question) {
        if (std::find(found_.wanted.begin(), found_.wanted.end(), question) == found_.wanted.end()) found_.wanted.push_back(std::move(question));
    }
    Fact& fact(FactKind kind, FactResult result, std::string subject, std::string detail) {
        Fact made;
        made.kind = kind;
        made.result = result;
        made.subject = std::move(subject);
        made.detail = std::move(detail);
        found_.facts.push_back(std::move(made));
        return found_.facts.back();
    }

    std::optional<auth::spf::Outcome> evaluate(const std::string& domain, const IpAddress& ip) {
        auth::spf::Step step = auth::spf::evaluate(auth::spf::Subject(ip, domain, question_.helo), known_);
        if (auto* outcome = std::get_if<auth::spf::Outcome>(&step)) return std::move(*outcome);
        for (DnsQuestion& question : std::get<std::vector<DnsQuestion>>(step)) want(std::move(question));
        return std::nullopt;
    }
    std::vector<std::string> spf_records_of(const std::string& domain) {
        std::vector<std::string> records;
        for (const std::string& text : ask(DnsType::txt, domain).texts)
            if (auth::spf::is_record(text)) records.push_back(text);
        return records;
    }
    // The domain SPF is evaluated for: of null senders the EHLO name (RFC 7208 s2.4).
    [[nodiscard]] const std::string& spf_domain() const { return question_.mail_from_domain.empty() ? question_.helo : question_.mail_from_domain; }

    void spf();
    void spf_of_helo();
    void spf_of_from();
    void dkim();
    void dmarc();
    void alignment(const auth::dmarc::Discovery& discovery);
    void ptr();
    void sender_domains();
    void helo();

    const DiagnosisQuestion& question_;
    const auth::DnsAnswers& known_;
    Examination found_;
};

std::string no_address_words(const std::string& helo) {
    return fmt::format("our public address is not known: the name we say in EHLO, {}, has none in DNS; publish one, or name the address", helo);
}

void Examiner::spf() {
    const std::string& domain = spf_domain();
    if (question_.ips.empty()) {
        fact(FactKind::spf, FactResult::unknown, domain, no_address_words(question_.helo));
        return;
    }
    const std::vector<std::string> records = spf_records_of(domain);
    const std::chrono::seconds ttl = ask(DnsType::txt, domain).ttl;
    std::vector<IpAddress> missing;
    const std::size_t first = found_.facts.size();
    for (const IpAddress& ip : question_.ips) {
        const std::optional<auth::spf::Outcome> outcome = evaluate(domain, ip);
        const std::string subject = fmt::format("{} from {}", domain, ip.to_string());
        if (!outcome) {
            fact(FactKind::spf, FactResult::unknown, subject, "not asked yet");
            continue;
        }
        const std::string verdict(to_string(outcome->verdict));
        switch (outcome->verdict) {
            case auth::spf::Verdict::pass:
                fact(FactKind::spf, FactResult::pass, subject,
                     fmt::format("SPF passes by \"{}\"{}", outcome->term, outcome->domain == domain ? std::string() : " of " + outcome->domain));
                break;
            case auth::spf::Verdict::temperror:
                fact(FactKind::spf, FactResult::unknown, subject, "SPF could not be evaluated: " + outcome->why);
                break;
            default:
                missing.push_back(ip);
                fact(FactKind::spf, FactResult::fail, subject,
                     outcome->term.empty() ? fmt::format("SPF gives {}: {}", verdict, outcome->why)
                                           : fmt::format("SPF gives {} by \"{}\" of {}", verdict, outcome->term, outcome->domain));
                break;
        }
        found_.facts.back().ttl = ttl;
    }
    std::vector<std::string> doubts;   // Gmail's 4.7.24
    if (records.size() == 1)
        if (const auto record = auth::spf::parse(records.front())) doubts = auth::spf::suspicions(*record);
    const std::string line = auth::txt_line(domain, auth::spf::with_addresses(records, missing));
    for (std::size_t i = first; i < found_.facts.size(); ++i) {
        Fact& one = found_.facts[i];
        if (one.result == FactResult::fail) {
            one.record = line;
            one.repair = records.empty()       ? fmt::format("publish this TXT record at {}", domain)
                         : records.size() > 1 ? fmt::format("put this one TXT record at {} in place of its {} SPF records", domain, records.size())
                                              : fmt::format("change the SPF record of {} to this", domain);
        } else if (one.result == FactResult::pass && !doubts.empty()) {
            one.result = FactResult::fail;
            one.detail += ", but the record is one that Gmail calls suspicious (4.7.24): " + joined(doubts);
            one.repair = fmt::format("name the machines that send for {} and no others: {} and those of your other senders", domain,
                                     (question_.ips.front().is_v4() ? "ip4:" : "ip6:") + question_.ips.front().to_string());
        }
    }
}

// Failing is what counts: without a record the null sender's mail has its DKIM signature.
void Examiner::spf_of_helo() {
    if (question_.mail_from_domain.empty() || question_.mail_from_domain == question_.helo) return;
    for (const IpAddress& ip : question_.ips) {
        const std::optional<auth::spf::Outcome> outcome = evaluate(question_.helo, ip);
        const std::string subject = fmt::format("{} from {}", question_.helo, ip.to_string());
        if (!outcome || outcome->verdict == auth::spf::Verdict::temperror) {
            fact(FactKind::spf_helo, FactResult::unknown, subject, outcome ? "SPF could not be evaluated: " + outcome->why : "not asked yet");
        } else if (outcome->verdict == auth::spf::Verdict::pass) {
            fact(FactKind::spf_helo, FactResult::pass, subject, fmt::format("SPF of the EHLO name passes by \"{}\"", outcome->term));
        } else if (outcome->verdict == auth::spf::Verdict::none || outcome->verdict == auth::spf::Verdict::neutral) {
            Fact& none = fact(FactKind::spf_helo, FactResult::pass, subject,
                              "the EHLO name has no SPF record that says no; with the record below reports (with the null sender) would pass SPF, too");
            none.record = auth::txt_line(question_.helo, "v=spf1 a -all");
        } else {
            Fact& fails = fact(FactKind::spf_helo, FactResult::fail, subject,
                               fmt::format("SPF of the EHLO name gives {}{}", to_string(outcome->verdict),
                                           outcome->term.empty() ? ": " + outcome->why : fmt::format(" by \"{}\"", outcome->term)));
            fails.repair = fmt::format("change the SPF record of {} to this", question_.helo);
            const std::vector<IpAddress> ours = {ip};
            fails.record = auth::txt_line(question_.helo, auth::spf::with_addresses(spf_records_of(question_.helo), ours));
        }
        found_.facts.back().ttl = ask(DnsType::txt, question_.helo).ttl;
    }
}

// PR-32: docomo wants an SPF record of From's domain, whatever MAIL FROM is.
void Examiner::spf_of_from() {
    const std::string& domain = question_.from_domain;
    if (domain.empty() || domain == spf_domain()) return;
    const DnsAnswer& answer = ask(DnsType::txt, domain);
    if (!answer.known()) {
        fact(FactKind::spf_from, FactResult::unknown, domain, "DNS gave no answer about TXT of " + domain);
        return;
    }
    const std::vector<std::string> records = spf_records_of(domain);
    if (records.size() == 1 && auth::spf::parse(records.front())) {
        fact(FactKind::spf_from, FactResult::pass, domain, "From's domain has an SPF record");
    } else {
        Fact& none = fact(FactKind::spf_from, FactResult::fail, domain,
                          records.empty() ? "From's domain has no SPF record, which docomo asks for though MAIL FROM is another domain"
                                          : "the SPF record of From's domain is broken");
        none.repair = fmt::format("publish this TXT record at {}{}", domain, records.empty() ? "" : " in place of what is there");
        none.record = auth::txt_line(domain, auth::spf::with_addresses(records, question_.ips));
    }
    found_.facts.back().ttl = answer.ttl;
}

void Examiner::dkim() {
    if (question_.signatures.empty()) {
        Fact& none = fact(FactKind::dkim, FactResult::fail, question_.from_domain,
                          question_.unsigned_reason.empty() ? "mail of " + question_.from_domain + " is not signed" : "mail is not signed: " + question_.unsigned_reason);
        none.repair = fmt::format("make a key with \"posthorn dkim genkey --domain {} --selector SELECTOR\", publish its record, and name it in the [[domain]] section",
                                  question_.from_domain);
        return;
    }
    for (const DkimSubject& signature : question_.signatures) {
        const auth::dkim::KeyRecord record = auth::dkim::key_record(signature.domain, signature.selector, *signature.key);
        const DnsAnswer& answer = ask(DnsType::txt, record.name);
        if (!answer.known()) {
            fact(FactKind::dkim, FactResult::unknown, record.name, "DNS gave no answer about TXT of " + record.name + (answer.detail.empty() ? "" : " (" + answer.detail + ")"));
            continue;
        }
        const auth::dkim::KeyFinding finding = auth::dkim::compare(answer.texts, *signature.key);
        const bool same = finding.state == auth::dkim::KeyState::same;
        Fact& one = fact(FactKind::dkim, same ? FactResult::pass : FactResult::fail, record.name, finding.words);
        one.ttl = answer.ttl;
        if (same) continue;
        one.record = record.zone_file;
        if (finding.state == auth::dkim::KeyState::missing) one.repair = "publish this TXT record";
        else if (finding.state == auth::dkim::KeyState::other)
            one.repair = "publish this record in its place, or, where the other key is wanted, give Posthorn its private half";
        else one.repair = "publish this record in place of what is there";
    }
}

void Examiner::dmarc() {
    auth::dmarc::Step step = auth::dmarc::discover(question_.from_domain, known_);
    auth::dmarc::Discovery discovery;
    if (auto* questions = std::get_if<std::vector<DnsQuestion>>(&step)) {
        for (DnsQuestion& question : *questions) want(std::move(question));
        discovery.found = auth::dmarc::Discovery::Found::temporary;
    } else {
        discovery = std::move(std::get<auth::dmarc::Discovery>(step));
    }
    using Found = auth::dmarc::Discovery::Found;
    const std::string place = "_dmarc." + mail::organisational_domain(question_.from_domain);
    switch (discovery.found) {
        case Found::record:
            fact(FactKind::dmarc, FactResult::pass, question_.from_domain,
                 fmt::format("there is a DMARC record at {} with p={}{}{}", discovery.at, to_string(discovery.policy()),
                             discovery.record.complaints.empty() ? "" : "; ", joined(discovery.record.complaints)));
            break;
        case Found::temporary:
            fact(FactKind::dmarc, FactResult::unknown, question_.from_domain, discovery.why);
            break;
        default: {
            Fact& none = fact(FactKind::dmarc, FactResult::fail, question_.from_domain, discovery.why);
            none.repair = discovery.found == Found::none ? "publish this TXT record; p=none asks receivers for nothing but reports"
                                                         : "publish one record such as this in place of what is there";
            none.record = auth::txt_line(discovery.found == Found::broken ? discovery.at : place,
                                         "v=DMARC1; p=none" + (question_.report_to.empty() ? std::string() : "; rua=" + question_.report_to));
        }
    }
    if (const DnsAnswer* answer = known_.find(DnsQuestion(DnsType::txt, discovery.at))) found_.facts.back().ttl = answer->ttl;
    alignment(discovery);
}

// RFC 7489 s3.1: what passes must speak for From's domain. A signature or address that cannot be judged now leaves it open.
void Examiner::alignment(const auth::dmarc::Discovery& discovery) {
    const std::string& from = question_.from_domain;
    bool spf_passes = false, spf_open = question_.ips.empty();
    std::set<std::string> signs, may_sign;
    for (const Fact& fact : found_.facts) {
        if (fact.kind == FactKind::spf) {
            spf_passes = spf_passes || fact.result == FactResult::pass;
            spf_open = spf_open || fact.result == FactResult::unknown;
        }
        if (fact.kind != FactKind::dkim) continue;
        if (fact.result == FactResult::pass) signs.insert(fact.subject);
        if (fact.result == FactResult::unknown) may_sign.insert(fact.subject);
    }
    const bool spf_aligned = auth::dmarc::aligned(spf_domain(), from, discovery.record.spf);
    bool dkim_aligned = false, dkim_passes = false, dkim_open = false;
    for (const DkimSubject& signature : question_.signatures) {
        if (!auth::dmarc::aligned(signature.domain, from, discovery.record.dkim)) continue;
        const std::string name = signature.selector + "._domainkey." + signature.domain;
        dkim_aligned = true;
        dkim_passes = dkim_passes || signs.contains(name);
        dkim_open = dkim_open || may_sign.contains(name);
    }
    if (dkim_passes || (spf_aligned && spf_passes)) {
        fact(FactKind::alignment, FactResult::pass, from,
             fmt::format("{} {} for From's domain", dkim_passes && spf_aligned && spf_passes ? "DKIM and SPF" : dkim_passes ? "DKIM" : "SPF",
                         dkim_passes && spf_aligned && spf_passes ? "pass" : "passes"));
        return;
    }
    if (dkim_open || (spf_aligned && spf_open)) {
        fact(FactKind::alignment, FactResult::unknown, from, "neither SPF nor DKIM could be judged");
        return;
    }
    const bool strict = discovery.record.spf == auth::dmarc::Alignment::strict || discovery.record.dkim == auth::dmarc::Alignment::strict;
    Fact& none = fact(FactKind::alignment, FactResult::fail, from, "");
    if (spf_aligned || dkim_aligned) {
        none.detail = "what would speak for From's domain does not pass: neither a signature of it nor SPF of MAIL FROM";
        none.repair = "repair DKIM or SPF";
    } else {
        none.detail = fmt::format("MAIL FROM is of {} and {}, neither of which speaks for From's domain {}{}", spf_domain(),
                                  question_.signatures.empty() ? "there is no signature" : "the signature of " + question_.signatures.front().domain, from,
                                  strict ? " (its DMARC record asks for the very same name)" : "");
        none.repair = fmt::format("add a [[domain]] section with a key for {}, or send from an address of a domain that is configured", from);
    }
}

// PR-2: a name, and the name leads back.
void Examiner::ptr() {
    constexpr std::size_t kMaxNames = 10;
    for (const IpAddress& ip : question_.ips) {
        const std::string reverse = dns::reverse_name(ip);
        const DnsAnswer& names = ask(DnsType::ptr, reverse);
        const std::string subject = ip.to_string();
        if (!names.known()) {
            fact(FactKind::ptr, FactResult::unknown, subject, "DNS gave no answer about the name of " + subject + (names.detail.empty() ? "" : " (" + names.detail + ")"));
            continue;
        }
        std::chrono::seconds ttl = names.ttl;
        std::string leads_back;
        bool open = false;
        for (std::size_t i = 0; i < std::min(names.texts.size(), kMaxNames); ++i) {
            const DnsAnswer& addresses = ask(address_type(ip), names.texts[i]);
            open = open || !addresses.known();
            if (addresses.known()) ttl = std::min(ttl, addresses.ttl);
            if (leads_back.empty() && has(addresses, ip)) leads_back = names.texts[i];
        }
        const std::string hoster = fmt::format("set the reverse DNS (PTR record) of {} to {}: in the hoster's panel, or by asking his support, as the zone is his", subject,
                                               question_.helo);
        if (!leads_back.empty()) {
            fact(FactKind::ptr, FactResult::pass, subject,
                 fmt::format("{} is {}, and that name is {}{}", subject, leads_back, subject,
                             looks_generic(leads_back, ip) ? "; the name looks like one that a hoster gives to all his addresses, which some receivers dislike" : ""));
        } else if (open) {
            fact(FactKind::ptr, FactResult::unknown, subject, fmt::format("{} is {}; DNS gave no answer about the addresses of that", subject, joined(names.texts)));
        } else if (names.texts.empty()) {
            Fact& none = fact(FactKind::ptr, FactResult::fail, subject, fmt::format("{} has no name in DNS (no PTR record)", subject));
            none.repair = hoster;
            none.record = fmt::format("{}. IN PTR {}.", reverse, question_.helo);
        } else {
            Fact& other = fact(FactKind::ptr, FactResult::fail, subject, fmt::format("{} is {}, but that name has no such address", subject, joined(names.texts)));
            other.repair = fmt::format("give {} the address {}, or {}", names.texts.front(), subject, hoster);
            if (mail::is_valid_hostname(names.texts.front())) other.record = fmt::format("{}. IN {} {}", names.texts.front(), to_string(address_type(ip)), subject);
        }
        found_.facts.back().ttl = ttl;
    }
}

// PR-18, PR-32, RFC 7505 s4.2: the domain exists and could be answered to.
void Examiner::sender_domains() {
    std::vector<std::string> domains = {question_.from_domain};
    if (!question_.mail_from_domain.empty() && question_.mail_from_domain != question_.from_domain) domains.push_back(question_.mail_from_domain);
    for (const std::string& domain : domains) {
        const DnsAnswer& zone = ask(DnsType::soa, mail::organisational_domain(domain));
        const DnsAnswer& mx = ask(DnsType::mx, domain);
        const DnsAnswer& v4 = ask(DnsType::a, domain);
        const DnsAnswer& v6 = ask(DnsType::aaaa, domain);
        const bool null_mx = mx.status == DnsStatus::ok && std::all_of(mx.texts.begin(), mx.texts.end(), [](const std::string& host) { return host.empty(); });
        if (null_mx) {
            Fact& null = fact(FactKind::sender_domain, FactResult::fail, domain,
                              domain + " says by a null MX record that it takes no mail; receivers refuse mail from there, as nobody could be told (RFC 7505)");
            null.repair = fmt::format("put an MX record that names a mail server in place of the null MX of {}", domain);
        } else if (mx.status == DnsStatus::ok || v4.status == DnsStatus::ok || v6.status == DnsStatus::ok) {
            fact(FactKind::sender_domain, FactResult::pass, domain, fmt::format("{} exists and {}", domain, mx.status == DnsStatus::ok ? "has MX records" : "has an address"));
        } else if (zone.status == DnsStatus::nxdomain || mx.status == DnsStatus::nxdomain) {
            Fact& none = fact(FactKind::sender_domain, FactResult::fail, domain, domain + " does not exist in DNS");
            none.repair = zone.status == DnsStatus::nxdomain ? fmt::format("look whether {} is still registered, and its name servers answer", mail::organisational_domain(domain))
                                                             : fmt::format("publish an MX record of {}, or send from a domain that has one", domain);
        } else if (!mx.known() || !v4.known() || !v6.known()) {
            fact(FactKind::sender_domain, FactResult::unknown, domain, "DNS gave no answer about " + domain + (mx.detail.empty() ? "" : " (" + mx.detail + ")"));
        } else {
            Fact& none = fact(FactKind::sender_domain, FactResult::fail, domain, domain + " has neither MX nor address, so that nobody can answer");
            none.repair = fmt::format("publish an MX record of {}", domain);
            none.record = fmt::format("{}. IN MX 10 {}.", domain, question_.helo);
        }
        found_.facts.back().ttl = mx.ttl;
    }
}

void Examiner::helo() {
    for (const IpAddress& ip : question_.ips) {
        const DnsAnswer& addresses = ask(address_type(ip), question_.helo);
        const std::string subject = fmt::format("{} for {}", question_.helo, ip.to_string());
        if (!addresses.known()) {
            fact(FactKind::helo, FactResult::unknown, subject, "DNS gave no answer about " + question_.helo + (addresses.detail.empty() ? "" : " (" + addresses.detail + ")"));
        } else if (has(addresses, ip)) {
            fact(FactKind::helo, FactResult::pass, subject, fmt::format("the name we say in EHLO, {}, is {}", question_.helo, ip.to_string()));
        } else {
            Fact& other = fact(FactKind::helo, FactResult::fail, subject,
                               fmt::format("the name we say in EHLO, {}, {} {}", question_.helo, addresses.addresses.empty() ? "has no address like" : "has other addresses than",
                                           ip.to_string()));
            other.repair = "publish this record, or set \"hostname\" to a name that has the address";
            other.record = fmt::format("{}. IN {} {}", question_.helo, to_string(address_type(ip)), ip.to_string());
        }
        found_.facts.back().ttl = addresses.ttl;
    }
}

}  // namespace

Examination examine(const DiagnosisQuestion& question, const auth::DnsAnswers& known) {
    return Examiner(question, known).run();
}

std::vector<DnsQuestion> ask_own_addresses(const DiagnosisQuestion& question) {
    if (!question.ips.empty() || question.helo.empty()) return {};
    std::vector<DnsQuestion> questions = {DnsQuestion(DnsType::a, question.helo)};
    if (question.ipv6) questions.emplace_back(DnsType::aaaa, question.helo);
    return questions;
}

std::vector<IpAddress> own_addresses(const DiagnosisQuestion& question, const auth::DnsAnswers& known) {
    std::vector<IpAddress> addresses = question.ips;
    for (const DnsQuestion& asked : ask_own_addresses(question)) {
        const DnsAnswer* const answer = known.find(asked);
        if (answer == nullptr) continue;
        std::copy_if(answer->addresses.begin(), answer->addresses.end(), std::back_inserter(addresses), [](const IpAddress& ip) { return !ip.is_private(); });
    }
    // More would be a mistake, and each costs a dozen questions.
    constexpr std::size_t kMaxAddresses = 4;
    if (addresses.size() > kMaxAddresses) addresses.resize(kMaxAddresses, addresses.front());
    return addresses;
}

bool is_ours(const DiagnosisQuestion& question, const std::string& name) {
    std::set<std::string> ours = {mail::organisational_domain(question.from_domain), mail::organisational_domain(question.mail_from_domain),
                                  mail::organisational_domain(question.helo)};
    for (const DkimSubject& signature : question.signatures) ours.insert(mail::organisational_domain(signature.domain));
    for (const IpAddress& ip : question.ips) ours.insert(dns::reverse_name(ip));
    ours.erase(std::string());
    return std::any_of(ours.begin(), ours.end(), [&](const std::string& domain) { return name == domain || name.ends_with("." + domain); });
}

std::vector<Fact> combine(std::vector<Fact> at_resolver, std::span<const std::vector<Fact>> at_authorities) {
    for (Fact& fact : at_resolver) {
        const bool resolver_passes = fact.result == FactResult::pass;
        const bool resolver_fails = fact.result == FactResult::fail;
        const std::chrono::seconds ttl = fact.ttl;
        std::size_t passing = 0, failing = 0;
        const Fact* decides = nullptr;   // a failing one, else a passing one
        for (const std::vector<Fact>& view : at_authorities) {
            const auto same = std::find_if(view.begin(), view.end(), [&](const Fact& other) { return other.kind == fact.kind && other.subject == fact.subject; });
            if (same == view.end() || same->result == FactResult::unknown) continue;
            const bool fails = same->result == FactResult::fail;
            ++(fails ? failing : passing);
            if (decides == nullptr || (fails && decides->result == FactResult::pass)) decides = &*same;
        }
        if (decides != nullptr) {
            Fact combined = *decides;
            if (failing > 0 && passing > 0) combined.detail += fmt::format("; so say {} of the zone's {} servers that answered: the others are ahead of them", failing, failing + passing);
            else if (failing > 0 && resolver_passes) combined.detail += "; the resolver still has an older answer that passes";
            else if (failing == 0 && resolver_fails)
                combined.detail += fmt::format("; that is what the zone's servers say, while the resolver, and so others, may have the old answer for {} s more", ttl.count());
            fact = std::move(combined);
        }
        fact.at_authority = decides != nullptr && failing == 0;
        fact.at_resolver = resolver_passes;
        fact.ttl = ttl;
    }
    return at_resolver;
}

}  // namespace posthorn::delivery
