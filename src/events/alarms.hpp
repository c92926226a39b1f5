// Alarms on their way out: the book of what is raised, and its outputs: log, command, webhook.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_function.hpp"
#include "base/web_address.hpp"
#include "delivery/alarm.hpp"
#include "events/alarm_book.hpp"
#include "events/options.hpp"
#include "net/asio.hpp"
#include "net/command.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"

namespace posthorn::delivery {
class DeliveryMemory;
}
namespace posthorn::dns {
class Resolver;
}
namespace posthorn::net {
class ClientTls;
}

namespace posthorn::events {

// Where alarms go, ready for use: files are read.
struct AlarmOutputs {
    AlarmOptions options;
    std::string server;                      // our host name
    std::optional<WebAddress> webhook;
    std::vector<std::string> secrets;
    std::string ca_file;
};

// What came back of a test alarm, one line each: "command: exit status 0, ...".
struct AlarmTest {
    bool fine = true;
    std::vector<std::string> lines;
};

struct AlarmFigures {
    std::size_t raised = 0;
    std::uint64_t told = 0;       // notices that went out by all outputs, since the start
    std::uint64_t failed = 0;     // that an output gave up
    std::size_t waiting = 0;      // notices that an output is not done with
};

// Lives on the home shard; raise() and clear() from any thread. The log is told at once; command and webhook one notice after the
// other, each at its own pace, at most kMostWaiting waiting for each. What is raised is remembered over a restart; what was
// not told by then is told after it.
class Alarms final : public delivery::AlarmSink {
public:
    static constexpr std::size_t kMostWaiting = 100;
    static constexpr unsigned kWebhookTries = 20;

    Alarms(net::asio::io_context& home, delivery::DeliveryMemory& memory, dns::Resolver& resolver);
    ~Alarms() override;

    void start(AlarmOutputs outputs);        // loads what was raised before
    void reload(AlarmOutputs outputs);
    void stop();
    net::awaitable<bool> wait_idle(SteadyTime limit) { return tasks_.wait_idle(limit); }
    [[nodiscard]] std::size_t unfinished() const { return tasks_.size(); }
    void join();                             // the thread of the command; before the context is destroyed

    void raise(delivery::Alarm alarm) override;
    void clear(std::string_view kind, std::string_view subject) override;

    // On the home shard. Of these kinds `current` is all there is: the others are over.
    void set(const std::vector<std::string_view>& kinds, std::vector<delivery::Alarm> current);
    [[nodiscard]] std::vector<RaisedAlarm> raised() const;
    [[nodiscard]] AlarmFigures figures() const;
    void test(UniqueFunction<void(AlarmTest)> done);

private:
    struct Pending;
    using PendingPtr = std::shared_ptr<Pending>;

    void tell(Notice notice);
    void finish(const PendingPtr& pending);
    void failed_in(std::string_view output, const std::exception& failure);
    void queue(std::deque<PendingPtr>& line, const PendingPtr& pending, std::string_view output);
    void log_notice(const Notice& notice) const;
    void keep(const AlarmBook::Name& name);
    [[nodiscard]] net::CommandRun command_run(const Notice& notice) const;
    net::awaitable<net::CommandEnd> run(Notice notice);
    net::awaitable<std::string> post(Notice notice, bool& taken, bool& refused);
    net::awaitable<void> rounds();
    net::awaitable<void> run_commands();
    net::awaitable<void> post_webhook();
    net::awaitable<void> run_test(UniqueFunction<void(AlarmTest)> done);

    net::asio::any_io_executor executor_;
    delivery::DeliveryMemory& memory_;
    dns::Resolver& resolver_;
    net::asio::thread_pool commands_{1};
    net::TaskGroup tasks_;
    net::Signal tick_, command_wake_, webhook_wake_;
    std::shared_ptr<const AlarmOutputs> outputs_;
    std::shared_ptr<net::ClientTls> tls_;
    AlarmBook book_;
    std::deque<PendingPtr> command_line_, webhook_line_;
    std::uint64_t told_ = 0, failed_ = 0;
    std::shared_ptr<std::atomic<bool>> give_up_ = std::make_shared<std::atomic<bool>>(false);   // of a command that runs at the end
};

}  // namespace posthorn::events
