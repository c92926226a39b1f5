// What the doctor found: one judgement a line, what it means to the big receivers, and the exact remedy.
// Values only.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::doctor {

// skipped: there was nothing to look at, or it was not asked for; `detail` says which. unknown: nobody
// answered; it never counts as fail (PR-51).
enum class Verdict : std::uint8_t { pass, skipped, unknown, warn, fail };
[[nodiscard]] std::string_view to_string(Verdict verdict);  // "PASS", "SKIP", "UNKNOWN", "WARN", "FAIL"

// The same question to the zone's own servers and to the resolver (SD-6, SD-7).
struct Seen {
    bool differs = false;      // they do not say the same
    std::string at_authority;  // in words; empty: they were not asked, or did not answer
    std::string at_resolver;
    std::chrono::seconds ttl{0};  // how long the resolver, and so others, may still use what it has

    friend bool operator==(const Seen&, const Seen&) = default;
};

// What a failure means to one receiver; only of findings that are no pass.
struct Meaning {
    std::string provider;  // "gmail", "yahoo", "outlook"
    std::string words;

    friend bool operator==(const Meaning&, const Meaning&) = default;
};

struct Finding {
    Verdict verdict = Verdict::unknown;
    std::string check;    // stable: "ptr", "spf", "dkim" ...; docs/DOCTOR.md lists them all
    std::string subject;  // what it is about: "192.0.2.1", "example.com"; check and subject are the same in
                          // each examination
    std::string title;    // "SPF of example.com from 192.0.2.1"
    std::string detail;   // what was found, in plain words; may have several lines
    std::vector<Meaning> meaning;
    std::string repair;                 // what to do; empty where nothing is to be done
    std::vector<std::string> records;   // lines for the zone file; `posthorn dns show` has their other forms
    std::vector<std::string> commands;  // to be run on this machine
    Seen seen;

    friend bool operator==(const Finding&, const Finding&) = default;
};

// All findings, the worst first and, among equals, in the order of kChecks (SD-82: reverse DNS first).
struct Report {
    std::vector<Finding> findings;
    std::string verdict;  // one line for people
    // Whether mail meets what each provider asks of all senders and of bulk senders, in words; empty where a check that counts for it was
    // left out.
    std::vector<Meaning> standings;

    [[nodiscard]] std::size_t count(Verdict verdict) const;
};

// Every check, in the order in which equals are told.
struct Check {
    std::string_view id;
    std::string_view about;  // what it looks at, in a few words
};
[[nodiscard]] const std::vector<Check>& checks();

// Sorts, fills in `meaning`, and says the verdict. provider: "gmail", "yahoo" or "outlook" keeps the meaning
// for that one only; empty: all three.
[[nodiscard]] Report report_of(std::vector<Finding> findings, std::string_view provider = {});

// 0: nothing fails. 1: something does, or with `strict` something is warned of. 75: nothing fails, but
// something could not be found out.
[[nodiscard]] int exit_code_of(const Report& report, bool strict);

[[nodiscard]] boost::json::object to_json(const Report& report);

}  // namespace posthorn::doctor
