// From judged recipients to entries of the journal.
#include "delivery/journal_entries.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "base/text.hpp"
#include "delivery/judgement.hpp"
#include "delivery/send_test.hpp"

namespace posthorn::delivery {
namespace {

std::string_view event_of(const Outcome& outcome) {
    switch (outcome.result) {
        case Disposition::delivered: return "delivered";
        case Disposition::deferred: return "deferred";
        case Disposition::failed: break;
    }
    return outcome.failure_class == Class::suppressed ? "suppressed" : "failed";
}

// An object, so that there is room for more beside the words. JSON is UTF-8, and a diagnosis quotes DNS.
std::string diagnosis_of(const Outcome& outcome) {
    if (outcome.diagnosis.empty() || outcome.result == Disposition::delivered) return {};
    boost::json::object words;
    words["text"] = text::is_utf8(outcome.diagnosis) ? outcome.diagnosis : text::safe_for_log(outcome.diagnosis, outcome.diagnosis.size());
    return boost::json::serialize(words);
}

}  // namespace

std::vector<queue::JournalEntry> journal_of(const mail::Message& message, const std::vector<Judged>& judged,
                                            const std::vector<queue::Verdict>& verdicts, std::string_view group,
                                            std::string_view transcript, TimePoint now) {
    std::vector<queue::JournalEntry> entries;
    entries.reserve(judged.size());
    for (std::size_t i = 0; i < judged.size(); ++i) {
        const Judged& item = judged[i];
        const Outcome& outcome = item.outcome;
        if (item.at_once) continue;
        const bool fine = outcome.result == Disposition::delivered;
        queue::JournalEntry entry;
        entry.at = now;
        entry.message = message.id;
        entry.event = event_of(outcome);
        entry.from = message.reverse_path;
        entry.to = item.recipient.address;
        entry.source = message.source;
        entry.stream = message.stream;
        entry.group = group;
        entry.host = outcome.host;
        entry.failure_class = to_string(outcome.failure_class);
        if (outcome.judgement && !fine) entry.rule = outcome.judgement->rule;
        entry.reply = outcome.reply.verbatim();
        entry.diagnosis = diagnosis_of(outcome);
        if ((!fine || is_send_test(message)) && !transcript.empty()) {
            entry.transcript = transcript.substr(0, queue::JournalEntry::kLongestTranscript);
            transcript = {};
        }
        // What expires, or is failed unsent, is no attempt.
        const bool tried = outcome.failure_class != Class::expired && outcome.failure_class != Class::suppressed;
        const bool counts = outcome.result == Disposition::deferred ? verdicts[i].count_attempt : tried;
        entry.attempts = item.recipient.attempts + (counts ? 1 : 0);
        entry.delay = std::max<Duration>(Duration::zero(), now - message.accepted_at);
        if (outcome.result == Disposition::deferred) entry.due_at = verdicts[i].due_at;
        entries.push_back(std::move(entry));
    }
    return entries;
}

}  // namespace posthorn::delivery
