// What is wrong with the proofs that our mail carries: SPF, DKIM, DMARC, reverse DNS; found in DNS, each with its repair. Values only.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "auth/dkim/key.hpp"
#include "base/clock.hpp"
#include "base/endpoint.hpp"
#include "base/result.hpp"

namespace posthorn::delivery {

class Causes;

// unknown: DNS gave no answer. It never counts as fail (PR-51).
enum class FactResult : std::uint8_t { pass, fail, unknown };
enum class FactKind : std::uint8_t {
    spf,            // of the domain of MAIL FROM, for one of our addresses
    spf_helo,       // of the EHLO name: what counts for mail with the null sender (RFC 7208 s2.4)
    spf_from,       // From's domain has an SPF record at all, though MAIL FROM is another domain (docomo, PR-32)
    dkim,           // the key of one selector in DNS is the one that we sign with
    dmarc,          // From's domain, or its organisational domain, has a valid DMARC record
    alignment,      // what passes of SPF and DKIM speaks for From's domain (RFC 7489 s3.1)
    ptr,            // an address of ours has a name, and the name leads back to it
    sender_domain,  // the domain of MAIL FROM or From exists and can take mail (PR-18, PR-32)
    helo            // the EHLO name has our address
};
[[nodiscard]] std::string_view to_string(FactResult result);  // "pass", "fail", "unknown"
[[nodiscard]] std::string_view to_string(FactKind kind);      // "spf", "spf-helo", ...

struct Fact {
    FactKind kind = FactKind::spf;
    // By the zone's own servers where they could be asked, else by the resolver. All of the zone's servers that answer must agree on a pass.
    FactResult result = FactResult::unknown;
    std::string subject;             // what it is about: "example.com from 192.0.2.1", "s1._domainkey.example.com"; the same in each diagnosis
    std::string detail;              // what was found, in plain words
    std::string repair;              // what to do; empty unless it fails
    std::string record;              // the line for the zone file; empty: none
    bool at_authority = false;       // the zone's servers were asked, and it passes there
    bool at_resolver = false;        // it passes at the resolver
    std::chrono::seconds ttl{0};     // how long the resolver, and so others, may still use the answer it has

    friend bool operator==(const Fact&, const Fact&) = default;
};

struct Diagnosis {
    TimePoint at{};
    std::vector<Fact> facts;         // by kind, then as asked; at most a few dozen
    std::string summary;             // one line: "SPF fails for example.com from 192.0.2.1; DKIM, DMARC pass"

    friend bool operator==(const Diagnosis&, const Diagnosis&) = default;
};

// A signature we make. key is the private one: its public part must be what DNS has.
struct DkimSubject {
    std::string domain;
    std::string selector;
    auth::dkim::PrivateKeyPtr key;

    DkimSubject(std::string d, std::string s, auth::dkim::PrivateKeyPtr ours)
        : domain(std::move(d)), selector(std::move(s)), key(std::move(ours)) {}
};

// Names in lower case A-labels. See question_about() in diagnosing.hpp, which fills it from the settings.
struct DiagnosisQuestion {
    std::string from_domain;
    std::string mail_from_domain;        // empty: the null sender, so that the EHLO name is evaluated in its place
    std::string helo;
    std::vector<IpAddress> ips;          // public; empty: those the EHLO name has
    bool ipv6 = true;                    // mail leaves over IPv6, too: else the EHLO name's IPv6 addresses do not count
    std::vector<DkimSubject> signatures;
    std::string unsigned_reason;         // why there is no signature, with the remedy; empty where there is one
    std::string report_to;               // for a DMARC record to suggest: "mailto:...", or empty

    DiagnosisQuestion() = default;
};

// The facts that a refusal for these causes speaks of. No cause, or "unknown": all of SPF, DKIM, DMARC, alignment and PTR.
[[nodiscard]] bool concerns(const Causes& causes, FactKind kind);

// The diagnosis accounts for a refusal with these causes: one of them fails where all are needed, all of them where any would do. Of several
// facts of one kind (signatures, addresses) the best counts: an Ed25519 key that is not published explains nothing. Unknown explains nothing.
[[nodiscard]] bool explains(const Diagnosis& diagnosis, const Causes& causes);

// Since `before` something that the causes speak of has come from failing to passing, at the zone's servers and at the resolver, or there with
// the TTL of the old answer over since `before`; and no demand of the causes is failing now. `before` may be the first diagnosis or that of
// the last poll. Pure.
[[nodiscard]] bool repaired(const Diagnosis& before, const Diagnosis& now, const Causes& causes);

// Whether mail meets what a provider asks for, by its name: google, yahoo, microsoft (or outlook, m365), apple,
// docomo; of others what is usual. PR-1 to PR-32.
struct Standing {
    std::string provider;
    FactResult everyone = FactResult::unknown;  // of each sender
    FactResult bulk = FactResult::unknown;      // of senders of more than some thousand messages a day
    std::string words;                          // what is missing, or that nothing is
};
[[nodiscard]] Standing standing_with(std::string_view provider, const Diagnosis& diagnosis);
[[nodiscard]] std::vector<Standing> standings(const Diagnosis& diagnosis);  // with all of them

[[nodiscard]] std::string summary_of(const std::vector<Fact>& facts);
// For people, several lines: each fact, and beneath what fails its repair and record. For DSNs and `why`.
[[nodiscard]] std::string to_text(const Diagnosis& diagnosis);
// The answer in a few words: "SPF, DKIM fail; not known: reverse DNS", "all is in order".
[[nodiscard]] std::string headline(const Diagnosis& diagnosis);

// {"at": milliseconds, "summary": ..., "facts": [...]}; from_json takes what to_json gave, and errors say what is wrong with other text.
[[nodiscard]] boost::json::object to_json(const Diagnosis& diagnosis);
[[nodiscard]] Result<Diagnosis> diagnosis_from_json(std::string_view text);

}  // namespace posthorn::delivery
