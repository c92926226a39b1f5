// The agent asked for a diagnosis by somebody else than the breaker.
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "delivery/alarm.hpp"
#include "delivery/diagnosing.hpp"

namespace posthorn::delivery {
namespace {

constexpr Duration kLookAgain = std::chrono::hours(6);   // at one sender's standing with one provider
constexpr std::size_t kMostLookedInto = 100;             // in that time

}  // namespace

// 2.5: what Yahoo says to too much mail ([TSS04]) it says to senders without SPF, DKIM and DMARC, too. A rule that slows down and says alert
// has DNS asked whether that may be the reason.
void DeliveryAgent::State::look_into(const Attempt& attempt) {
    if (attempt.flow.provider.empty() || attempt.flow.sender_org.empty()) return;
    const auto slow = std::find_if(attempt.judged.begin(), attempt.judged.end(), [](const Judged& item) {
        return item.outcome.failure_class == Class::throttle && item.outcome.judgement && item.outcome.judgement->alert;
    });
    if (slow == attempt.judged.end()) return;
    const SteadyTime now = std::chrono::steady_clock::now();
    std::erase_if(looked_into, [&](const auto& one) { return now - one.second >= kLookAgain; });
    Alarm alarm;
    alarm.kind = alarm_kind::kRefusal;
    alarm.subject = attempt.flow.sender_org + " at " + attempt.flow.provider;
    alarm.text = slow->outcome.host + " answered: " + slow->outcome.reply.joined();
    alarm.incident = true;
    if (looked_into.size() >= kMostLookedInto || !looked_into.try_emplace(alarm.subject, now).second) return;
    chores.spawn(explain_slow_down(attempt.flow, slow->outcome.judgement->ip, std::move(alarm)));
}

net::awaitable<void> DeliveryAgent::State::explain_slow_down(Flow flow, std::string ip, Alarm alarm) {
    DiagnosisQuestion question =
        question_about(*settings, flow.author_domain.empty() ? flow.sender_org : flow.author_domain, flow.spf_domain, ip);
    const Diagnosis diagnosis = co_await delivery::diagnose(resolver, std::move(question), &chores);
    if (stopping) co_return;
    const Standing standing = standing_with(flow.provider, diagnosis);
    log::info("diagnosis").kv("pair", alarm.subject).kv("standing", standing.words).kv("summary", headline(diagnosis));
    if (learnt.alarms == nullptr || (standing.everyone != FactResult::fail && standing.bulk != FactResult::fail)) co_return;
    alarm.text += "\nIt may be for what DNS shows of the sender: " + standing.words + ".\n" + to_text(diagnosis);
    alarm.advice = "Publish what is missing; the mail waits meanwhile. `posthorn diagnose " + flow.sender_org + "` looks again.";
    alarm.detail = boost::json::serialize(to_json(diagnosis));
    learnt.alarms->raise(std::move(alarm));
}

net::awaitable<void> DeliveryAgent::State::diagnose_for(DiagnosisQuestion question, std::chrono::seconds limit,
                                                        UniqueFunction<void(Diagnosis)> done) {
    Diagnosis diagnosis = co_await delivery::diagnose(resolver, std::move(question), &chores, limit);
    done(std::move(diagnosis));
}

void DeliveryAgent::diagnose(const std::string& from_domain, const std::string& mail_from_domain, const std::string& ip,
                             std::chrono::seconds limit, UniqueFunction<void(Diagnosis)> done) {
    DiagnosisQuestion question = question_about(*state_->settings, from_domain, mail_from_domain, ip);
    state_->chores.spawn(state_->diagnose_for(std::move(question), limit, std::move(done)));
}

}  // namespace posthorn::delivery
