// The answer as JSON, with the sentence that answers the question.
#include "delivery/why.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "base/utc.hpp"
#include "delivery/diagnosis.hpp"
#include "delivery/provider_rules.hpp"
#include "delivery/reply_rule.hpp"
#include "delivery/why_words.hpp"
#include "mail/address.hpp"

namespace posthorn::delivery {
namespace {

namespace json = boost::json;
using queue::JournalEntry;
using queue::QueueEntry;
using queue::Recipient;

constexpr std::size_t kMostHistory = 20;   // of a recipient

// JSON is UTF-8; replies may hold any octets.
std::string clean(const std::string& words) { return text::is_utf8(words) ? words : text::safe_for_log(words, words.size() * 4 + 1); }

json::value time_json(std::optional<TimePoint> when) { return when ? json::value(utc_text(*when)) : json::value(nullptr); }

json::object obstacle_json(const Obstacle& one) {
    json::object out;
    out["kind"] = one.kind;
    out["words"] = clean(one.words);
    out["since"] = time_json(one.since);
    out["until"] = time_json(one.until);
    out["end"] = clean(one.end);
    out["advice"] = clean(one.advice);
    out["detail"] = clean(one.detail);
    out["gate"] = clean(one.key);
    return out;
}

// What is known of the rule that judged the reply.
json::object rule_json(const WhyFacts& facts, std::string_view failure_class, const std::string& rule) {
    json::object out;
    out["class"] = failure_class;
    out["class_meaning"] = class_meaning(failure_class);
    out["rule"] = clean(rule);
    std::string meaning(class_meaning(failure_class)), advice(class_advice(failure_class)), link;
    for (const ReplyRule& known : facts.rules->rules()) {
        if (rule.empty() || known.name != rule) continue;
        if (!known.meant.meaning.empty()) meaning = known.meant.meaning;
        if (!known.meant.advice.empty()) advice = known.meant.advice;
        link = known.meant.link;
        break;
    }
    out["meaning"] = clean(meaning);
    out["advice"] = clean(advice);
    out["link"] = clean(link);
    return out;
}

json::object history_json(const JournalEntry& entry) {
    json::object out;
    out["at"] = utc_text(entry.at);
    out["event"] = entry.event;
    out["attempts"] = entry.attempts;
    out["class"] = entry.failure_class;
    out["rule"] = clean(entry.rule);
    out["group"] = clean(entry.group);
    out["host"] = clean(entry.host);
    out["reply"] = clean(entry.reply);
    return out;
}

const JournalEntry* newest_of(const WhyFacts& facts, QueueId message, std::string_view address) {
    for (const JournalEntry& entry : facts.journal)
        if (entry.message == message && text::iequals(entry.to, address)) return &entry;
    return nullptr;
}

json::array history_of(const WhyFacts& facts, QueueId message, std::string_view address) {
    json::array all;
    for (const JournalEntry& entry : facts.journal)
        if (entry.message == message && text::iequals(entry.to, address) && all.size() < kMostHistory) all.push_back(history_json(entry));
    return all;
}

const WayNow* way_of(const WhyFacts& facts, const Recipient& recipient) {
    const std::string domain = mail::destination_of(recipient.address);
    for (const WayNow& way : facts.ways)
        if (way.domain == domain && way.lane == recipient.lane) return &way;
    return nullptr;
}

// "waits: google refuses mail of example.com until its SPF or DKIM is repaired".
std::string waiting_sentence(const Recipient& recipient, const std::vector<Obstacle>& obstacles, const NextAttempt& next) {
    if (recipient.claimed && recipient.last_class != "bounced") return "is being delivered now";
    if (obstacles.empty()) return "waits for its turn, and nothing is in its way";
    const Obstacle& first = obstacles.front();
    if (first.kind == "given-up") return "was given up by an operator, and its sender is about to be told";
    if (first.kind == "schedule") return fmt::format("waits: {}; next try {}", first.words, next.words);
    return "waits: " + first.words;
}

// What a sender's or our authentication holds back is given up sooner than the message's own time (retry.auth_lifetime, PR-48).
std::optional<TimePoint> given_up_early(const WhyFacts& facts, const Recipient& recipient, const std::vector<Obstacle>& obstacles) {
    if (facts.auth_lifetime <= Duration(0)) return std::nullopt;
    for (const Obstacle& one : obstacles) {
        if (one.kind != "suspension" || !one.of_auth || !one.since) continue;
        const TimePoint from = recipient.last_class == "auth" ? recipient.due_at : std::max(recipient.due_at, *one.since);
        return std::min(from + facts.auth_lifetime, recipient.expires_at);
    }
    return std::nullopt;
}

json::object recipient_json(const WhyFacts& facts, const QueueEntry& entry, const Recipient& recipient, std::string& sentence) {
    const WayNow* way = way_of(facts, recipient);
    const std::vector<Obstacle> obstacles = obstacles_of(entry, recipient, way, facts);
    const NextAttempt next = next_attempt_of(entry, recipient, obstacles, facts);
    sentence = waiting_sentence(recipient, obstacles, next);
    json::object out;
    out["address"] = clean(recipient.address);
    out["state"] = recipient.claimed                                       ? "delivering"
                   : recipient.state == queue::RecipientState::held        ? "held"
                   : recipient.state == queue::RecipientState::suspended   ? "suspended"
                                                                           : "waiting";
    out["answer"] = clean(sentence);
    out["attempts"] = recipient.attempts;
    out["last_attempt"] = recipient.last_attempt == TimePoint{} ? json::value(nullptr) : json::value(utc_text(recipient.last_attempt));
    out["given_up"] = time_json(given_up_early(facts, recipient, obstacles));
    json::object last;
    if (!recipient.last_class.empty() || !recipient.last_reply.empty()) {
        const JournalEntry* entry_of_it = newest_of(facts, entry.id, recipient.address);
        last = rule_json(facts, recipient.last_class, entry_of_it != nullptr ? entry_of_it->rule : std::string());
        last["reply"] = clean(recipient.last_reply);
        last["host"] = clean(recipient.last_host);
    }
    out["last"] = last.empty() ? json::value(nullptr) : json::value(std::move(last));
    if (!recipient.in_doubt.empty()) out["in_doubt"] = clean(recipient.in_doubt);
    json::array in_the_way;
    for (const Obstacle& one : obstacles) in_the_way.push_back(obstacle_json(one));
    out["in_the_way"] = std::move(in_the_way);
    json::object when;
    when["at"] = time_json(next.at);
    when["by"] = next.by;
    when["words"] = clean(next.words);
    out["next"] = std::move(when);
    json::object via;
    if (way != nullptr) {
        via["group"] = clean(way->group);
        via["provider"] = clean(way->provider);
        via["relay"] = clean(way->relay);
        json::array quirks;
        for (const std::string& one : way->quirks) quirks.emplace_back(clean(one));
        via["learnt"] = std::move(quirks);
    }
    out["way"] = via.empty() ? json::value(nullptr) : json::value(std::move(via));
    out["history"] = history_of(facts, entry.id, recipient.address);
    return out;
}

// The journal's {"text": ...}.
std::string diagnosis_of(const JournalEntry& entry) {
    boost::system::error_code failed;
    const json::value kept = entry.diagnosis.empty() ? json::value() : json::parse(entry.diagnosis, failed);
    const json::value* words = !failed && kept.is_object() ? kept.as_object().if_contains("text") : nullptr;
    return words != nullptr && words->is_string() ? std::string(words->as_string()) : std::string();
}

std::string gone_sentence(const JournalEntry& entry, TimePoint now) {
    const std::string when = fmt::format("{} ago ({})", span_words(now - entry.at), utc_text(entry.at));
    const std::string who = entry.host.empty() ? std::string() : fmt::format("; {} said: {}", one_line(entry.host), one_line(entry.reply));
    const std::string ours = entry.host.empty() && !entry.reply.empty() ? ": " + one_line(entry.reply) : who;
    if (entry.event == "delivered") return "was delivered " + when + ours;
    if (entry.event == "suppressed") return fmt::format("was not sent {}: {}{}", when, class_meaning("suppressed"), ours);
    if (entry.event == "failed") return fmt::format("failed {}: {}{}", when, class_meaning(entry.failure_class), ours);
    return "left the queue after it was put off " + when + ours + "; an operator deleted it, or the journal lacks its end";
}

// A recipient that is in the queue no longer, by his newest entry.
json::object gone_json(const WhyFacts& facts, const JournalEntry& entry, std::string& sentence) {
    sentence = gone_sentence(entry, facts.now);
    json::object out;
    out["address"] = clean(entry.to);
    out["state"] = entry.event == "deferred" ? "gone" : entry.event;
    out["answer"] = clean(sentence);
    out["attempts"] = entry.attempts;
    out["last_attempt"] = utc_text(entry.at);
    json::object last = entry.event == "delivered" ? json::object() : rule_json(facts, entry.failure_class, entry.rule);
    last["reply"] = clean(entry.reply);
    last["host"] = clean(entry.host);
    if (const std::string words = diagnosis_of(entry); !words.empty()) last["diagnosis"] = clean(words);
    out["last"] = std::move(last);
    out["in_the_way"] = json::array();
    out["next"] = nullptr;
    out["way"] = nullptr;
    out["history"] = history_of(facts, entry.message, entry.to);
    return out;
}

json::object message_json(const QueueEntry& entry) {
    json::object out;
    out["id"] = entry.id.to_string();
    out["from"] = clean(entry.reverse_path);
    out["accepted_at"] = utc_text(entry.accepted_at);
    out["expires_at"] = utc_text(entry.expires_at);
    out["size"] = entry.size;
    out["source"] = clean(entry.source);
    out["stream"] = clean(entry.stream);
    out["recipient_count"] = entry.recipient_count;
    return out;
}

// The newest session that somebody did not get his message in.
void add_transcript(json::object& out, const WhyFacts& facts) {
    for (const JournalEntry& entry : facts.journal) {
        if (entry.transcript.empty()) continue;
        json::object session;
        session["at"] = utc_text(entry.at);
        session["host"] = clean(entry.host);
        session["text"] = clean(entry.transcript);
        out["session"] = std::move(session);
        return;
    }
    out["session"] = nullptr;
}

json::value journal_json(const WhyFacts& facts) {
    json::object out;
    out["from"] = time_json(facts.journal_from);
    return out;
}

std::string searched(const WhyFacts& facts, std::string_view in_queue) {
    if (!facts.journal_from) return fmt::format("{}, and the journal is empty", in_queue);
    return fmt::format("{}, and the journal, which goes back to {}, has nothing of it", in_queue, utc_text(*facts.journal_from));
}

void answer_message(json::object& out, const WhyFacts& facts) {
    json::array recipients;
    std::set<std::string> present;
    std::string sentence;
    std::size_t waiting = 0;
    for (const QueueEntry& entry : facts.entries) {
        out["message"] = message_json(entry);
        for (const Recipient& recipient : entry.recipients) {
            std::string said;
            recipients.push_back(recipient_json(facts, entry, recipient, said));
            present.insert(text::to_lower(recipient.address));
            if (waiting++ == 0) sentence = said;
        }
    }
    if (!facts.entries.empty()) waiting = facts.entries.front().recipient_count;
    std::size_t gone = 0, delivered = 0;
    std::string first_gone;
    for (const JournalEntry& entry : facts.journal) {
        if (!present.insert(text::to_lower(entry.to)).second) continue;
        std::string said;
        recipients.push_back(gone_json(facts, entry, said));
        if (gone++ == 0) first_gone = fmt::format("to {} {}", one_line(entry.to), said);
        delivered += entry.event == "delivered" ? 1 : 0;
        if (facts.entries.empty() && out.if_contains("message") == nullptr) {
            QueueEntry shown;
            shown.id = entry.message;
            shown.reverse_path = entry.from;
            shown.accepted_at = entry.at - entry.delay;
            shown.source = entry.source;
            shown.stream = entry.stream;
            json::object message = message_json(shown);
            message["expires_at"] = nullptr;
            message["size"] = nullptr;
            message["recipient_count"] = 0;
            out["message"] = std::move(message);
        }
    }
    out["known"] = waiting + gone > 0;
    if (waiting + gone == 0) {
        out["answer"] = fmt::format("Nothing is known of message {}: {}.", facts.asked, searched(facts, "it is not in the queue"));
    } else if (waiting == 1 && gone == 0) {
        out["answer"] = clean(fmt::format("Message {} {}.", facts.asked, sentence));
    } else if (waiting > 0) {
        const std::string others = gone == 0 ? std::string() : fmt::format(", {} of {} that left it went through", delivered, gone);
        out["answer"] = clean(fmt::format("Message {}: {} in the queue{}; the first {}.", facts.asked, count_words(waiting, "recipient"), others, sentence));
    } else if (gone == 1) {
        out["answer"] = clean(fmt::format("Message {} {}.", facts.asked, first_gone));
    } else if (delivered == gone) {
        out["answer"] = fmt::format("Message {} was delivered to all of its {}.", facts.asked, count_words(gone, "recipient"));
    } else {
        out["answer"] = fmt::format("Message {} has left the queue: delivered to {} of {}.", facts.asked, delivered, count_words(gone, "recipient"));
    }
    out["recipients"] = std::move(recipients);
    add_transcript(out, facts);
}

json::object figures_json(const queue::LookedUp& figures) {
    json::object out, classes;
    out["recipients"] = figures.recipients;
    out["held"] = figures.held;
    out["suspended"] = figures.suspended;
    for (const auto& [name, count] : figures.by_class) classes[name.empty() ? "not-tried" : name] = count;
    out["by_class"] = std::move(classes);
    out["complete"] = figures.complete;
    return out;
}

// What waits, of a recipient or domain: the oldest with all that is in their way. `sentence`: of the first.
json::array oldest_json(const WhyFacts& facts, std::string& sentence) {
    json::array all;
    for (const QueueEntry& entry : facts.entries) {
        for (const Recipient& recipient : entry.recipients) {
            std::string said;
            json::object one = recipient_json(facts, entry, recipient, said);
            one["message"] = message_json(entry);
            if (all.empty()) sentence = said;
            all.push_back(std::move(one));
        }
    }
    return all;
}

json::array lately_json(const WhyFacts& facts) {
    json::array all;
    for (const JournalEntry& entry : facts.journal) {
        json::object one = history_json(entry);
        one["message"] = entry.message.to_string();
        one["from"] = clean(entry.from);
        one["to"] = clean(entry.to);
        all.push_back(std::move(one));
    }
    return all;
}

// docs/SUPPRESSION.md: the list stops what `[suppression] mail` says.
std::string suppressed_sentence(const WhyFacts& facts, const std::string& who) {
    const std::string& name = facts.suppressed->failure_class;
    const std::string since = fmt::format("the address has been on the suppression list for {} ({})", span_words(facts.now - facts.suppressed->since),
                                          class_of(name) ? std::string(class_meaning(name)) : one_line(name));
    switch (facts.suppressed_mail) {
        case SuppressedMail::all: return fmt::format("No mail is sent to {}: {}.", who, since);
        case SuppressedMail::streams:
            return fmt::format("List mail to {} is not sent: {}; letters are, as [suppression] mail is \"streams\".", who, since);
        case SuppressedMail::off: break;
    }
    return fmt::format("Mail to {} is sent, as [suppression] mail is \"off\"; {}.", who, since);
}

void answer_recipient(json::object& out, const WhyFacts& facts) {
    std::string sentence;
    json::array waiting = oldest_json(facts, sentence);
    const std::uint64_t count = facts.waiting ? facts.waiting->recipients : 0;
    out["known"] = count > 0 || !facts.journal.empty() || facts.suppressed.has_value();
    const std::string who = one_line(facts.asked);
    std::string answer;
    if (count > 0) {
        answer = fmt::format("{} for {} wait{}; the oldest {}.", count_words(count, "message"), who, count == 1 ? "s" : "", sentence);
        if (count == 1) answer = fmt::format("1 message for {} {}.", who, sentence);
    } else if (facts.suppressed) {
        answer = suppressed_sentence(facts, who);
    } else if (!facts.journal.empty()) {
        answer = fmt::format("Nothing for {} waits; the last message {}.", who, gone_sentence(facts.journal.front(), facts.now));
    } else {
        answer = fmt::format("Nothing is known of {}: {}.", who, searched(facts, "no mail to it is in the queue, it is not suppressed"));
    }
    out["answer"] = clean(answer);
    out["waiting"] = facts.waiting ? json::value(figures_json(*facts.waiting)) : json::value(nullptr);
    out["oldest"] = std::move(waiting);
    json::object suppressed;
    if (facts.suppressed) {
        suppressed["since"] = utc_text(facts.suppressed->since);
        suppressed["class"] = clean(facts.suppressed->failure_class);
        suppressed["reply"] = clean(facts.suppressed->reply);
        suppressed["advice"] = "`posthorn suppression remove " + clean(facts.asked) + "` takes it off the list";
    }
    out["suppressed"] = suppressed.empty() ? json::value(nullptr) : json::value(std::move(suppressed));
    out["lately"] = lately_json(facts);
    add_transcript(out, facts);
}

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

json::object counts_json(const queue::TallyCounts& counts) {
    json::object out;
    out["delivered"] = counts.delivered;
    out["deferred"] = counts.deferred;
    out["failed"] = counts.failed;
    return out;
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
    const std::size_t held = static_cast<std::size_t>(
        std::count_if(facts.pairs.begin(), facts.pairs.end(), [](const SuspendedPair& pair) { return pair.holds(); }));
    out["known"] = facts.known_provider;
    if (!facts.known_provider) {
        out["answer"] = clean(fmt::format("Nothing is known of {}: no provider's rule has that name, no mail waits for it, nothing limits it, and the "
                                          "journal has no delivery to it; `posthorn status` names those that there are.", who));
    } else {
        const std::vector<std::string> members = members_of(*facts.rules, facts.asked);
        std::string answer = members.empty() ? who : fmt::format("{} ({})", who, one_line(fmt::format("{}", fmt::join(members, ", "))));
        answer += fmt::format(": {} wait{}", count_words(waiting, "recipient"), waiting == 1 ? "s" : "");
        if (held > 0) answer += fmt::format("; it refuses the mail of {} of ours", count_words(held, "sender"));
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

}  // namespace

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

json::object why_json(const WhyFacts& facts) {
    constexpr std::array kKinds = {"message", "recipient", "domain", "provider"};
    json::object out;
    out["asked"] = clean(facts.asked);
    out["kind"] = kKinds[static_cast<std::size_t>(facts.kind)];
    out["now"] = utc_text(facts.now);
    out["known"] = false;
    out["answer"] = "";
    switch (facts.kind) {
        case WhyFacts::Kind::message: answer_message(out, facts); break;
        case WhyFacts::Kind::recipient: answer_recipient(out, facts); break;
        case WhyFacts::Kind::domain: answer_domain(out, facts); break;
        case WhyFacts::Kind::provider: answer_provider(out, facts); break;
    }
    out["journal"] = journal_json(facts);
    return out;
}

}  // namespace posthorn::delivery
