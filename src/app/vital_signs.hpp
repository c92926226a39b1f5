// How the process and its machine are: memory, descriptors, the disk's free space, how promptly the home shard turns.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/histogram.hpp"
#include "base/metric.hpp"
#include "base/unique_function.hpp"
#include "net/asio.hpp"
#include "queue/store.hpp"

namespace posthorn::app {

// Lives on the home shard. What takes time (the file system's free space, the count of recipients that are held) is looked at every
// kLookInterval, elsewhere, and shown as of then. store and disk outlive it, or are stopped before the shard is destroyed.
class VitalSigns {
public:
    static constexpr std::chrono::seconds kLookInterval{15};

    VitalSigns(net::asio::io_context& home, net::asio::thread_pool& disk, queue::QueueStore& store, std::string queue_directory);
    ~VitalSigns();
    VitalSigns(const VitalSigns&) = delete;
    VitalSigns& operator=(const VitalSigns&) = delete;

    void start();
    void stop();
    // Writes to the disk and takes it away again; done() is called on the home shard with why mail could not be stored there now (too
    // little is free, what was written did not arrive), or with nothing. Who asks during a try has its answer.
    void try_disk(std::uint64_t min_free_space, UniqueFunction<void(std::string)> done);

    // A timer of the home shard was so late: that long everybody else there waited, too.
    void late_by(std::chrono::nanoseconds delay) { lateness_.observe(delay); }

    // Reads /proc/self.
    [[nodiscard]] std::vector<Metric> metrics() const;

private:
    struct Seen;   // what the looks found; shared with those under way
    void look();

    net::asio::io_context& home_;
    net::asio::thread_pool& disk_;
    queue::QueueStore& store_;
    const std::string directory_;
    net::asio::steady_timer timer_;
    std::shared_ptr<Seen> seen_;
    Histogram lateness_{kMachineSeconds};
};

}  // namespace posthorn::app
