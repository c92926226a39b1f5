// The words for suspended pairs.
#include "delivery/suspended_pair.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "delivery/diagnosis.hpp"

namespace posthorn::delivery {
namespace {

// What has to be put right, of the causes.
std::string what_is_missing(const Causes& causes) {
    std::string text;
    const auto add = [&](Cause cause, std::string_view words) {
        if (!causes.has(cause)) return;
        if (!text.empty()) text += causes.all_needed ? " and " : " or ";
        text += words;
    };
    add(Cause::spf, "SPF");
    add(Cause::dkim, "DKIM");
    add(Cause::dmarc, "DMARC");
    add(Cause::alignment, "alignment");
    add(Cause::ptr, "reverse DNS");
    add(Cause::helo, "EHLO name");
    add(Cause::sender_domain, "sender domain's DNS");
    return text.empty() ? "authentication" : text;
}

}  // namespace

std::string_view to_string(SuspensionReason reason) {
    switch (reason) {
        case SuspensionReason::auth: return "auth";
        case SuspensionReason::rep: return "rep";
        case SuspensionReason::by_operator: return "operator";
    }
    return "auth";
}

std::string_view to_string(SuspensionPhase phase) {
    switch (phase) {
        case SuspensionPhase::held: return "held";
        case SuspensionPhase::probing: return "probing";
        case SuspensionPhase::trial: return "trial";
        case SuspensionPhase::releasing: return "releasing";
    }
    return "held";
}

std::string SuspendedPair::name() const {
    if (!sender.empty()) return sender + " at " + group;
    return (source == "default" ? "this machine" : source) + " at " + group;
}

std::string SuspendedPair::what_dns_shows() const {
    if (!diagnosis || reason == SuspensionReason::by_operator) return {};
    Diagnosis concerned;
    concerned.at = diagnosis->at;
    for (const Fact& fact : diagnosis->facts)
        if (concerns(causes, fact.kind)) concerned.facts.push_back(fact);
    return concerned.facts.empty() ? to_text(*diagnosis) : to_text(concerned);
}

bool SuspendedPair::repair_seen() const {
    return reason == SuspensionReason::auth && holds() && !unexplained && diagnosis && !explains(*diagnosis, causes) &&
           (next_probe || phase != SuspensionPhase::held);
}

bool SuspendedPair::undecided() const {
    return diagnosis && std::any_of(diagnosis->facts.begin(), diagnosis->facts.end(), [this](const Fact& fact) {
               return fact.result == FactResult::unknown && concerns(causes, fact.kind);
           });
}

std::string SuspendedPair::sentence() const {
    const std::string whose = !sender.empty() ? "mail of " + sender : source == "default" ? "this machine's mail" : "mail from " + source;
    if (phase == SuspensionPhase::releasing) return fmt::format("{} takes {} again, a little at a time", group, whose);
    switch (reason) {
        case SuspensionReason::auth:
            if (unexplained)
                return fmt::format("{} refuses {} for its {}, {}; one message probes now and then", group, whose, what_is_missing(causes),
                                   undecided() ? "and whether DNS is the cause is not known" : "though DNS shows nothing wrong");
            if (repair_seen())
                return fmt::format("{} refused {} for its {}; DNS is in order now, and one message goes ahead as a probe", group, whose,
                                   what_is_missing(causes));
            return fmt::format("{} refuses {} until its {} is repaired", group, whose, what_is_missing(causes));
        case SuspensionReason::rep:
            return fmt::format("{} refuses {} for its reputation{}", group, whose, link.empty() ? "" : "; see " + link);
        case SuspensionReason::by_operator:
            return fmt::format("{} to {} was suspended by the operator{}", whose, group, reply.empty() ? "" : " (" + reply + ")");
    }
    return {};
}

}  // namespace posthorn::delivery
