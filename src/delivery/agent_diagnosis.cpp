// The agent asked for a diagnosis by somebody else than the breaker.
#include "delivery/agent_state.hpp"
#include "delivery/diagnosing.hpp"

namespace posthorn::delivery {

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
