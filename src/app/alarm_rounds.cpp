// The rounds.
#include "app/alarm_rounds.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

#include "auth/dkim/published_key.hpp"
#include "auth/dkim/record.hpp"
#include "base/log.hpp"
#include "net/callback.hpp"
#include "net/offload.hpp"

namespace posthorn::app {
namespace {

using std::chrono::steady_clock;

// After a start so much of the journal is looked at: enough for the last hour of a busy server.
constexpr std::uint64_t kLookBack = 20'000;
constexpr std::size_t kMostPages = 20;

std::optional<std::uint64_t> free_space(const std::string& directory) {
    struct statvfs status {};
    if (::statvfs(directory.c_str(), &status) != 0) return std::nullopt;
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

}  // namespace

AlarmRounds::AlarmRounds(net::asio::io_context& home, queue::QueueStore& store, dns::Resolver& resolver, net::asio::thread_pool& disk,
                         events::Alarms& alarms, AlarmSources sources)
    : store_(store),
      resolver_(resolver),
      disk_(disk),
      alarms_(alarms),
      sources_(std::move(sources)),
      tasks_(home.get_executor(), "alarm rounds"),
      wake_(home.get_executor()) {}

void AlarmRounds::start(events::AlarmOptions options, queue::QueueOptions queue) {
    options_ = std::move(options);
    queue_ = std::move(queue);
    figures_.started = wall_now();
    tasks_.spawn(rounds());
}

void AlarmRounds::reload(events::AlarmOptions options, queue::QueueOptions queue) {
    options_ = std::move(options);
    queue_ = std::move(queue);
    keys_asked_ = {};   // keys may be others now, and their records, too
    coming_.reset();
}

void AlarmRounds::stop() {
    tasks_.request_stop();
    wake_.notify();
}

net::awaitable<void> AlarmRounds::rounds() {
    // An alarm that outlived the last daemon is not taken back before the keys have been looked for again.
    if (!coming_) {
        const SteadyTime first = steady_clock::now() + options_.interval;
        co_await wake_.wait_until(first);
    }
    while (!tasks_.stopping()) {
        try {
            co_await look();
        } catch (const std::exception& failure) {
            log::error("alarm").kv("error", failure.what());   // out of memory: the next round may fare better
        }
        const SteadyTime next = steady_clock::now() + options_.interval;
        co_await wake_.wait_until(next);
    }
}

net::awaitable<void> AlarmRounds::look() {
    co_await read_journal();
    auto measure = [directory = queue_.directory] { return free_space(directory); };
    std::optional<std::uint64_t> free = co_await net::offload(disk_, std::move(measure));
    const SteadyTime now = steady_clock::now();
    if (options_.key_check == Duration::zero()) figures_.keys.clear();
    else if (keys_asked_ == SteadyTime{} || now - keys_asked_ >= options_.key_check) co_await ask_for_keys();
    if (tasks_.stopping()) co_return;
    figures_.now = wall_now();
    figures_.disk_free = free;
    figures_.queue_directory = queue_.directory;
    figures_.min_free_space = queue_.min_free_space;
    figures_.queued = store_.health().recipients;
    figures_.oldest = sources_.agent().oldest;
    figures_.providers = success_.shares(figures_.now);
    figures_.certificates = sources_.certificates();
    figures_.users_at_limit = sources_.users_at_limit();
    std::vector<std::string> raised;
    for (const events::RaisedAlarm& one : alarms_.raised()) raised.push_back(one.alarm.kind + " " + one.alarm.subject);
    std::vector<std::string_view> kinds(events::kFigureKinds.begin(), events::kFigureKinds.end());
    std::vector<events::Figures::KeyTrouble> signing = figures_.keys;   // they are asked for less often, and stay till then
    if (!coming_) {
        // This look began before the reload, or their own has not ended: of keys nothing is known that holds.
        std::erase(kinds, delivery::alarm_kind::kKeyUnpublished);
        figures_.keys.clear();
    } else if (options_.key_check > Duration::zero()) {
        figures_.keys.insert(figures_.keys.end(), coming_->begin(), coming_->end());
    }
    alarms_.set(kinds, events::alarms_of(figures_, options_, raised));
    figures_.keys = std::move(signing);
}

net::awaitable<void> AlarmRounds::read_journal() {
    const std::uint64_t last = store_.health().journal_last;
    if (!read_any_) read_to_ = last - std::min(last, kLookBack);
    read_any_ = true;
    if (read_to_ > last) read_to_ = 0;   // another queue
    for (std::size_t page_number = 0; page_number < kMostPages && read_to_ < last && !tasks_.stopping(); ++page_number) {
        queue::JournalQuery query;
        query.after = read_to_;
        query.limit = queue::JournalQuery::kMost;
        query.details = false;
        auto ask = [this, query](auto done) mutable { store_.journal(query, std::move(done)); };
        const auto page = co_await net::callback_result<queue::StoreResult<queue::JournalPage>>(std::move(ask));
        if (!page || page->looked_to <= read_to_) co_return;
        for (const queue::JournalEntry& entry : page->entries) {
            success_.note(entry);
            if (entry.event == "delivered" && entry.at > figures_.last_delivery.value_or(TimePoint{})) figures_.last_delivery = entry.at;
        }
        read_to_ = page->looked_to;
    }
}

// What DNS could not answer stays as it was found last.
net::awaitable<void> AlarmRounds::ask_for_keys() {
    keys_asked_ = steady_clock::now();
    const auth::dkim::KeyTablePtr table = sources_.keys();
    const std::vector<events::Figures::KeyTrouble> before = std::move(figures_.keys);
    figures_.keys.clear();
    const std::vector<std::string> domains = table->domains();
    for (const std::string& domain : domains) {
        const auth::dkim::Selection selection = table->select(domain);
        for (const auth::dkim::SigningIdentity& identity : selection.identities) {
            if (tasks_.stopping()) co_return;
            const std::string name = identity.selector + "._domainkey." + identity.domain;
            const dns::TxtAnswer answer = co_await resolver_.txt(name);
            if (answer.status == dns::Status::temporary) {
                for (const auto& known : before)
                    if (known.name == name) figures_.keys.push_back(known);
                continue;
            }
            const auth::dkim::KeyFinding finding = auth::dkim::compare(answer.texts, *identity.key);
            if (finding.state == auth::dkim::KeyState::same) continue;
            const auth::DnsRecord record = auth::dkim::key_record(identity.domain, identity.selector, *identity.key);
            figures_.keys.push_back({name, finding.words, zone_file(record)});
        }
    }
}

}  // namespace posthorn::app
