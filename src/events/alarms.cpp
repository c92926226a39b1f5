// The outputs of alarms.
#include "events/alarms.hpp"

#include <algorithm>
#include <utility>

#include "base/bound.hpp"
#include "base/log.hpp"
#include "base/utc.hpp"
#include "delivery/https_get.hpp"
#include "delivery/memory.hpp"
#include "events/courier.hpp"
#include "events/event_form.hpp"
#include "events/signature.hpp"
#include "net/offload.hpp"
#include "net/tls_context.hpp"

namespace posthorn::events {
namespace {

using std::chrono::steady_clock;

constexpr std::string_view kAlarmKind = "alarm";
constexpr Duration kRemembered = std::chrono::hours(24 * 365);
constexpr Duration kWebhookLimit = std::chrono::seconds(15);
constexpr std::size_t kMaxAlarmAnswer = 4096;
constexpr std::size_t kLoggedOutput = 500;

std::string key_of(const AlarmBook::Name& name) { return name.first + '\n' + name.second; }

}  // namespace

struct Alarms::Pending {
    Notice notice;
    unsigned outputs = 0;   // that are not done with it
    unsigned tries = 0;     // of the webhook
};

Alarms::Alarms(net::asio::io_context& home, delivery::DeliveryMemory& memory, dns::Resolver& resolver)
    : executor_(home.get_executor()),
      memory_(memory),
      resolver_(resolver),
      tasks_(home.get_executor(), "alarm"),
      tick_(home.get_executor()),
      command_wake_(home.get_executor()),
      webhook_wake_(home.get_executor()),
      outputs_(std::make_shared<const AlarmOutputs>()) {}

Alarms::~Alarms() { join(); }

void Alarms::join() {
    *give_up_ = true;
    commands_.join();
}

void Alarms::start(AlarmOutputs outputs) {
    outputs_ = std::make_shared<const AlarmOutputs>(std::move(outputs));
    for (const delivery::Remembered& one : memory_.load(kAlarmKind)) {
        std::optional<RaisedAlarm> raised = RaisedAlarm::parse(one.value);
        if (raised) book_.load(*std::move(raised));
    }
    tasks_.spawn(rounds());
    tasks_.spawn(run_commands());
    tasks_.spawn(post_webhook());
}

void Alarms::reload(AlarmOutputs outputs) {
    outputs_ = std::make_shared<const AlarmOutputs>(std::move(outputs));
    tls_.reset();
    tick_.notify();
    webhook_wake_.notify();
    command_wake_.notify();
}

void Alarms::stop() {
    *give_up_ = true;
    tasks_.request_stop();
    tick_.notify();
    command_wake_.notify();
    webhook_wake_.notify();
}

void Alarms::raise(delivery::Alarm alarm) {
    net::asio::post(executor_, [this, alarm = std::move(alarm)]() mutable {
        const AlarmBook::Name name(alarm.kind, alarm.subject);
        std::optional<Notice> notice = book_.raise(std::move(alarm), wall_now());
        if (!notice) return;
        keep(name);
        tell(*std::move(notice));
    });
}

void Alarms::clear(std::string_view kind, std::string_view subject) {
    net::asio::post(executor_, [this, name = AlarmBook::Name(kind, subject)] {
        if (!book_.raised().contains(name)) return;
        std::optional<Notice> notice = book_.clear(name, wall_now());
        memory_.erase(kAlarmKind, key_of(name));
        if (notice) tell(*std::move(notice));
    });
}

void Alarms::set(const std::vector<std::string_view>& kinds, std::vector<delivery::Alarm> current) {
    for (const auto& [name, raised] : book_.raised()) {
        if (raised.alarm.incident || std::find(kinds.begin(), kinds.end(), name.first) == kinds.end()) continue;
        const bool lasts = std::any_of(current.begin(), current.end(), [&](const delivery::Alarm& alarm) {
            return alarm.kind == name.first && alarm.subject == name.second;
        });
        if (!lasts) clear(name.first, name.second);
    }
    for (delivery::Alarm& alarm : current) raise(std::move(alarm));
}

std::vector<RaisedAlarm> Alarms::raised() const {
    std::vector<RaisedAlarm> all;
    for (const auto& [name, raised] : book_.raised()) all.push_back(raised);
    return all;
}

AlarmFigures Alarms::figures() const {
    AlarmFigures figures;
    figures.raised = book_.raised().size();
    figures.told = told_;
    figures.failed = failed_;
    figures.waiting = command_line_.size() + webhook_line_.size();
    return figures;
}

void Alarms::keep(const AlarmBook::Name& name) {
    const auto found = book_.raised().find(name);
    if (found != book_.raised().end()) memory_.put(kAlarmKind, key_of(name), found->second.to_text(), wall_now() + kRemembered);
}

void Alarms::log_notice(const Notice& notice) const {
    const bool over = notice.state == NoticeState::cleared;
    log::Event event(over || notice.state == NoticeState::test ? log::Level::info : log::Level::error, "alarm");
    event.kv("alarm", notice.alarm.kind).kv("subject", notice.alarm.subject).kv("state", to_string(notice.state));
    event.kv("since", utc_text(notice.since)).kv("text", notice.alarm.text);
    if (!notice.alarm.advice.empty() && !over) event.kv("action", notice.alarm.advice);
}

void Alarms::tell(Notice notice) {
    log_notice(notice);
    const PendingPtr pending = std::make_shared<Pending>();
    pending->notice = std::move(notice);
    pending->outputs = 1;
    if (!outputs_->options.command.empty()) {
        pending->outputs += 1;
        queue(command_line_, pending, "command");
        command_wake_.notify();
    }
    if (outputs_->webhook) {
        pending->outputs += 1;
        queue(webhook_line_, pending, "webhook");
        webhook_wake_.notify();
    }
    finish(pending);   // the log's share
}

void Alarms::queue(std::deque<PendingPtr>& line, const PendingPtr& pending, std::string_view output) {
    if (line.size() >= kMostWaiting) {
        note_reached(Bound::alarms_waiting);
        log::warning("alarm_dropped").kv("output", output).kv("alarm", line.front()->notice.alarm.kind)
            .kv("subject", line.front()->notice.alarm.subject).kv("meaning", "more alarms than the output takes");
        failed_ += 1;
        const PendingPtr oldest = line.front();
        line.pop_front();
        finish(oldest);
    }
    line.push_back(pending);
}

void Alarms::finish(const PendingPtr& pending) try {
    if (--pending->outputs > 0) return;
    told_ += 1;
    const AlarmBook::Name name(pending->notice.alarm.kind, pending->notice.alarm.subject);
    if (pending->notice.state == NoticeState::cleared || pending->notice.state == NoticeState::test) return;
    book_.told(name, wall_now());
    keep(name);
} catch (const std::exception& failure) {
    failed_in("log", failure);   // at worst it is told once more after a restart
}

void Alarms::failed_in(std::string_view what, const std::exception& failure) {
    failed_ += 1;
    log::error("alarm").kv("output", what).kv("error", failure.what());   // out of memory: the next round may fare better
}

net::awaitable<void> Alarms::rounds() {
    while (!tasks_.stopping()) {
        try {
            AlarmBook::Due due = book_.due(wall_now(), outputs_->options.repeat);
            for (const AlarmBook::Name& name : due.forgotten) memory_.erase(kAlarmKind, key_of(name));
            for (Notice& notice : due.notices) tell(std::move(notice));
        } catch (const std::exception& failure) {
            failed_in("all", failure);
        }
        const SteadyTime next = steady_clock::now() + std::min<Duration>(outputs_->options.repeat, std::chrono::minutes(1));
        co_await tick_.wait_until(next);
    }
}

net::CommandRun Alarms::command_run(const Notice& notice) const {
    net::CommandRun run;
    run.arguments = outputs_->options.command;
    run.limit = outputs_->options.command_timeout;
    run.give_up = give_up_;
    run.input = alarm_text(outputs_->server, notice) + "\n";
    const auto plain = [](std::string text) {   // no NUL can be in an environment
        std::replace(text.begin(), text.end(), '\0', ' ');
        return text;
    };
    run.environment = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                       {"HOME", "/"},
                       {"POSTHORN_ALARM_SERVER", outputs_->server},
                       {"POSTHORN_ALARM_KIND", plain(notice.alarm.kind)},
                       {"POSTHORN_ALARM_SUBJECT", plain(notice.alarm.subject)},
                       {"POSTHORN_ALARM_STATE", std::string(to_string(notice.state))},
                       {"POSTHORN_ALARM_SINCE", utc_text(notice.since)},
                       {"POSTHORN_ALARM_TEXT", plain(notice.alarm.text)},
                       {"POSTHORN_ALARM_ADVICE", plain(notice.alarm.advice)}};
    return run;
}

net::awaitable<net::CommandEnd> Alarms::run(Notice notice) {
    auto work = [run = command_run(notice)] { return net::run_command(run); };
    net::CommandEnd end = co_await net::offload(commands_, std::move(work));
    log::Event event(end.fine() ? log::Level::info : log::Level::warning, "alarm_command");
    event.kv("alarm", notice.alarm.kind).kv("subject", notice.alarm.subject).kv("end", end.words());
    if (!end.output.empty()) event.kv("output", std::string_view(end.output).substr(0, kLoggedOutput));
    co_return end;
}

net::awaitable<void> Alarms::run_commands() {
    while (!tasks_.stopping()) {
        if (command_line_.empty()) {
            co_await command_wake_.wait();
            continue;
        }
        const PendingPtr pending = command_line_.front();
        command_line_.pop_front();
        if (!outputs_->options.command.empty()) {
            try {
                const net::CommandEnd end = co_await run(pending->notice);
                if (!end.fine()) failed_ += 1;
            } catch (const std::exception& failure) {
                failed_in("command", failure);
            }
            if (tasks_.stopping()) co_return;   // told after the next start, if it was not
        }
        finish(pending);
    }
}

net::awaitable<std::string> Alarms::post(Notice notice, bool& taken, bool& refused) {
    const std::shared_ptr<const AlarmOutputs> outputs = outputs_;
    delivery::HttpsRequest request(*outputs->webhook);
    request.content_type = "application/json";
    request.body = alarm_text(outputs->server, notice);
    request.fields.emplace_back(kSignatureField, signature_of(outputs->secrets, wall_now(), request.body));
    request.limit = kWebhookLimit;
    request.max_answer = kMaxAlarmAnswer;
    if (!tls_) tls_ = std::make_shared<net::ClientTls>(outputs->ca_file);
    const std::shared_ptr<net::ClientTls> tls = tls_;
    const delivery::HttpsAnswer answer = co_await delivery::https_request(std::move(request), resolver_, *tls, tasks_);
    const Reception reception = reception_of(answer, wall_now());
    taken = reception.kind == Reception::Kind::taken;
    refused = !taken && reception.kind != Reception::Kind::later;
    co_return reception.words;
}

net::awaitable<void> Alarms::post_webhook() {
    while (!tasks_.stopping()) {
        if (webhook_line_.empty()) {
            co_await webhook_wake_.wait();
            continue;
        }
        const PendingPtr pending = webhook_line_.front();
        bool taken = !outputs_->webhook, refused = false;
        std::string words;
        try {
            if (!taken) words = co_await post(pending->notice, taken, refused);
        } catch (const std::exception& failure) {
            words = failure.what();
        }
        if (tasks_.stopping()) co_return;
        pending->tries += 1;
        const bool given_up = !taken && pending->tries >= (refused ? Courier::kTries : kWebhookTries);
        if (!taken)
            log::warning("alarm_webhook").kv("alarm", pending->notice.alarm.kind).kv("subject", pending->notice.alarm.subject)
                .kv("reply", words).kv("meaning", given_up ? "given up until it is repeated" : "tried again");
        if (taken || given_up) {
            if (given_up) failed_ += 1;
            // Meanwhile a full line may have let it go.
            if (!webhook_line_.empty() && webhook_line_.front() == pending) {
                webhook_line_.pop_front();
                finish(pending);
            }
            continue;
        }
        const auto seconds = std::min(5 << std::min(pending->tries - 1, 7U), 600);
        const SteadyTime again = steady_clock::now() + std::chrono::seconds(seconds);
        // New alarms do not hasten the old one: the receiver is down for all of them. New settings do.
        const std::shared_ptr<const AlarmOutputs> outputs = outputs_;
        while (!tasks_.stopping() && outputs == outputs_ && steady_clock::now() < again) co_await webhook_wake_.wait_until(again);
    }
}

void Alarms::test(UniqueFunction<void(AlarmTest)> done) { tasks_.spawn(run_test(std::move(done))); }

net::awaitable<void> Alarms::run_test(UniqueFunction<void(AlarmTest)> done) {
    AlarmTest result;
    Notice notice;
    notice.alarm.kind = delivery::alarm_kind::kTest;
    notice.alarm.subject = "test";
    notice.alarm.text = "This is a test: the operator wants to know whether alarms arrive.";
    notice.state = NoticeState::test;
    notice.since = notice.at = wall_now();
    log_notice(notice);
    result.lines.push_back("log: written");
    if (outputs_->options.command.empty()) {
        result.lines.push_back("command: none (alarm.command)");
    } else {
        const net::CommandEnd end = co_await run(notice);
        result.fine = result.fine && end.fine();
        result.lines.push_back("command: " + end.words() + (end.output.empty() ? "" : ", it said: " + end.output.substr(0, kLoggedOutput)));
    }
    if (!outputs_->webhook) {
        result.lines.push_back("webhook: none (alarm.webhook)");
    } else {
        bool taken = false, refused = false;
        const std::string words = co_await post(notice, taken, refused);
        result.fine = result.fine && taken;
        result.lines.push_back("webhook: " + words);
    }
    done(std::move(result));
}

}  // namespace posthorn::events
