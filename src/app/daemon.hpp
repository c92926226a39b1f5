// The running daemon: builds the parts in order, carries signals and reloads to them, and takes them down in order.
#pragma once

#include <memory>
#include <string>

#include "admin/server.hpp"
#include "app/bound_view.hpp"
#include "app/certificate_rounds.hpp"
#include "app/examination_desk.hpp"
#include "app/heartbeat.hpp"
#include "app/herald.hpp"
#include "app/history_rounds.hpp"
#include "app/key_rounds.hpp"
#include "app/pickup.hpp"
#include "app/plan.hpp"
#include "app/post_office.hpp"
#include "app/queue_flush.hpp"
#include "app/rule_rounds.hpp"
#include "app/sandbox_plan.hpp"
#include "app/vital_signs.hpp"
#include "app/why_desk.hpp"
#include "app/suspended_mail.hpp"
#include "base/result.hpp"
#include "delivery/agent.hpp"
#include "delivery/memory.hpp"
#include "delivery/sts_policies.hpp"
#include "delivery/tls_report.hpp"
#include "delivery/tls_reporter.hpp"
#include "dns/resolver.hpp"
#include "net/shard.hpp"
#include "net/task_group.hpp"
#include "queue/store.hpp"
#include "smtp/server/server.hpp"

namespace posthorn::app {

// Owned by serve(), on the main thread, which becomes the home shard in run(). Owns everything below; ARCHITECTURE.md says
// in which order it goes.
class Daemon {
public:
    // REQUIRES: the plan has no problems.
    Daemon(std::string config_path, Plan plan, std::unique_ptr<queue::QueueStore> store, Confined confined);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    // Binds all addresses. The error says which one could not be had, and what to do.
    [[nodiscard]] Result<void> open();
    // Serves until SIGTERM or SIGINT and the staged end that follows it.
    void run();

private:
    void wait_for_signal();
    void flush_log();
    [[nodiscard]] Result<void> reload();
    // A socket that nobody asked for only warns when it cannot be opened.
    [[nodiscard]] Result<void> open_unix_doors();
    void reload_and_log();
    [[nodiscard]] AlarmSources alarm_sources();
    [[nodiscard]] admin::Daemon lend();                    // what the admin interface may ask and order: daemon_admin.cpp
    void use(std::shared_ptr<const net::ServerTls> tls);   // from the next connection on
    void use_rules(std::shared_ptr<const delivery::ProviderRules> rules);   // from the next delivery on
    void use_keys(auth::dkim::KeyTablePtr keys);           // from the next signature on
    void follow_files();                                   // that are read anew when they change
    void serve_spools();                                   // those that the plan names
    void begin_shutdown();
    net::awaitable<void> shut_down();
    void dismantle();
    [[nodiscard]] std::size_t unfinished() const;          // coroutines that did not end; their frames refer to the parts
    [[nodiscard]] std::string status_json() const;
    [[nodiscard]] std::string status_line() const;        // for systemctl status
    [[nodiscard]] std::vector<Metric> metrics() const;
    [[nodiscard]] std::vector<BoundUse> bound_uses() const;
    [[nodiscard]] MinuteFigures mail_totals() const;      // for the history, and the queue as the doctor judges it: daemon_figures.cpp
    [[nodiscard]] doctor::QueueFact queue_fact() const;

    std::string config_path_;
    Plan plan_;
    Confined confined_;
    net::IoShard home_;
    net::asio::thread_pool crypto_;                        // signatures
    net::asio::thread_pool passwords_;                     // apart, so that guessers do not delay signatures
    net::asio::thread_pool disk_;
    std::unique_ptr<queue::QueueStore> store_;
    std::unique_ptr<dns::Resolver> resolver_;
    std::unique_ptr<delivery::DeliveryMemory> memory_;
    std::unique_ptr<Herald> herald_;
    delivery::TlsResults tls_results_;
    std::unique_ptr<delivery::StsPolicies> sts_;
    std::unique_ptr<delivery::DeliveryAgent> agent_;
    std::unique_ptr<PostOffice> post_office_;
    std::unique_ptr<delivery::TlsReporter> tls_reporter_;
    std::unique_ptr<SuspendedMail> suspended_mail_;
    std::unique_ptr<QueueFlush> flush_;
    std::unique_ptr<WhyDesk> why_;
    std::unique_ptr<HistoryRounds> history_;
    std::unique_ptr<ExaminationDesk> examinations_;
    std::unique_ptr<VitalSigns> vitals_;
    std::unique_ptr<smtp::server::Server> server_;
    std::unique_ptr<Pickup> pickup_;
    std::unique_ptr<admin::AdminServer> admin_;
    std::unique_ptr<net::TaskGroup> stages_;               // the steps of the end that run side by side
    std::unique_ptr<net::asio::signal_set> signals_;
    std::unique_ptr<net::asio::steady_timer> flush_timer_;
    std::unique_ptr<Heartbeat> heartbeat_;
    std::unique_ptr<CertificateRounds> certificates_;
    std::unique_ptr<RuleRounds> rule_rounds_;
    std::unique_ptr<KeyRounds> key_rounds_;
    const SteadyTime started_ = std::chrono::steady_clock::now();
    bool stopping_ = false;
};

}  // namespace posthorn::app
