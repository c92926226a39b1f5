// Writes the history down, minute by minute, and answers for it.
#pragma once

#include <functional>
#include <string>

#include "app/history.hpp"
#include "delivery/memory.hpp"
#include "net/asio.hpp"
#include "queue/store.hpp"

namespace posthorn::app {

// Owned by the daemon, on the home shard; what it refers to outlives it. A row is one write of delivery's memory a minute; kill -9 loses the minute
// under way. Providers come from the journal's entries of the minute, so where that is off there are none.
class HistoryRounds {
public:
    // Since the process began, but for `waiting` and `oldest`, which are of now.
    using Totals = std::function<MinuteFigures()>;

    HistoryRounds(net::asio::io_context& home, queue::QueueStore& store, delivery::DeliveryMemory& memory, Totals totals);

    void start();   // reads what was written before
    // Writes the minute under way; before the memory's stop().
    void stop();
    // Of the last `span`, in steps of so many minutes (docs/DASHBOARD.md).
    [[nodiscard]] std::string json(Duration span, std::uint32_t step_minutes) const;

private:
    void arm();
    void turn();   // a minute is over
    [[nodiscard]] MinuteFigures since_last() const;
    void keep(History::Minute minute, MinuteFigures figures);

    net::asio::io_context& home_;
    queue::QueueStore& store_;
    delivery::DeliveryMemory& memory_;
    Totals totals_;
    net::asio::steady_timer timer_;
    History history_;
    MinuteFigures before_;              // totals at the end of the last row
    History::Minute running_{};         // the minute that the next row is of
    bool stopped_ = true;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);   // false after stop(): what the store answers then is not wanted
};

}  // namespace posthorn::app
