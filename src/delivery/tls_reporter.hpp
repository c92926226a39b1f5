// Sends the reports of RFC 8460 when a day is over, and keeps what was counted from getting lost until then.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "base/queue_id.hpp"
#include "base/unique_function.hpp"
#include "delivery/memory.hpp"
#include "delivery/options.hpp"
#include "delivery/tls_report.hpp"
#include "delivery/tls_report_text.hpp"
#include "net/asio.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"
#include "queue/store.hpp"

namespace posthorn::dns {
class Resolver;
}
namespace posthorn::net {
class ClientTls;
}

namespace posthorn::delivery {

// What became of the domains whose day was over.
struct ReportRun {
    std::size_t sent = 0;                      // reports handed to the queue or taken by an https: receiver
    std::size_t unwanted = 0;                  // domains that ask for no reports
    std::size_t later = 0;                     // domains to be tried again: DNS, queue or receiver had trouble
    bool finished = true;                      // false: it goes on
};

// A report goes out at most once, also over kill -9: what is about to be handed over is marked in DeliveryMemory first, and the
// mark is on disk before the report leaves. So a crash just between the two loses one report of one day, and never doubles one.
// An https: receiver that answered with an error has not taken it: then the mark goes again, and it is tried hourly for a day.
//
// Owned by app::Daemon, on the home shard; what is given to it outlives it. Idle but for counting where no contact is set.
class TlsReporter {
public:
    static constexpr std::string_view kResultsKind = "tls-report";     // in DeliveryMemory
    static constexpr std::string_view kSentKind = "tls-sent";
    static constexpr Duration kPatience = std::chrono::seconds(20);

    using Put = std::function<void(queue::NewMessage, queue::Done<queue::Added>)>;   // the queue's front door
    using Done = UniqueFunction<void(Result<ReportRun>)>;

    TlsReporter(boost::asio::io_context& home, dns::Resolver& resolver, boost::asio::thread_pool& disk, DeliveryMemory& memory,
                TlsResults& results, Put put);
    ~TlsReporter();
    TlsReporter(const TlsReporter&) = delete;
    TlsReporter& operator=(const TlsReporter&) = delete;

    // From start() and reload() on: reads what is remembered, writes down every minute, sends when it is time.
    void start(const std::string& hostname, const DeliveryOptions& options);
    void reload(const std::string& hostname, const DeliveryOptions& options);
    // Writes down what was counted, begins nothing more. After the agent's deliveries have ended.
    void stop();
    [[nodiscard]] net::awaitable<bool> wait_idle(SteadyTime limit) { return tasks_.wait_idle(limit); }
    [[nodiscard]] std::size_t unfinished() const { return tasks_.size(); }

    // For an operator: the reports of all days that are over, or of one, now and not after the random delay. `done` is called
    // when that is finished, or after kPatience. Errors: no contact is set, the day is not over, a run is under way.
    void send_now(std::optional<Day> day, Done done);
    // The JSON of the report as it would be sent now. Errors: nothing is known of that domain and day.
    [[nodiscard]] Result<std::string> preview(Day day, const std::string& domain) const;

private:
    struct Run;
    using RunPtr = std::shared_ptr<Run>;

    net::awaitable<void> rounds();
    net::awaitable<void> answer_when_finished(RunPtr run, Done done);
    net::awaitable<void> work(RunPtr run);
    net::awaitable<void> report(Day day, std::string domain, RunPtr run);
    net::awaitable<bool> hand_over(const TlsDay& day, const ReportAddress& to);
    net::awaitable<bool> mail(const TlsDay& day, const ReportAddress& to);
    net::awaitable<bool> post(const TlsDay& day, const ReportAddress& to);
    RunPtr begin(const std::vector<Day>& days);
    void end(Run& run);
    void look_for_ended_days();
    void write_down();
    void forget(Day day, const std::string& domain);

    dns::Resolver& resolver_;
    boost::asio::thread_pool& disk_;
    DeliveryMemory& memory_;
    TlsResults& results_;
    Put put_;
    DeliveryOptions options_;
    Reporter who_;
    std::shared_ptr<net::ClientTls> tls_;      // while a run needs it
    RunPtr run_;                               // under way
    std::map<Day, TimePoint> due_;             // when each day's reports go out, or are tried again
    ReportBudget budget_;
    std::map<Day, std::set<std::string>> sent_;          // marks: "DOMAIN URI"
    std::minstd_rand random_;
    QueueIdSource ids_;
    net::asio::any_io_executor executor_;
    net::TaskGroup tasks_;
    net::Signal wake_;                         // of rounds(): the end
};

}  // namespace posthorn::delivery
