// What a diagnosis means for a refusal, before and after.
#include "delivery/diagnosis.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

#include "delivery/judgement.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::array<Cause, 7> kNamedCauses = {Cause::spf, Cause::dkim,          Cause::dmarc, Cause::alignment,
                                               Cause::ptr, Cause::sender_domain, Cause::helo};

// What a cause demands. Of an unknown one: everything that receivers look at.
std::vector<FactKind> kinds_of(Cause cause) {
    switch (cause) {
        case Cause::spf:
            return {FactKind::spf};
        case Cause::dkim:
            return {FactKind::dkim};
        case Cause::dmarc:  // "has no record", and "does not pass"
            return {FactKind::dmarc, FactKind::alignment};
        case Cause::alignment:
            return {FactKind::alignment};
        case Cause::ptr:
            return {FactKind::ptr};
        case Cause::sender_domain:
            return {FactKind::sender_domain};
        case Cause::helo:
            return {FactKind::helo};
        case Cause::dns_temporary:
        case Cause::unknown:
            break;
    }
    return {FactKind::spf, FactKind::dkim, FactKind::dmarc, FactKind::alignment, FactKind::ptr};
}

bool is_named(const Causes& causes) {
    return std::any_of(kNamedCauses.begin(), kNamedCauses.end(), [&](Cause cause) { return causes.has(cause); });
}

std::vector<Cause> causes_in(const Causes& causes) {
    std::vector<Cause> list;
    std::copy_if(kNamedCauses.begin(), kNamedCauses.end(), std::back_inserter(list),
                 [&](Cause cause) { return causes.has(cause); });
    if (list.empty()) list.push_back(Cause::unknown);
    return list;
}

// The best of the facts of one kind; nothing: there are none.
std::optional<FactResult> best_of(const Diagnosis& diagnosis, FactKind kind) {
    std::optional<FactResult> best;
    for (const Fact& fact : diagnosis.facts) {
        if (fact.kind != kind) continue;
        if (!best || fact.result == FactResult::pass || (fact.result == FactResult::unknown && *best == FactResult::fail))
            best = fact.result;
    }
    return best;
}

bool fails(const Diagnosis& diagnosis, Cause cause) {
    const std::vector<FactKind> kinds = kinds_of(cause);
    return std::any_of(kinds.begin(), kinds.end(), [&](FactKind kind) { return best_of(diagnosis, kind) == FactResult::fail; });
}

const Fact* same_fact(const Diagnosis& diagnosis, const Fact& fact) {
    const auto found = std::find_if(diagnosis.facts.begin(), diagnosis.facts.end(),
                                    [&](const Fact& other) { return other.kind == fact.kind && other.subject == fact.subject; });
    return found == diagnosis.facts.end() ? nullptr : &*found;
}

// It passes at the zone's servers, and others may still have the answer from before.
bool is_on_its_way(const Fact& fact) {
    return fact.result == FactResult::pass && !fact.at_resolver && fact.ttl > std::chrono::seconds(0);
}

bool came_to_pass(const Fact& was, TimePoint then, const Fact& is, TimePoint now) {
    if (was.result != FactResult::fail && !is_on_its_way(was)) return false;
    return is.result == FactResult::pass && (is.at_resolver || then + was.ttl <= now);
}

}  // namespace

bool concerns(const Causes& causes, FactKind kind) {
    const std::vector<Cause> list = causes_in(causes);
    return std::any_of(list.begin(), list.end(), [&](Cause cause) {
        const std::vector<FactKind> kinds = kinds_of(cause);
        return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
    });
}

bool explains(const Diagnosis& diagnosis, const Causes& causes) {
    const std::vector<Cause> list = causes_in(causes);
    const auto failing = [&](Cause cause) { return fails(diagnosis, cause); };
    return causes.all_needed ? std::any_of(list.begin(), list.end(), failing) : std::all_of(list.begin(), list.end(), failing);
}

bool repaired(const Diagnosis& before, const Diagnosis& now, const Causes& causes) {
    const bool better = std::any_of(now.facts.begin(), now.facts.end(), [&](const Fact& fact) {
        const Fact* const was = same_fact(before, fact);
        return concerns(causes, fact.kind) && was != nullptr && came_to_pass(*was, before.at, fact, now.at);
    });
    // Where nobody said what was wrong, anything that got better is worth a try.
    return better && (!is_named(causes) || !explains(now, causes));
}

}  // namespace posthorn::delivery
