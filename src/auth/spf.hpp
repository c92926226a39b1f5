// SPF (RFC 7208) as a receiver evaluates it: may this address send for that domain, and by which term of which record?
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "auth/dns_answers.hpp"
#include "base/endpoint.hpp"

// Our own evaluator, not Debian's libspf2: that one asks DNS itself, blocking and only at the resolver, does not say which term of which record
// decided, and parses strangers' records in C with a history of overruns (CVE-2021-33912, -33913, -20314).
namespace posthorn::auth::spf {

enum class Verdict : std::uint8_t { none, neutral, pass, fail, softfail, temperror, permerror };

[[nodiscard]] std::string_view to_string(Verdict verdict);

// Whom the receiver sees. domain: what is evaluated, that of MAIL FROM or HELO's (s2.3, s2.4); local_part: "postmaster" where there is none.
struct Subject {
    IpAddress ip;
    std::string domain;
    std::string local_part = "postmaster";
    std::string helo;

    Subject(IpAddress from, std::string whose, std::string greeting)
        : ip(from), domain(std::move(whose)), helo(std::move(greeting)) {}
};

struct Outcome {
    Verdict verdict = Verdict::none;
    std::string domain;    // whose record decided: an included or redirected one has its own
    std::string term;      // that matched, as published ("include:_spf.example.net"); empty: none did
    std::string why;       // for the operator; of none, temperror and permerror: what is wrong
    unsigned lookups = 0;  // s4.6.4: terms that ask DNS, of ten
    unsigned void_lookups = 0;
};

// Pure. The questions that must be answered first, or the outcome. Deterministic: the same answers give the same; it ends after a bounded
// number of rounds whatever the records say (s4.6.4: ten terms that ask DNS, ten names of an MX or PTR, two void lookups).
using Step = std::variant<std::vector<DnsQuestion>, Outcome>;
[[nodiscard]] Step evaluate(const Subject& subject, const DnsAnswers& known);

// One term of the records as a person reads them, from top to bottom, included ones beneath the term that includes them.
struct TermSeen {
    unsigned depth = 0;         // 0: of the domain's own record
    std::string domain;         // whose record it stands in
    std::string term;           // as published
    unsigned lookups = 0;       // terms that ask DNS: this one, and all beneath it (s4.6.4)
    unsigned void_lookups = 0;  // questions with no answer, of it and all beneath it
    bool matches = false;       // the address; of the first such term of depth 0 the evaluation ends there
    std::string note;           // what is wrong with it
};

// All terms, whether the evaluation for this address comes so far or not: what an address pays for that no term matches.
struct Survey {
    std::vector<TermSeen> terms;
    unsigned lookups = 0;
    unsigned void_lookups = 0;
    bool complete = true;       // false: a record is missing or broken, or there are too many terms to go on
};
using SurveyStep = std::variant<std::vector<DnsQuestion>, Survey>;
// Pure, in the manner of evaluate(). Stops after 40 terms that ask DNS, as records may include each other for ever.
[[nodiscard]] SurveyStep survey(const Subject& subject, const DnsAnswers& known);

// Whether a TXT record is an SPF record (s4.5): "v=spf1" alone or before a space, in any case.
[[nodiscard]] bool is_record(std::string_view text);

}  // namespace posthorn::auth::spf
