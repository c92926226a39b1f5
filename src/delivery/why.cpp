// The answers of `posthorn why` about a message and about a recipient, each with the sentence that answers the question.
#include "delivery/why.hpp"

#include <fmt/format.h>

#include <array>
#include <set>

#include "base/text.hpp"
#include "base/utc.hpp"
#include "delivery/why_parts.hpp"
#include "delivery/why_words.hpp"

namespace posthorn::delivery {
namespace {

namespace json = boost::json;
using queue::JournalEntry;
using queue::QueueEntry;
using queue::Recipient;

json::value journal_json(const WhyFacts& facts) {
    json::object out;
    out["from"] = time_json(facts.journal_from);
    return out;
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

}  // namespace

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
