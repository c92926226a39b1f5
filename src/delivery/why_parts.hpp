// The parts that the answers of `posthorn why` are made of: what is known of a recipient, and lists of them. Pure.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>

#include "delivery/why.hpp"

namespace posthorn::delivery {

// JSON is UTF-8; replies may hold any octets.
[[nodiscard]] std::string clean(const std::string& words);
[[nodiscard]] boost::json::value time_json(std::optional<TimePoint> when);

// A recipient in the queue: his last reply, all that is in his way, the next attempt. `sentence`: what is said of him in one ("waits: ...").
[[nodiscard]] boost::json::object recipient_json(const WhyFacts& facts, const queue::QueueEntry& entry, const queue::Recipient& recipient,
                                                 std::string& sentence);
// A recipient that is in the queue no longer, by his newest entry, which the sentence of him alone is made of, too.
[[nodiscard]] boost::json::object gone_json(const WhyFacts& facts, const queue::JournalEntry& entry, std::string& sentence);
[[nodiscard]] std::string gone_sentence(const queue::JournalEntry& entry, TimePoint now);
[[nodiscard]] boost::json::object message_json(const queue::QueueEntry& entry);

[[nodiscard]] boost::json::object figures_json(const queue::LookedUp& figures);
// What waits, of a recipient or domain: the oldest with all that is in their way. `sentence`: of the first.
[[nodiscard]] boost::json::array oldest_json(const WhyFacts& facts, std::string& sentence);
// The journal's entries, newest first.
[[nodiscard]] boost::json::array lately_json(const WhyFacts& facts);
// "session": the newest one that somebody did not get his message in; null where none is kept.
void add_transcript(boost::json::object& out, const WhyFacts& facts);
// Where was looked in vain: `in_queue`, and how far back the journal goes.
[[nodiscard]] std::string searched(const WhyFacts& facts, std::string_view in_queue);

// Each fills in the answer to a question of its kind, "known" and "answer" among it.
void answer_domain(boost::json::object& out, const WhyFacts& facts);
void answer_provider(boost::json::object& out, const WhyFacts& facts);

}  // namespace posthorn::delivery
