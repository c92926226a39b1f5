// Diagnoses as text, as JSON, and as an account of what each provider asks for.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <initializer_list>
#include <optional>

#include "delivery/diagnosis.hpp"

namespace posthorn::delivery {
namespace {

namespace json = boost::json;

struct KindWords {
    FactKind kind;
    std::string_view word;  // in JSON
    std::string_view name;  // for people
};
constexpr std::array<KindWords, 9> kKinds = {{{FactKind::spf, "spf", "SPF"},
                                              {FactKind::spf_helo, "spf-helo", "SPF of the EHLO name"},
                                              {FactKind::spf_from, "spf-from", "SPF of From's domain"},
                                              {FactKind::dkim, "dkim", "DKIM"},
                                              {FactKind::dmarc, "dmarc", "DMARC"},
                                              {FactKind::alignment, "alignment", "alignment"},
                                              {FactKind::ptr, "ptr", "reverse DNS"},
                                              {FactKind::sender_domain, "sender-domain", "the sender's domain"},
                                              {FactKind::helo, "helo", "the EHLO name"}}};

const KindWords& words_of(FactKind kind) {
    return *std::find_if(kKinds.begin(), kKinds.end(), [&](const KindWords& words) { return words.kind == kind; });
}

FactResult all_of(std::initializer_list<FactResult> results) {
    FactResult all = FactResult::pass;
    for (const FactResult result : results) {
        if (result == FactResult::fail) return result;
        if (result == FactResult::unknown) all = result;
    }
    return all;
}

FactResult any_of(FactResult a, FactResult b) {
    if (a == FactResult::pass || b == FactResult::pass) return FactResult::pass;
    return a == FactResult::unknown ? a : b;
}

// Of DKIM one good signature is enough; all addresses must be in order. Without such facts nothing is known.
FactResult result_of(const Diagnosis& diagnosis, FactKind kind) {
    std::optional<FactResult> result;
    for (const Fact& fact : diagnosis.facts) {
        if (fact.kind != kind) continue;
        if (!result)
            result = fact.result;
        else
            result = kind == FactKind::dkim ? any_of(*result, fact.result) : all_of({*result, fact.result});
    }
    return result.value_or(FactResult::unknown);
}

// What a demand is about, for the words.
struct Demand {
    std::string_view name;
    FactResult result;
};

FactResult together(const std::vector<Demand>& demands) {
    FactResult all = FactResult::pass;
    for (const Demand& demand : demands) all = all_of({all, demand.result});
    return all;
}

std::string lacking(const std::vector<Demand>& demands) {
    std::string failing, open;
    for (const Demand& demand : demands) {
        std::string& list = demand.result == FactResult::fail ? failing : open;
        if (demand.result != FactResult::pass) list += (list.empty() ? "" : ", ") + std::string(demand.name);
    }
    return failing + (failing.empty() || open.empty() ? "" : "; ") + (open.empty() ? "" : "not known: " + open);
}

std::string text_of(const json::object& object, const char* key) {
    const json::value* const value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::int64_t number_of(const json::object& object, const char* key) {
    const json::value* const value = object.if_contains(key);
    return value != nullptr && value->is_int64() ? value->as_int64() : 0;
}

bool flag_of(const json::object& object, const char* key) {
    const json::value* const value = object.if_contains(key);
    return value != nullptr && value->is_bool() && value->as_bool();
}

Result<Fact> fact_from(const json::value& value) {
    if (!value.is_object()) return Error{"a fact of a diagnosis is no object"};
    const json::object& object = value.as_object();
    const auto kind =
        std::find_if(kKinds.begin(), kKinds.end(), [&](const KindWords& words) { return words.word == text_of(object, "kind"); });
    if (kind == kKinds.end()) return Error{"a diagnosis has a fact of the unknown kind \"", text_of(object, "kind"), "\""};
    Fact fact;
    fact.kind = kind->kind;
    const std::string result = text_of(object, "result");
    if (result != "pass" && result != "fail" && result != "unknown")
        return Error{"a diagnosis has a fact with the unknown result \"", result, "\""};
    fact.result = result == "pass" ? FactResult::pass : result == "fail" ? FactResult::fail : FactResult::unknown;
    fact.subject = text_of(object, "subject");
    fact.detail = text_of(object, "detail");
    fact.repair = text_of(object, "repair");
    fact.record = text_of(object, "record");
    fact.at_authority = flag_of(object, "at_authority");
    fact.at_resolver = flag_of(object, "at_resolver");
    fact.ttl = std::chrono::seconds(number_of(object, "ttl"));
    return fact;
}

}  // namespace

std::string_view to_string(FactResult result) {
    switch (result) {
        case FactResult::pass:
            return "pass";
        case FactResult::fail:
            return "fail";
        case FactResult::unknown:
            break;
    }
    return "unknown";
}

std::string_view to_string(FactKind kind) {
    return words_of(kind).word;
}

Standing standing_with(std::string_view provider, const Diagnosis& diagnosis) {
    const auto result = [&](FactKind kind) { return result_of(diagnosis, kind); };
    const FactResult spf = result(FactKind::spf), dkim = result(FactKind::dkim);
    const Demand either = {"SPF or DKIM", any_of(spf, dkim)}, name = {"reverse DNS", result(FactKind::ptr)};
    const Demand exists = {"the sender's domain", result(FactKind::sender_domain)};
    const std::vector<Demand> proofs = {
        {"SPF", spf}, {"DKIM", dkim}, {"a DMARC record", result(FactKind::dmarc)}, {"alignment", result(FactKind::alignment)}};
    std::vector<Demand> everyone, bulk = proofs;
    if (provider == "google") {  // PR-1, PR-2; PR-8, PR-9
        everyone = {either, name};
        bulk.push_back(name);
    } else if (provider == "yahoo") {  // PR-16 to PR-18
        everyone = {either, name, exists};
        bulk.insert(bulk.end(), {name, exists});
    } else if (provider == "microsoft" || provider == "outlook" || provider == "m365") {  // PR-26, PR-28
        everyone = {name};
        bulk.push_back(name);
    } else if (provider == "apple") {  // PR-31
        everyone = {name};
        bulk.push_back(name);
    } else if (
        provider ==
        "docomo") {  // PR-32: of each sender; an SPF record of From's domain, which MAIL FROM's is where there is no fact of its own
        const bool apart = std::any_of(diagnosis.facts.begin(), diagnosis.facts.end(),
                                       [](const Fact& fact) { return fact.kind == FactKind::spf_from; });
        everyone = {{"DMARC", all_of({result(FactKind::dmarc), result(FactKind::alignment)})},
                    {"SPF of From's domain", apart ? result(FactKind::spf_from) : spf},
                    exists};
        bulk = everyone;
    } else {
        everyone = {either, name};
        bulk.push_back(name);
    }
    Standing standing;
    standing.provider = provider;
    standing.everyone = together(everyone);
    standing.bulk = together(bulk);
    if (standing.bulk == FactResult::pass && standing.everyone == FactResult::pass)
        standing.words = "nothing is missing";
    else if (standing.everyone == FactResult::pass)
        standing.words = std::string("enough for few messages; for many ") + (standing.bulk == FactResult::fail ? "are missing: " : "is ") + lacking(bulk);
    else
        standing.words =
            (standing.everyone == FactResult::fail ? "missing: " : "") + lacking(everyone) + (standing.bulk == FactResult::pass ? "" : "; for many messages: " + lacking(bulk));
    return standing;
}

std::vector<Standing> standings(const Diagnosis& diagnosis) {
    std::vector<Standing> all;
    for (const std::string_view provider : {"google", "yahoo", "microsoft", "apple", "docomo"})
        all.push_back(standing_with(provider, diagnosis));
    return all;
}

std::string summary_of(const std::vector<Fact>& facts) {
    std::string failing, open;
    std::vector<std::string_view> passing;
    for (const Fact& fact : facts) {
        const std::string_view name = words_of(fact.kind).name;
        if (fact.result == FactResult::fail)
            failing += fmt::format("{}{} fails for {}", failing.empty() ? "" : ", ", name, fact.subject);
        if (fact.result == FactResult::unknown) open += fmt::format("{}{} for {}", open.empty() ? "" : ", ", name, fact.subject);
        const bool alone = std::none_of(facts.begin(), facts.end(), [&](const Fact& other) {
            return other.kind == fact.kind && other.result != FactResult::pass;
        });
        if (alone && std::find(passing.begin(), passing.end(), name) == passing.end()) passing.push_back(name);
    }
    std::string good;
    for (const std::string_view name : passing) good += fmt::format("{}{}", good.empty() ? "" : ", ", name);
    if (!good.empty())
        good += passing.size() == 1 && failing.empty() && open.empty() ? " passes"
                : failing.empty() && open.empty()                      ? " all pass"
                                                                       : " in order";
    std::string summary = failing;
    if (!open.empty()) summary += fmt::format("{}not known: {}", summary.empty() ? "" : "; ", open);
    if (!good.empty()) summary += fmt::format("{}{}", summary.empty() ? "" : "; ", good);
    return summary;
}

std::string to_text(const Diagnosis& diagnosis) {
    std::string text;
    for (const Fact& fact : diagnosis.facts) {
        text += fmt::format("{:<8} {} ({}): {}\n",
                            fact.result == FactResult::pass   ? "ok"
                            : fact.result == FactResult::fail ? "FAILS"
                                                              : "unknown",
                            words_of(fact.kind).name, fact.subject, fact.detail);
        if (!fact.repair.empty()) text += fmt::format("         To do: {}\n", fact.repair);
        // From the margin: in a zone file, what begins with a blank belongs to the name before (RFC 1035 s5.1).
        if (!fact.record.empty()) text += fact.record + '\n';
    }
    return text;
}

std::string headline(const Diagnosis& diagnosis) {
    std::vector<std::string_view> failing, open;
    for (const Fact& fact : diagnosis.facts) {
        if (fact.result == FactResult::pass) continue;
        std::vector<std::string_view>& list = fact.result == FactResult::fail ? failing : open;
        const std::string_view name = words_of(fact.kind).name;
        if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
    }
    const std::string unknown = open.empty() ? std::string() : fmt::format("not known: {}", fmt::join(open, ", "));
    if (!failing.empty())
        return fmt::format("{} {}{}{}", fmt::join(failing, ", "), failing.size() == 1 ? "fails" : "fail", open.empty() ? "" : "; ", unknown);
    if (diagnosis.facts.empty()) return "nothing is known";
    return open.empty() ? std::string("all is in order") : "nothing fails; " + unknown;
}

json::object to_json(const Diagnosis& diagnosis) {
    json::array facts;
    for (const Fact& fact : diagnosis.facts)
        facts.push_back(json::object{{"kind", to_string(fact.kind)},
                                     {"result", to_string(fact.result)},
                                     {"subject", fact.subject},
                                     {"detail", fact.detail},
                                     {"repair", fact.repair},
                                     {"record", fact.record},
                                     {"at_authority", fact.at_authority},
                                     {"at_resolver", fact.at_resolver},
                                     {"ttl", fact.ttl.count()}});
    return json::object{
        {"at", diagnosis.at.time_since_epoch().count()}, {"summary", diagnosis.summary}, {"facts", std::move(facts)}};
}

Result<Diagnosis> diagnosis_from_json(std::string_view text) {
    boost::system::error_code ec;
    const json::value value = json::parse(json::string_view(text.data(), text.size()), ec);
    if (ec || !value.is_object()) return Error{"a diagnosis is no JSON object"};
    const json::object& object = value.as_object();
    Diagnosis diagnosis;
    diagnosis.at = TimePoint(Duration(number_of(object, "at")));
    diagnosis.summary = text_of(object, "summary");
    const json::value* const facts = object.if_contains("facts");
    if (facts == nullptr || !facts->is_array()) return Error{"a diagnosis has no list of facts"};
    for (const json::value& one : facts->as_array()) {
        Result<Fact> fact = fact_from(one);
        if (!fact) return fact.error();
        diagnosis.facts.push_back(std::move(*fact));
    }
    return diagnosis;
}

}  // namespace posthorn::delivery
