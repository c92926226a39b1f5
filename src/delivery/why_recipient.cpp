// What is known of one recipient of a message, in the queue or gone from it, as parts of an answer of `posthorn why`.
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/utc.hpp"
#include "delivery/provider_rules.hpp"
#include "delivery/reply_rule.hpp"
#include "delivery/why_parts.hpp"
#include "delivery/why_words.hpp"
#include "mail/address.hpp"

namespace posthorn::delivery {
namespace json = boost::json;
using queue::JournalEntry;
using queue::QueueEntry;
using queue::Recipient;
namespace {

constexpr std::size_t kMostHistory = 20;   // of a recipient

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

// The journal's {"text": ...}.
std::string diagnosis_of(const JournalEntry& entry) {
    boost::system::error_code failed;
    const json::value kept = entry.diagnosis.empty() ? json::value() : json::parse(entry.diagnosis, failed);
    const json::value* words = !failed && kept.is_object() ? kept.as_object().if_contains("text") : nullptr;
    return words != nullptr && words->is_string() ? std::string(words->as_string()) : std::string();
}

}  // namespace

std::string clean(const std::string& words) { return text::is_utf8(words) ? words : text::safe_for_log(words, words.size() * 4 + 1); }

json::value time_json(std::optional<TimePoint> when) { return when ? json::value(utc_text(*when)) : json::value(nullptr); }

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

std::string gone_sentence(const JournalEntry& entry, TimePoint now) {
    const std::string when = fmt::format("{} ago ({})", span_words(now - entry.at), utc_text(entry.at));
    const std::string who = entry.host.empty() ? std::string() : fmt::format("; {} said: {}", one_line(entry.host), one_line(entry.reply));
    const std::string ours = entry.host.empty() && !entry.reply.empty() ? ": " + one_line(entry.reply) : who;
    if (entry.event == "delivered") return "was delivered " + when + ours;
    if (entry.event == "suppressed") return fmt::format("was not sent {}: {}{}", when, class_meaning("suppressed"), ours);
    if (entry.event == "failed") return fmt::format("failed {}: {}{}", when, class_meaning(entry.failure_class), ours);
    return "left the queue after it was put off " + when + ours + "; an operator deleted it, or the journal lacks its end";
}

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

void add_transcript(json::object& out, const WhyFacts& facts) {
    for (const JournalEntry& entry : facts.journal) {
        if (entry.transcript.empty()) continue;
        json::object session;
        session["at"] = utc_text(entry.at);
        session["host"] = clean(entry.host);
        session["event"] = entry.event;
        session["text"] = clean(entry.transcript);
        out["session"] = std::move(session);
        return;
    }
    out["session"] = nullptr;
}

std::string searched(const WhyFacts& facts, std::string_view in_queue) {
    if (!facts.journal_from) return fmt::format("{}, and the journal is empty", in_queue);
    return fmt::format("{}, and the journal, which goes back to {}, has nothing of it", in_queue, utc_text(*facts.journal_from));
}

}  // namespace posthorn::delivery
