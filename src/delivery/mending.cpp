// After a refusal that another connection mends: what it teaches is remembered, and its recipients are due again at once.
#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "delivery/alarm.hpp"
#include "delivery/memory.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::string_view kDialogueAlarm = "dialogue";
constexpr std::string_view kMessageFormAlarm = "message-form";

Alarm alarm_about_dialogue(const Outcome& outcome, Quirk quirk, const Carriage& carriage) {
    const std::string& host = carriage.host;
    Alarm alarm;
    alarm.of_stranger = is_of_stranger(carriage.group);
    alarm.kind = kDialogueAlarm;
    alarm.subject = host;
    alarm.text = host + " says that our SMTP is wrong: \"" + outcome.reply.joined() +
                 "\". For a day it is spoken to otherwise (" + std::string(to_string(quirk)) + "), and the mail is sent again at once.";
    alarm.advice = "Its server, or something between it and us, mishandles an extension that it offers; if it happens with many hosts, "
                   "please report it to the developers of Posthorn with the transcript of `posthorn why`.";
    return alarm;
}

Alarm alarm_about_form(const Outcome& outcome, const mail::Message& message, const std::string& group) {
    Alarm alarm;
    alarm.kind = kMessageFormAlarm;
    alarm.of_stranger = is_of_stranger(group);
    alarm.subject = (message.source.empty() ? message.reverse_path : message.source) + " at " + group;
    alarm.text = group + " refuses messages of " + message.source + " for how they are made: \"" + outcome.reply.joined() + "\".";
    if (outcome.judgement && !outcome.judgement->meaning.empty()) alarm.text += " " + outcome.judgement->meaning;
    alarm.advice = "It is for whoever develops the program that makes these messages; Posthorn repairs what it may "
                   "(docs/SUBMISSION.md). The sender has had a report.";
    return alarm;
}

}  // namespace

// Nothing new is tried twice: who knows the remedy already has the refusal as it is.
void DeliveryAgent::State::mend(Attempt& attempt) {
    const TimePoint now = wall_now();
    std::vector<std::string> noted;   // by this attempt: for all its recipients
    for (Judged& item : attempt.judged) {
        Outcome& outcome = item.outcome;
        if (outcome.result == Disposition::delivered || item.at_once || !outcome.judgement || outcome.shortage) continue;
        if (outcome.failure_class == Class::rfc && learnt.alarms != nullptr)
            learnt.alarms->raise(alarm_about_form(outcome, *attempt.message, attempt.carriage.group));
        const std::optional<Remedy> remedy = remedy_for(*outcome.judgement, outcome.stage, attempt.carriage);
        if (!remedy) continue;
        if (remedy->quirk) {
            const std::string key = Quirks::key_of(*remedy->quirk, remedy->of);
            const bool ours = std::find(noted.begin(), noted.end(), key) != noted.end();
            if (!ours && !quirks.note(*remedy->quirk, remedy->of, now)) continue;
            if (!ours) {
                noted.push_back(key);
                if (learnt.memory != nullptr) learnt.memory->put(kQuirkKind, key, outcome.reply.joined(), now + lifetime_of(*remedy->quirk));
                log::warning("remedy").kv("id", attempt.id.to_string()).kv("host", outcome.host).kv("learnt", key)
                    .kv("reply", outcome.reply.joined()).kv("action", "remembered; its mail is sent again at once, on another connection");
                if (outcome.judgement->without_extension && learnt.alarms != nullptr)
                    learnt.alarms->raise(alarm_about_dialogue(outcome, *remedy->quirk, attempt.carriage));
                if (*remedy->quirk == Quirk::tls) dialler.forget_broken_tls(outcome.host);
            }
        }
        outcome.result = Disposition::deferred;
        // What it was refused for is dealt with: nothing is to be held or slowed down for it.
        if (outcome.judgement->ipv4_instead) outcome.failure_class = Class::temp;
        item.at_once = true;
        item.wait.reset();
    }
}

// PR-19: where a connection ends, others to that group will.
void DeliveryAgent::State::note_end_of_connection(const Attempt& attempt, const smtp::protocol::ClientSession& session) {
    const bool said = std::any_of(attempt.judged.begin(), attempt.judged.end(), [](const Judged& item) {
        return item.outcome.judgement && item.outcome.judgement->reconnect;
    });
    const bool silent = std::all_of(attempt.judged.begin(), attempt.judged.end(), [](const Judged& item) {
        return item.outcome.reply.code == 0 && item.outcome.stage == smtp::protocol::Stage::mail;
    });
    if (said || silent) quirks.note_end_after(attempt.carriage.group, session.transactions() - 1, said, wall_now());
}

void DeliveryAgent::State::recall_quirks() {
    if (learnt.memory == nullptr) return;
    for (const Remembered& item : learnt.memory->load(kQuirkKind)) quirks.restore(item.key, item.expires);
}

// Our IPv6 addresses are in order again: whoever refused them may be asked anew.
void DeliveryAgent::State::try_ipv6_again() {
    for (const std::string& key : quirks.forget_all(Quirk::no_ipv6)) {
        log::info("remedy").kv("forgotten", key).kv("why", "the PTR record of our IPv6 address leads back to it now");
        if (learnt.memory != nullptr) learnt.memory->erase(kQuirkKind, key);
    }
}

}  // namespace posthorn::delivery
