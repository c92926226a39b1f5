// What the daemon lends the admin interface: its parts' figures and orders, as functions that the endpoints call.
#include "app/daemon.hpp"

#include <utility>

#include <boost/json/serialize.hpp>

#include "app/diagnosis_view.hpp"
#include "app/guard_view.hpp"
#include "app/pair_view.hpp"
#include "app/route_view.hpp"
#include "app/sandbox_view.hpp"
#include "app/tls_report_view.hpp"
#include "config/reference.hpp"
#include "delivery/suspending.hpp"

namespace posthorn::app {

admin::Daemon Daemon::lend() {
    admin::Daemon lent;
    lent.on_revised = [this](const std::vector<queue::DestinationDue>& due) { agent_->on_revised(due); };
    lent.suppressed = [this] { return agent_->suppressed(); };
    lent.on_suppressed = [this](std::vector<queue::Suppression> entries) { agent_->on_suppressed(std::move(entries)); };
    lent.on_unsuppressed = [this](const std::vector<std::string>& addresses) { agent_->on_unsuppressed(addresses); };
    lent.status = [this] { return status_json(); };
    lent.try_disk = [this](UniqueFunction<void(std::string)> done) { vitals_->try_disk(plan_.config.queue.min_free_space, std::move(done)); };
    lent.metrics = [this] { return metrics(); };
    lent.reload = [this] { return reload(); };
    lent.config = [this] { return config::show(plan_.config); };
    lent.change_suspension = [this](admin::SuspensionChange change, SuspendedMail::Done done) {
        suspended_mail_->change(std::move(change), wall_now(), std::move(done));
    };
    lent.suspensions = &suspended_mail_->list();
    lent.pairs = [this] { return boost::json::serialize(pairs_json(agent_->suspended_pairs())); };
    lent.given_up = [this](const queue::Recipient& recipient) { return agent_->given_up(recipient); };
    lent.why_held = [this](const queue::Recipient& recipient) { return agent_->why_held(recipient); };
    lent.retry_now = [this](QueueId id, UniqueFunction<void(std::uint64_t)> done) { agent_->retry_now(id, std::move(done)); };
    lent.change_pair = [this](admin::PairChange change, UniqueFunction<void(Result<std::vector<std::string>>)> done) {
        delivery::PairOrder order;
        order.suspend = change.suspend;
        order.sender = std::move(change.sender);
        order.provider = std::move(change.provider);
        order.duration = change.duration;
        order.reason = std::move(change.reason);
        agent_->order(std::move(order), [done = std::move(done)](Result<delivery::PairOutcome> outcome) mutable {
            Result<std::vector<std::string>> answer = std::vector<std::string>();
            if (outcome) *answer = std::move(outcome->pairs);
            else answer = outcome.error();
            done(std::move(answer));
        });
    };
    lent.sandbox = [this](UniqueFunction<void(std::string)> done) {
        // On another thread: the trials open files, and what confines one thread confines all.
        net::asio::post(disk_, [this, directory = plan_.config.state_directory, done = std::move(done)]() mutable {
            std::string told = boost::json::serialize(examine_sandbox(confined_, directory));
            home_.post([told = std::move(told), done = std::move(done)]() mutable { done(std::move(told)); });
        });
    };
    lent.spooled = [this] { return pickup_->figures().waiting; };
    lent.groups = [this] { return agent_->groups_of_domains(); };
    lent.why = [this](std::string what, UniqueFunction<void(std::string)> done) {
        why_->answer(std::move(what), suspended_mail_->list(), std::move(done));
    };
    lent.flush = [this](admin::FlushOrder order) { return flush_->order(std::move(order), std::chrono::steady_clock::now()); };
    lent.senders = [this] { return post_office_->senders(); };
    lend_guard(lent, *server_);
    herald_->lend(lent);
    lend_tls_reports(lent, tls_results_, *tls_reporter_);
    lent.diagnose = [this](admin::DiagnosisRequest request, UniqueFunction<void(std::string)> done) {
        auto told = [request, done = std::move(done)](delivery::Diagnosis diagnosis) mutable {
            done(boost::json::serialize(diagnosis_json(request.domain, request.sender_domain, diagnosis)));
        };
        agent_->diagnose(request.domain, request.sender_domain, request.ip, kDiagnosisPatience, std::move(told));
    };
    lent.explain_route = [this](admin::RouteQuestion question, UniqueFunction<void(std::string)> done) {
        auto told = [question, done = std::move(done)](delivery::Explained explained) mutable {
            done(boost::json::serialize(route_json(question.domain, question.sender_domain, explained)));
        };
        agent_->explain(question.domain, question.sender_domain, std::move(told));
    };
    lent.history = [this](Duration span, std::uint32_t minutes) { return history_->json(span, minutes); };
    lent.domains = [this] { return examinations_->domains_json(); };
    lent.examine = [this](std::string domain, ExaminationDesk::Done done) { examinations_->examine(std::move(domain), std::move(done)); };
    lent.records = [this](std::string domain, ExaminationDesk::Done done) { examinations_->records(std::move(domain), std::move(done)); };
    return lent;
}

}  // namespace posthorn::app
