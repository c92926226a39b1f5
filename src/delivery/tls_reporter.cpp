// The rounds of a reporter: write down, look whether a day is over, ask each domain, mark, hand over.
#include "delivery/tls_reporter.hpp"

#include <algorithm>
#include <list>
#include <utility>

#include "base/log.hpp"
#include "delivery/https_get.hpp"
#include "dns/resolver.hpp"
#include "mail/address.hpp"
#include "mail/domain.hpp"
#include "net/callback.hpp"
#include "net/offload.hpp"
#include "net/tls_context.hpp"

namespace posthorn::delivery {
namespace {

constexpr Duration kRoundInterval = std::chrono::minutes(1);
constexpr Duration kRetryInterval = std::chrono::hours(1);
constexpr Duration kRemembered = std::chrono::hours(72);          // after the day's end
constexpr std::size_t kWorkers = 8;
constexpr std::size_t kMaxHttpAnswer = 16 * 1024;

std::string results_key(Day day, const std::string& domain) { return to_string(day) + ' ' + domain; }

Reporter reporter_of(const std::string& hostname, const TlsReportOptions& options) {
    Reporter who;
    who.hostname = hostname;
    who.contact = options.contact;
    who.organization = options.organization.empty() ? mail::destination_of(options.contact) : options.organization;
    return who;
}

}  // namespace

struct TlsReporter::Run {
    std::deque<std::pair<Day, std::string>> todo;
    std::size_t workers = 0;
    bool ended = false;
    ReportRun result;
    std::list<net::Signal*> waiting;           // for its end; in the frames of those who wait
};

TlsReporter::TlsReporter(boost::asio::io_context& home, dns::Resolver& resolver, boost::asio::thread_pool& disk,
                         DeliveryMemory& memory, TlsResults& results, Put put)
    : resolver_(resolver),
      disk_(disk),
      memory_(memory),
      results_(results),
      put_(std::move(put)),
      random_(std::random_device{}()),
      ids_(std::random_device{}()),
      executor_(home.get_executor()),
      tasks_(home.get_executor(), "tlsrpt"),
      wake_(home.get_executor()) {}

TlsReporter::~TlsReporter() = default;

void TlsReporter::start(const std::string& hostname, const DeliveryOptions& options) {
    for (const Remembered& one : memory_.load(kSentKind)) {
        // "2026-11-22 example.com mailto:..."
        if (const auto day = parse_day(std::string_view(one.key).substr(0, 10)); day && one.key.size() > 11)
            sent_[*day].insert(one.key.substr(11));
    }
    for (const Remembered& one : memory_.load(kResultsKind)) {
        Result<TlsDay> day = from_remembered_day(one.value);
        if (day) results_.restore(std::move(*day));
    }
    reload(hostname, options);
    tasks_.spawn(rounds());
}

void TlsReporter::reload(const std::string& hostname, const DeliveryOptions& options) {
    options_ = options;
    who_ = reporter_of(hostname, options.tls_report);
    results_.enable(!options.tls_report.contact.empty());
    due_.clear();
}

void TlsReporter::stop() {
    tasks_.request_stop();
    wake_.notify();
    if (run_)
        for (net::Signal* signal : run_->waiting) signal->notify();
    write_down();
}

void TlsReporter::write_down() {
    for (const TlsDay* day : results_.take_changed())
        memory_.put(kResultsKind, results_key(day->day, day->domain), remembered_form(*day), end_of(day->day) + kRemembered);
}

void TlsReporter::forget(Day day, const std::string& domain) {
    results_.forget(day, domain);
    memory_.erase(kResultsKind, results_key(day, domain));
}

net::awaitable<void> TlsReporter::rounds() {
    while (!tasks_.stopping()) {
        write_down();
        if (!who_.contact.empty() && !run_) look_for_ended_days();
        co_await wake_.wait_until(std::chrono::steady_clock::now() + kRoundInterval);
    }
}

void TlsReporter::look_for_ended_days() {
    const TimePoint now = wall_now();
    const Day today = day_of(now);
    std::vector<Day> due;
    for (const Day day : results_.days()) {
        if (day >= today) continue;
        if (report_is_too_late(day, options_.tls_report.delay, now)) {
            const std::vector<std::string> left = results_.domains(day);
            log::info("tls_report").kv("day", to_string(day)).kv("given_up", static_cast<std::uint64_t>(left.size()))
                .kv("meaning", "these domains' reports could not be sent within a day");
            for (const std::string& domain : left) forget(day, domain);
            continue;
        }
        auto at = due_.find(day);
        if (at == due_.end()) {
            const double chance = std::uniform_real_distribution<double>(0, 1)(random_);
            at = due_.emplace(day, report_due(day, options_.tls_report.delay, chance)).first;
        }
        if (now >= at->second) due.push_back(day);
    }
    std::erase_if(due_, [&](const auto& entry) { return end_of(entry.first) + kRemembered < now; });
    std::erase_if(sent_, [&](const auto& entry) { return end_of(entry.first) + kRemembered < now; });
    budget_.forget_before(today - std::chrono::days(5));
    if (!due.empty()) begin(due);
}

TlsReporter::RunPtr TlsReporter::begin(const std::vector<Day>& days) {
    run_ = std::make_shared<Run>();
    run_->result.finished = false;
    for (const Day day : days) {
        // Should anything be left, it is tried again.
        due_[day] = wall_now() + kRetryInterval;
        for (std::string& domain : results_.domains(day)) run_->todo.emplace_back(day, std::move(domain));
    }
    tls_ = std::make_shared<net::ClientTls>(options_.tls_ca_file);
    const RunPtr run = run_;
    run->workers = std::clamp<std::size_t>(run->todo.size(), 1, kWorkers);
    for (std::size_t i = 0; i < run->workers; ++i) tasks_.spawn(work(run));
    return run;
}

net::awaitable<void> TlsReporter::work(RunPtr run) {
    while (!run->todo.empty() && !tasks_.stopping()) {
        const Day day = run->todo.front().first;
        std::string domain = std::move(run->todo.front().second);
        run->todo.pop_front();
        try {
            co_await report(day, std::move(domain), run);
        } catch (const std::exception& failure) {
            ++run->result.later;   // out of memory: the run ends all the same, and there will be others
            log::error("tls_report").kv("day", to_string(day)).kv("error", failure.what());
        }
    }
    if (--run->workers == 0) end(*run);
}

void TlsReporter::end(Run& run) {
    run.ended = run.result.finished = true;
    if (run.result.sent + run.result.later > 0)
        log::info("tls_report").kv("sent", static_cast<std::uint64_t>(run.result.sent))
            .kv("unwanted", static_cast<std::uint64_t>(run.result.unwanted)).kv("later", static_cast<std::uint64_t>(run.result.later));
    for (net::Signal* signal : run.waiting) signal->notify();
    tls_.reset();
    run_.reset();
}

net::awaitable<void> TlsReporter::report(Day day, std::string domain, RunPtr run) {
    const TlsDay* found = results_.find(day, domain);
    if (found == nullptr) co_return;
    if (found->sessions() == 0 || ::posthorn::mail::is_address_literal(domain)) {
        forget(day, domain);
        co_return;
    }
    const TlsDay counted = *found;
    const dns::TxtAnswer answer = co_await resolver_.txt("_smtp._tls." + domain);
    if (answer.status == dns::Status::temporary || tasks_.stopping()) {
        ++run->result.later;
        co_return;
    }
    const ReportRecord record = parse_report_record(answer.texts);
    if (record.addresses.empty()) {
        if (!record.why.empty()) log::info("tls_report").kv("domain", domain).kv("not_sent", record.why);
        ++run->result.unwanted;
        forget(day, domain);
        co_return;
    }
    bool all = true;
    for (const ReportAddress& to : record.addresses) {
        const std::string mark = domain + ' ' + to.uri;
        if (sent_[day].contains(mark)) continue;
        if (!budget_.take(day, to.receiver())) {
            log::warning("tls_report").kv("domain", domain).kv("to", to.uri).kv("not_sent", "too many domains name this receiver")
                .kv("most", ReportBudget::kMaxOfReceiver);
            continue;
        }
        sent_[day].insert(mark);
        auto durable = [memory = &memory_, key = to_string(day) + ' ' + mark, until = end_of(day) + kRemembered] {
            return memory->put_now(kSentKind, key, std::string(), until);
        };
        const bool marked = co_await net::offload(disk_, std::move(durable));
        bool taken = false;
        // Without its mark on disk a report might be sent twice.
        if (!marked)
            log::warning("tls_report").kv("domain", domain).kv("to", to.uri)
                .kv("error", "that it is being sent could not be written to delivery.sqlite").kv("meaning", "tried again in an hour");
        else if (!tasks_.stopping()) taken = co_await hand_over(counted, to);
        if (taken) {
            ++run->result.sent;
            continue;
        }
        sent_[day].erase(mark);
        budget_.give_back(day, to.receiver());
        memory_.erase(kSentKind, to_string(day) + ' ' + mark);
        all = false;
    }
    if (all) forget(day, domain);
    else ++run->result.later;
}

net::awaitable<bool> TlsReporter::hand_over(const TlsDay& day, const ReportAddress& to) {
    bool taken = false;
    if (to.by_mail()) taken = co_await mail(day, to);
    else taken = co_await post(day, to);
    co_return taken;
}

net::awaitable<bool> TlsReporter::mail(const TlsDay& day, const ReportAddress& to) {
    const TimePoint now = wall_now();
    const QueueId id = ids_.next(now);
    queue::NewMessage message = make_report_mail(who_, day, to, id, now);
    auto put = [this, added = std::move(message)](auto done) mutable { put_(std::move(added), std::move(done)); };
    const auto stored = co_await net::callback_result<queue::StoreResult<queue::Added>>(std::move(put));
    if (!stored) {
        log::warning("tls_report").kv("domain", day.domain).kv("to", to.uri).kv("error", stored.error().what)
            .kv("meaning", "the queue did not take the report; it is tried again");
        co_return false;
    }
    log::info("tls_report").kv("domain", day.domain).kv("day", to_string(day.day)).kv("to", to.uri).kv("id", id.to_string())
        .kv("sessions", day.sessions());
    co_return true;
}

net::awaitable<bool> TlsReporter::post(const TlsDay& day, const ReportAddress& to) {
    HttpsRequest request(to.host, to.port, to.target, options_);
    request.content_type = std::string(kReportMediaType);
    request.body = gzipped(report_json(who_, day));
    request.max_answer = kMaxHttpAnswer;
    const std::shared_ptr<net::ClientTls> tls = tls_;
    const HttpsAnswer answer = co_await https_request(std::move(request), resolver_, *tls, tasks_);
    // RPT-5: 200 and 201 are "taken"; a body that is too long changes nothing about the status before it.
    const bool taken = answer.status == 200 || answer.status == 201;
    const std::string why = answer.end == HttpsEnd::answered ? "answered " + std::to_string(answer.status) : answer.detail;
    if (taken) {
        log::info("tls_report").kv("domain", day.domain).kv("day", to_string(day.day)).kv("to", to.uri).kv("sessions", day.sessions());
    } else {
        log::info("tls_report").kv("domain", day.domain).kv("to", to.uri).kv("error", why).kv("meaning", "tried again for a day");
    }
    co_return taken;
}

void TlsReporter::send_now(std::optional<Day> day, Done done) {
    const Day today = day_of(wall_now());
    if (who_.contact.empty()) {
        done(Error{"no reports are made: tlsrpt.contact is not set"});
        return;
    }
    if (day && *day >= today) {
        done(Error{to_string(*day), " is not over: days end at midnight UTC"});
        return;
    }
    if (run_ || tasks_.stopping()) {
        done(Error{"reports are being sent already; the log tells when they are done"});
        return;
    }
    std::vector<Day> days = results_.days();
    std::erase_if(days, [&](Day one) { return one >= today || (day && one != *day); });
    tasks_.spawn(answer_when_finished(begin(days), std::move(done)));
}

net::awaitable<void> TlsReporter::answer_when_finished(RunPtr run, Done done) {
    const SteadyTime limit = std::chrono::steady_clock::now() + kPatience;
    net::Signal signal(executor_);
    const auto place = run->waiting.insert(run->waiting.end(), &signal);
    while (!run->ended && !tasks_.stopping() && std::chrono::steady_clock::now() < limit) {
        co_await signal.wait_until(limit);
    }
    run->waiting.erase(place);
    done(run->result);
}

Result<std::string> TlsReporter::preview(Day day, const std::string& domain) const {
    const TlsDay* found = results_.find(day, domain);
    if (found == nullptr) return Error{"nothing is counted for ", domain, " on ", to_string(day)};
    return report_json(who_, *found);
}

}  // namespace posthorn::delivery
