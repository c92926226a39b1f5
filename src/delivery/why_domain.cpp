// The answers of `posthorn why` about a domain and about a provider.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/utc.hpp"
#include "delivery/diagnosis.hpp"
#include "delivery/provider_rules.hpp"
#include "delivery/why_parts.hpp"
#include "delivery/why_words.hpp"

namespace posthorn::delivery {
namespace json = boost::json;
namespace {

json::array limits_json(const WhyFacts& facts) {
    json::array all;
    for (const SuspendedPair& pair : facts.pairs) {
        json::object one;
        one["kind"] = "suspension";
        one["words"] = clean(pair.sentence());
        one["pair"] = clean(pair.name());
        one["cause"] = to_string(pair.reason);
        one["phase"] = to_string(pair.phase);
        one["since"] = utc_text(pair.since);
        one["until"] = time_json(pair.until);
        one["next_probe"] = time_json(pair.next_probe);
        one["next_poll"] = time_json(pair.next_poll);
        one["reply"] = clean(pair.verbatim.empty() ? pair.reply : pair.verbatim);
        one["advice"] = clean(pair.advice);
        one["link"] = clean(pair.link);
        one["detail"] = pair.diagnosis ? clean(to_text(*pair.diagnosis)) : std::string();
        one["gate"] = clean(pair.key);
        all.push_back(std::move(one));
    }
    for (const ThrottleView& throttle : facts.throttles) {
        json::object one;
        one["kind"] = "throttle";
        one["words"] = clean(fmt::format("{} is slowed down{}", throttle.what, throttle.meaning.empty() ? "" : ": " + throttle.meaning));
        one["phase"] = to_string(throttle.phase);
        one["since"] = utc_text(throttle.since);
        one["until"] = throttle.until > facts.now ? json::value(utc_text(throttle.until)) : json::value(nullptr);
        one["reply"] = clean(throttle.reply);
        one["next"] = clean(throttle.next);
        one["gate"] = clean(throttle.key);
        all.push_back(std::move(one));
    }
    for (const WarmUpView& plan : facts.warm_ups) {
        json::object one;
        one["kind"] = "warm-up";
        one["words"] = clean(fmt::format("{}: {} of today's {} sent", plan.what, plan.sent, plan.cap));
        one["since"] = utc_text(plan.begun);
        one["next"] = clean(plan.next);
        one["gate"] = clean(plan.key);
        all.push_back(std::move(one));
    }
    for (const BulkMarkView& mark : facts.marks) {
        json::object one;
        one["kind"] = "bulk-mark";
        one["words"] = clean(fmt::format("{} took {} of {} in 24 hours; from {} on it counts as a bulk sender", mark.provider,
                                         count_words(mark.sent, "message"), mark.domain, mark.mark));
        one["since"] = time_json(mark.reached);
        one["gate"] = "";
        all.push_back(std::move(one));
    }
    return all;
}

json::object counts_json(const queue::TallyCounts& counts) {
    json::object out;
    out["delivered"] = counts.delivered;
    out["deferred"] = counts.deferred;
    out["failed"] = counts.failed;
    return out;
}

}  // namespace

void answer_domain(json::object& out, const WhyFacts& facts) {
    std::string sentence;
    json::array waiting = oldest_json(facts, sentence);
    const std::string who = one_line(facts.asked);
    const std::uint64_t to_it = facts.waiting ? facts.waiting->recipients : 0;
    const std::uint64_t from_it = facts.sent_from ? facts.sent_from->recipients : 0;
    const bool sender = facts.own_domain || from_it > 0 || !facts.pairs.empty();
    const bool recipient = to_it > 0 || !facts.journal.empty();
    out["known"] = sender || recipient;
    json::array roles;
    if (sender) roles.emplace_back("sender");
    if (recipient) roles.emplace_back("recipient");
    out["roles"] = std::move(roles);
    std::string answer;
    const auto held = std::find_if(facts.pairs.begin(), facts.pairs.end(), [](const SuspendedPair& pair) { return pair.holds(); });
    if (sender) {
        const std::string what = facts.own_domain ? "one of our domains" : "a domain of senders";
        if (held != facts.pairs.end()) answer = fmt::format("{} is {}, and {}", who, what, held->sentence());
        else answer = fmt::format("{} is {}, and nothing is held against it", who, what);
        answer += fmt::format("; {} of its mail wait{}", count_words(from_it, "recipient"), from_it == 1 ? "s" : "");
    }
    if (recipient) {
        answer += answer.empty() ? who + ": " : ". As a recipient: ";
        if (to_it == 0) answer += fmt::format("no mail to it waits; the last message {}", gone_sentence(facts.journal.front(), facts.now));
        else answer += fmt::format("{} wait{}; the oldest {}", count_words(to_it, "message"), to_it == 1 ? "s" : "", sentence);
    }
    if (answer.empty())
        answer = fmt::format("Nothing is known of {}: {}", who,
                             searched(facts, "it is none of our domains, no mail from it or to it is in the queue"));
    out["answer"] = clean(answer + ".");
    out["sender"] = sender ? json::value(facts.sent_from ? figures_json(*facts.sent_from) : json::object()) : json::value(nullptr);
    out["waiting"] = facts.waiting ? json::value(figures_json(*facts.waiting)) : json::value(nullptr);
    out["oldest"] = std::move(waiting);
    out["limits"] = limits_json(facts);
    out["lately"] = lately_json(facts);
    add_transcript(out, facts);
}

void answer_provider(json::object& out, const WhyFacts& facts) {
    const std::string who = one_line(facts.asked);
    std::uint64_t waiting = 0;
    json::array domains;
    std::vector<std::pair<std::uint64_t, std::string>> ordered;
    for (const auto& [domain, count] : facts.domains) {
        waiting += count;
        ordered.emplace_back(count, domain);
    }
    std::stable_sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [count, domain] : ordered) {
        json::object one;
        one["domain"] = clean(domain);
        one["recipients"] = count;
        domains.push_back(std::move(one));
    }
    std::set<std::string> senders;
    bool machine = false;
    for (const SuspendedPair& pair : facts.pairs) {
        if (!pair.holds()) continue;
        if (pair.sender.empty()) machine = true;
        else senders.insert(pair.sender);
    }
    out["known"] = facts.known_provider;
    if (!facts.known_provider) {
        out["answer"] = clean(fmt::format("Nothing is known of {}: no provider's rule has that name, no mail waits for it, nothing limits it, and the "
                                          "journal has no delivery to it; `posthorn status` names those that there are.", who));
    } else {
        const std::vector<std::string> members = members_of(*facts.rules, facts.asked);
        std::string answer = members.empty() ? who : fmt::format("{} ({})", who, one_line(fmt::format("{}", fmt::join(members, ", "))));
        answer += fmt::format(": {} wait{}", count_words(waiting, "recipient"), waiting == 1 ? "s" : "");
        if (const std::string held = held_words(senders.size(), machine); !held.empty()) answer += fmt::format("; {} is held", held);
        if (!facts.throttles.empty()) answer += "; it wants less mail at a time";
        const queue::TallyCounts& hour = facts.tally.recent;
        const std::uint64_t tried = hour.delivered + hour.deferred + hour.failed;
        answer += tried == 0 ? std::string("; no delivery in the last hour")
                             : fmt::format("; in the last hour {} of {} went through", hour.delivered, count_words(tried, "attempt"));
        out["answer"] = clean(answer + ".");
    }
    out["waiting"] = waiting;
    out["domains"] = std::move(domains);
    out["limits"] = limits_json(facts);
    out["hour"] = counts_json(facts.tally.recent);
    out["day"] = counts_json(facts.tally.all);
    json::array members;
    for (const std::string& member : members_of(*facts.rules, facts.asked)) members.emplace_back(clean(member));
    out["members"] = std::move(members);
    json::value provider = nullptr;
    if (const ProviderOptions* options = facts.rules->provider(facts.asked)) {
        json::object one;
        one["connections"] = options->connections;
        one["messages_per_connection"] = options->messages_per_connection;
        provider = std::move(one);
    }
    out["provider"] = std::move(provider);
    out["lately"] = lately_json(facts);
    add_transcript(out, facts);
}

std::vector<std::string> members_of(const ProviderRules& rules, std::string_view family) {
    std::vector<std::string> members;
    for (const ProviderOptions& provider : rules.providers())
        if (!provider.family.empty() && provider.family == family) members.push_back(provider.name);
    return members;
}

bool is_asked_about(const WhyFacts& facts, std::string_view group) {
    if (group == facts.asked) return true;
    const ProviderOptions* provider = facts.rules->provider(group);
    return provider != nullptr && !provider->family.empty() && provider->family == facts.asked;
}

}  // namespace posthorn::delivery
