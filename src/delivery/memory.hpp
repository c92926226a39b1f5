// What delivery remembers over a restart though it could learn it anew: a small key-value file beside the queue.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::delivery {

struct Remembered {
    std::string key;
    std::string value;                         // opaque octets
    TimePoint expires{};
};

// Owned by app::Daemon; any thread. Losing it costs time, never mail: a damaged file is moved aside and begun anew, a disk
// that fails is said once in the log, and nobody waits for a write. Writes are gathered and go to disk in one transaction on
// the pool; a kill -9 may lose those of the last second or so.
//
// Kinds are short words, each with a bound of its own: beyond it, what would expire first goes.
class DeliveryMemory {
public:
    static constexpr std::size_t kMaxOfKind = 50000;
    static constexpr std::size_t kMaxPending = 100000;    // writes not yet on disk; more are let go
    static constexpr std::size_t kMaxValue = 256 * 1024;  // octets; a larger value is not remembered

    // <directory>/delivery.sqlite; opens, or begins, the file. The pool outlives this.
    DeliveryMemory(const std::string& directory, boost::asio::thread_pool& pool);
    ~DeliveryMemory();                         // as stop()
    DeliveryMemory(const DeliveryMemory&) = delete;
    DeliveryMemory& operator=(const DeliveryMemory&) = delete;

    // What has not expired, with writes of this process that are still on their way. Reads the disk: for the start.
    [[nodiscard]] std::vector<Remembered> load(std::string_view kind, TimePoint now = wall_now());
    void put(std::string_view kind, std::string key, std::string value, TimePoint expires);
    void erase(std::string_view kind, std::string key);

    // As put(), and returns when it is in the file, safe from kill -9 (a power cut may take the last writes). False: it is not.
    // Blocks: on a pool thread.
    [[nodiscard]] bool put_now(std::string_view kind, std::string key, std::string value, TimePoint expires);
    // Writes what is on its way; then nothing more is taken. Blocks; idempotent.
    void stop();

private:
    struct State;
    std::shared_ptr<State> state_;             // shared with the write that is under way on the pool
};

}  // namespace posthorn::delivery
