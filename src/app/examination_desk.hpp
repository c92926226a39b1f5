// Examines our domains for the dashboard: the doctor's visit and the look for records, on a thread of their own, so that mail waits for neither.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "admin/server.hpp"
#include "base/result.hpp"
#include "base/unique_function.hpp"
#include "doctor/machine.hpp"
#include "net/asio.hpp"

namespace posthorn::app {

// One examination, as its thread is given it.
struct ExaminationOrder {
    std::string config_path;
    std::string domain;          // A-labels, lower case
    doctor::QueueFact queue;     // of the running daemon, which is asking
    std::chrono::seconds limit{25};
    std::stop_token stop;        // ends it within a second

    ExaminationOrder() = default;
};

// The same as `posthorn doctor --domain D --json` and `posthorn dns show D --json` print, of the configuration as the file has it now. On any thread;
// they block. The error says why there is nothing to tell.
[[nodiscard]] Result<std::string> doctor_report(const ExaminationOrder& order);    // doctor.cpp
[[nodiscard]] Result<std::string> domain_records(const ExaminationOrder& order);   // commands_dns.cpp

// Owned by the daemon, on the home shard. One examination at a time; who asks for the same gets the same answer, and what was found is told again
// for a minute.
class ExaminationDesk {
public:
    using Done = UniqueFunction<void(admin::Examined)>;
    static constexpr std::size_t kMostWaiting = 4;   // different ones; who asks for more is answered 503
    static constexpr std::size_t kMostKept = 64;     // answers
    static constexpr Duration kFresh = std::chrono::minutes(1);

    // domains: those of the configuration in force. queue: the fact that the doctor judges.
    ExaminationDesk(net::asio::io_context& home, std::string config_path, std::function<std::vector<std::string>()> domains,
                    std::function<doctor::QueueFact()> queue);
    ~ExaminationDesk();
    ExaminationDesk(const ExaminationDesk&) = delete;
    ExaminationDesk& operator=(const ExaminationDesk&) = delete;

    // `done` is called on the home shard, not within the call; not at all once stop() was called.
    void examine(std::string domain, Done done) { ask({Kind::doctor, std::move(domain)}, std::move(done)); }
    void records(std::string domain, Done done) { ask({Kind::records, std::move(domain)}, std::move(done)); }
    // {"domains": [{"name", "examined_at", "verdict", "counts"}]}: the latter as the doctor told them last, or null.
    [[nodiscard]] std::string domains_json() const;

    void stop();   // ends what is under way
    void join();   // its thread, within a second; after stop()

private:
    enum class Kind : std::uint8_t { doctor, records };
    using Question = std::pair<Kind, std::string>;
    struct Kept {
        SteadyTime at{};
        admin::Examined answer;
    };
    struct LastVisit {
        TimePoint at{};
        std::string summary;   // members of a JSON object: the report's verdict and counts
    };

    void ask(Question question, Done done);
    [[nodiscard]] bool is_ours(const std::string& domain) const;
    void begin_next();
    void ended(const Question& question, admin::Examined answer);
    void remember(const std::string& domain, const std::string& report);

    net::asio::io_context& home_;
    std::string config_path_;
    std::function<std::vector<std::string>()> domains_;
    std::function<doctor::QueueFact()> queue_;
    std::unique_ptr<net::asio::thread_pool> thread_;          // made for the first question
    std::stop_source stop_;
    std::deque<std::pair<Question, std::vector<Done>>> waiting_;   // the first is under way
    std::map<Question, Kept> kept_;
    std::map<std::string, LastVisit> visits_;
};

}  // namespace posthorn::app
