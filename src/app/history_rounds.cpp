// The rounds: at each full minute a row, made of the totals' growth and of the journal's entries.
#include "app/history_rounds.hpp"

#include <utility>

namespace posthorn::app {
namespace {

constexpr std::string_view kHistoryKind = "history";
constexpr std::size_t kMostTallied = 50'000;   // entries of the journal in a minute; of a fuller one the last

}  // namespace

HistoryRounds::HistoryRounds(net::asio::io_context& home, queue::QueueStore& store, delivery::DeliveryMemory& memory, Totals totals)
    : home_(home), store_(store), memory_(memory), totals_(std::move(totals)), timer_(home) {}

void HistoryRounds::start() {
    for (const delivery::Remembered& item : memory_.load(kHistoryKind))
        if (auto row = History::read(item.key, item.value)) history_.add(row->first, std::move(row->second));
    running_ = History::minute_of(wall_now());
    stopped_ = false;
    arm();
}

void HistoryRounds::stop() {
    if (std::exchange(stopped_, true)) return;
    timer_.cancel();
    *alive_ = false;
    keep(running_, since_last());
}

void HistoryRounds::arm() {
    const TimePoint now = wall_now();
    timer_.expires_after(History::minute_of(now) + std::chrono::minutes(1) - now);
    timer_.async_wait([this](const net::error_code& error) {
        if (!error && !stopped_) turn();
    });
}

void HistoryRounds::turn() {
    const History::Minute minute = running_;
    const TimePoint now = wall_now();
    if (History::minute_of(now) == minute) {   // the wall's clock goes a little slower than ours
        arm();
        return;
    }
    keep(minute, since_last());
    before_ = totals_();
    running_ = History::minute_of(now);
    arm();
    queue::TallyQuery query;
    query.since = TimePoint(minute);
    query.recent = TimePoint(running_);
    query.scan = kMostTallied;
    store_.tally(query, [this, alive = alive_, minute](queue::StoreResult<queue::TallyPage> page) {
        net::asio::post(home_, [this, alive, minute, page = std::move(page)] {
            if (!*alive || !page) return;
            MinuteFigures figures;
            for (const queue::TallyRow& row : page->rows) {
                MinuteFigures::Group group;   // entries since the minute's end are the next row's
                group.delivered = row.all.delivered - row.recent.delivered;
                group.deferred = row.all.deferred - row.recent.deferred;
                group.failed = row.all.failed - row.recent.failed;
                if (group != MinuteFigures::Group{}) figures.groups[row.group] = group;
            }
            if (!figures.groups.empty()) keep(minute, std::move(figures));
        });
    });
}

MinuteFigures HistoryRounds::since_last() const {
    MinuteFigures figures = totals_();
    figures.accepted -= before_.accepted;
    figures.delivered -= before_.delivered;
    figures.deferred -= before_.deferred;
    figures.failed -= before_.failed;
    return figures;
}

void HistoryRounds::keep(History::Minute minute, MinuteFigures figures) {
    const MinuteFigures& row = history_.add(minute, std::move(figures));
    memory_.put(kHistoryKind, History::key_of(minute), History::write(row), TimePoint(minute + History::kKept));
}

std::string HistoryRounds::json(Duration span, std::uint32_t step_minutes) const {
    return history_.json(wall_now(), span, step_minutes, since_last());
}

}  // namespace posthorn::app
