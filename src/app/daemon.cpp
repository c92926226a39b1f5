// Composition, signals, reload and the staged end.
#include "app/daemon.hpp"

#include "delivery/configured_rules.hpp"
#include "delivery/routing.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <thread>
#include <utility>

#include "app/route_view.hpp"
#include "app/certificates.hpp"
#include "app/service_manager.hpp"
#include "base/log.hpp"

namespace posthorn::app {
namespace {

constexpr Duration kFlushInterval = std::chrono::milliseconds(100);
constexpr Duration kReportDeadline = std::chrono::seconds(30);   // for a TLS report to be stored

// Signatures wait for a core, not for each other: as many threads as the shard leaves.
unsigned crypto_threads() { return std::max(1U, std::thread::hardware_concurrency() - 1U); }

}  // namespace

Daemon::Daemon(std::string config_path, Plan plan, std::unique_ptr<queue::QueueStore> store, Confined confined)
    : config_path_(std::move(config_path)),
      plan_(std::move(plan)),
      confined_(std::move(confined)),
      home_("posthorn"),
      crypto_(crypto_threads()),
      passwords_(1),
      disk_(1),
      store_(std::move(store)) {}

Daemon::~Daemon() { dismantle(); }

Result<void> Daemon::open() {
    net::asio::io_context& context = home_.context();
    Result<std::unique_ptr<dns::Resolver>> resolver = dns::Resolver::create(home_.executor(), plan_.config.dns);
    if (!resolver) return resolver.error();
    resolver_ = std::move(*resolver);
    memory_ = std::make_unique<delivery::DeliveryMemory>(plan_.config.queue.directory, disk_);
    sts_ = std::make_unique<delivery::StsPolicies>(context, *resolver_, *memory_, tls_results_, plan_.config.delivery);
    agent_ = std::make_unique<delivery::DeliveryAgent>(context, *store_, *resolver_, crypto_, plan_.settings);
    herald_ = std::make_unique<Herald>(context, *store_, *resolver_, *memory_, disk_, alarm_sources());
    agent_->use(delivery::Learnt{sts_.get(), &tls_results_, memory_.get(), &herald_->alarms()});
    post_office_ = std::make_unique<PostOffice>(context, *store_, *agent_);
    tls_reporter_ = std::make_unique<delivery::TlsReporter>(
        context, *resolver_, disk_, *memory_, tls_results_, [this](queue::NewMessage report, queue::Done<queue::Added> done) {
            post_office_->put(std::move(report), std::chrono::steady_clock::now() + kReportDeadline, std::move(done));
        });
    suspended_mail_ = std::make_unique<SuspendedMail>(
        context, *store_, disk_, auth::suspensions_file(plan_.config.state_directory),
        [this](const std::vector<queue::DestinationDue>& due) { agent_->on_revised(due); });
    flush_ = std::make_unique<QueueFlush>(
        context, *store_, [this](const std::vector<queue::DestinationDue>& due) { agent_->on_revised(due); });
    // Who may not send must be known before anybody can.
    if (const Result<void> read = suspended_mail_->read(); !read) return read.error();
    agent_->heed(suspended_mail_->list());
    agent_->keep_doubts_in(plan_.config.queue.directory);
    store_->on_health_change([this](const queue::StoreHealth& health) {
        post_office_->set_open(health.healthy);
        if (health.healthy) {
            log::info("queue_healthy").kv("meaning", "mail is taken and delivered again");
        } else {
            log::error("queue_unhealthy").kv("reason", health.reason).kv("meaning", "mail is answered 452, delivery pauses");
        }
        home_.post([this, healthy = health.healthy] { agent_->on_store_health(healthy); });
    });
    stages_ = std::make_unique<net::TaskGroup>(home_.executor(), "daemon");
    server_ = std::make_unique<smtp::server::Server>(context, passwords_, disk_, *post_office_, plan_.runtime, std::random_device{}());
    server_->heed(suspended_mail_->list());
    for (const smtp::server::ListenerOptions& listener : plan_.config.server.listeners) {
        std::optional<net::BoundSocket> ready;
        for (net::BoundSocket& socket : confined_.sockets) {
            if (socket.fd && socket.endpoint == listener.address) ready = std::move(socket);
        }
        const Result<void> bound = server_->listen(listener, std::move(ready));
        if (!bound) return bound.error();
    }
    for (const net::BoundSocket& socket : confined_.sockets) {
        if (!socket.fd) continue;
        log::warning("socket_unused").kv("address", socket.endpoint.to_string())
            .kv("meaning", "the service manager opened it for us (posthorn.socket), but no [[listener]] has this address; it is closed")
            .kv("action", "name the same addresses in posthorn.socket and in posthorn.toml");
    }
    confined_.sockets.clear();
    if (const Result<void> opened = open_unix_doors(); !opened) return opened;

    pickup_ = std::make_unique<Pickup>(context, disk_, *server_, *post_office_, *store_, *agent_);

    why_ = std::make_unique<WhyDesk>(context, *store_, *agent_);
    history_ = std::make_unique<HistoryRounds>(context, *store_, *memory_, [this] { return mail_totals(); });
    const auto our_domains = [this] {
        std::vector<std::string> names;
        for (const auth::DomainOptions& domain : plan_.config.auth.domains) names.push_back(domain.name);
        return names;
    };
    examinations_ = std::make_unique<ExaminationDesk>(context, config_path_, our_domains, [this] { return queue_fact(); });
    admin_ = std::make_unique<admin::AdminServer>(context, plan_.config.admin, *store_, lend());
    signals_ = std::make_unique<net::asio::signal_set>(context, SIGTERM, SIGINT, SIGHUP);
    flush_timer_ = std::make_unique<net::asio::steady_timer>(context);
    vitals_ = std::make_unique<VitalSigns>(context, disk_, *store_, plan_.config.queue.directory);
    rule_rounds_ = std::make_unique<RuleRounds>(context, disk_, [this](std::shared_ptr<const delivery::ProviderRules> rules) {
        use_rules(std::move(rules));
    });
    key_rounds_ = std::make_unique<KeyRounds>(context, *resolver_, disk_, [this](auth::dkim::KeyTablePtr keys) { use_keys(std::move(keys)); },
                                              [this] { herald_->keys_seen(key_rounds_->missing()); });
    heartbeat_ = std::make_unique<Heartbeat>(context, *store_, [this] { return status_line(); });
    certificates_ = std::make_unique<CertificateRounds>(
        context, disk_, [this](std::shared_ptr<const net::ServerTls> tls) { use(std::move(tls)); });
    admin_->use(plan_.access);
    return admin_->start();
}

AlarmSources Daemon::alarm_sources() {
    AlarmSources sources;
    sources.agent = [this] { return agent_->figures(); };
    sources.certificates = [this] {
        std::vector<events::Figures::CertificateEnd> ends;
        if (!plan_.runtime->tls) return ends;
        for (const auto& certificate : plan_.runtime->tls->certificates()) {
            std::string names;
            for (const std::string& name : certificate->names()) names += (names.empty() ? "" : ", ") + name;
            ends.push_back({certificate->files().certificate_file, std::move(names), certificate->not_after()});
        }
        return ends;
    };
    sources.users_at_limit = [this] { return server_->users_at_limit(std::chrono::steady_clock::now()); };
    sources.keys = [this] { return plan_.settings->keys; };
    return sources;
}

Result<void> Daemon::open_unix_doors() {
    const config::Config& config = plan_.config;
    for (const smtp::server::ListenerOptions& door : unix_doors(config)) {
        // /run is empty after each boot.
        const std::string& path = door.address.unix_path;
        if (const auto slash = path.rfind('/'); slash != std::string::npos && slash != 0) {
            const std::string folder = path.substr(0, slash);
            if (::mkdir(folder.c_str(), 0755) == 0) ::chmod(folder.c_str(), 0755);   // the umask is 077
        }
        const Result<void> bound = server_->listen(door);
        if (bound) continue;
        const bool needed = path != config.server.local.socket || config.server.local.needed;
        if (needed) return bound.error();
        log::warning("no_local_socket").kv("reason", bound.error().what)
            .kv("meaning", "sendmail leaves mail in the spool, or sends it to a TCP listener, as it is told")
            .kv("action", "set local.socket to a path that the daemon can make, or to \"\"");
    }
    return {};
}

void Daemon::run() {
    home_.post([this] {
        // First of all: webhooks hear of everything that happens from here on.
        herald_->start(plan_.config, plan_.events);
        // Mail is taken at once; the agent reads the queue, however long it is, page by page beside it.
        server_->start();
        sts_->start();
        tls_reporter_->start(plan_.config.hostname, plan_.config.delivery);
        agent_->start();
        serve_spools();
        follow_files();
        key_rounds_->start(plan_.config);
        suspended_mail_->start();
        history_->start();
        wait_for_signal();
        flush_log();
        vitals_->start();
        const std::vector<Endpoint> addresses = server_->addresses();
        for (const Endpoint& address : addresses) log::info("listening").kv("address", address.to_string());
        log::info("ready").kv("pid", static_cast<std::uint64_t>(::getpid())).kv("version", POSTHORN_VERSION);
        log::flush();
        tell_service_manager("READY=1");
        heartbeat_->start();
    });
    home_.run();
    dismantle();
}

void Daemon::flush_log() {
    if (log::dirty()) log::flush();
    flush_timer_->expires_after(kFlushInterval);
    flush_timer_->async_wait([this](const net::error_code& error) {
        if (error) return;
        vitals_->late_by(std::chrono::steady_clock::now() - flush_timer_->expiry());
        flush_log();
    });
}

void Daemon::wait_for_signal() {
    signals_->async_wait([this](const net::error_code& error, int number) {
        if (error) return;
        if (number == SIGHUP) {
            reload_and_log();
        } else {
            begin_shutdown();
        }
        wait_for_signal();
    });
}

void Daemon::reload_and_log() {
    if (const Result<void> done = reload(); !done) {
        log::error("reload_failed").kv("reason", done.error().what).kv("meaning", "the old configuration stays in force");
    }
}

Result<void> Daemon::reload() {
    if (stopping_) return Error{"the daemon is ending; the next one reads the configuration when it starts"};
    const ReloadNotice notice;
    config::Loaded loaded = config::load(config_path_);
    if (!loaded.mistakes.empty()) {
        std::string all;
        for (const config::Mistake& mistake : loaded.mistakes) all += (all.empty() ? "" : "; ") + mistake.to_string();
        return Error{std::move(all)};
    }
    // First: what it does not allow would be told as a file that cannot be read.
    if (std::string beyond = beyond_sandbox(confined_, loaded.config, config_path_); !beyond.empty()) return Error{std::move(beyond)};
    if (Result<bool> made = make_due_certificate(loaded.config, wall_now()); !made) return made.error();
    Plan plan = make_plan(std::move(loaded.config), plan_.tickets);
    if (!plan.problems.empty()) {
        std::string all;
        for (const std::string& problem : plan.problems) all += (all.empty() ? "" : "; ") + problem;
        return Error{std::move(all)};
    }
    if (Result<void> read = suspended_mail_->read(); !read) return read;
    if (Result<void> dns = resolver_->reconfigure(plan.config.dns); !dns) return dns;

    for (const config::Mistake& warning : loaded.warnings) log::warning("config").kv("warning", warning.to_string());
    for (const std::string& warning : plan.warnings) log::warning("config").kv("warning", warning);
    for (const std::string& what : needs_restart(plan_.config, plan.config)) {
        log::warning("reload").kv("setting", what).kv("meaning", "changed, and needs a restart to take effect");
    }
    server_->reload(plan.runtime);
    sts_->reload(plan.config.delivery);
    tls_reporter_->reload(plan.config.hostname, plan.config.delivery);
    agent_->reload(plan.settings);
    herald_->reload(plan.config, plan.events);
    admin_->use(plan.access);
    log::configure(plan.config.log);
    // What a restart is needed for stays as it was, so that the next reload says so again.
    config::Config running = plan.config;
    running.server.listeners = plan_.config.server.listeners;
    running.server.local = plan_.config.server.local;
    running.queue.directory = plan_.config.queue.directory;
    running.queue.min_free_space = plan_.config.queue.min_free_space;
    running.queue.inbox_limit = plan_.config.queue.inbox_limit;
    running.queue.journal = plan_.config.queue.journal;
    running.admin.socket = plan_.config.admin.socket;
    running.admin.socket_mode = plan_.config.admin.socket_mode;
    running.admin.listen = plan_.config.admin.listen;
    running.admin.operators = plan_.config.admin.operators;
    running.state_directory = plan_.config.state_directory;
    running.sandbox = plan_.config.sandbox;
    plan_ = std::move(plan);
    plan_.config = std::move(running);
    serve_spools();
    follow_files();
    key_rounds_->follow(plan_.config);
    log::info("reloaded").kv("file", config_path_);
    return {};
}

void Daemon::serve_spools() {
    Pickup::Wanted wanted;
    wanted.directories = spool_directories(plan_.config.intake);
    wanted.options = plan_.config.intake.pickup;
    wanted.runtime = plan_.runtime;
    pickup_->serve(std::move(wanted));
}

void Daemon::follow_files() {
    certificates_->follow(plan_.config, plan_.tickets, plan_.runtime->tls);
    rule_rounds_->follow(plan_.config.delivery.provider_rules, plan_.config.server.tls.check_interval);
}

void Daemon::use_rules(std::shared_ptr<const delivery::ProviderRules> rules) {
    auto settings = std::make_shared<delivery::Settings>(*plan_.settings);
    settings->rules = delivery::configured(*rules, plan_.config.delivery.providers);
    settings->delivery.providers = settings->rules->providers();
    // A route may name a provider that the file had before.
    for (const std::string& problem : delivery::routing_problems(settings->delivery)) log::warning("rules").kv("warning", problem);
    plan_.settings = settings;
    agent_->reload(plan_.settings);
}

void Daemon::use_keys(auth::dkim::KeyTablePtr keys) {
    auto settings = std::make_shared<delivery::Settings>(*plan_.settings);
    settings->keys = std::move(keys);
    plan_.settings = settings;
    agent_->reload(plan_.settings);
}

void Daemon::use(std::shared_ptr<const net::ServerTls> tls) {
    auto runtime = std::make_shared<smtp::server::Runtime>(*plan_.runtime);
    runtime->tls = std::move(tls);
    plan_.runtime = std::move(runtime);
    server_->reload(plan_.runtime);
}

void Daemon::begin_shutdown() {
    if (stopping_) {   // asked again: do not wait for anybody
        log::warning("shutdown").kv("stage", "second signal: connections are closed now");
        server_->abort();
        agent_->abort();
        return;
    }
    stopping_ = true;
    tell_service_manager("STOPPING=1");
    log::info("shutdown").kv("stage", "begun");
    // The handler only posts: co_spawn of Boost 1.81 may call it from inside.
    net::asio::co_spawn(home_.executor(), shut_down(), [this](std::exception_ptr) { home_.post([this] { home_.stop(); }); });
}

net::awaitable<void> Daemon::shut_down() {
    // Side by side, so that the whole takes the longer of the two graces and not their sum.
    stages_->spawn(server_->stop());
    pickup_->stop();
    // Posted: then the agent knows already that it stops, and counts no attempt for what waited for DNS.
    home_.post([this] {
        resolver_->close();
        sts_->stop();
    });
    suspended_mail_->stop();
    flush_->stop();
    why_->stop();
    examinations_->stop();
    key_rounds_->stop();
    co_await agent_->stop();
    history_->stop();   // what the last deliveries came to is in it
    herald_->stop();
    tls_reporter_->stop();   // what the last deliveries came to is in it
    const SteadyTime end =
        std::chrono::steady_clock::now() + plan_.runtime->timeouts.shutdown_grace + std::chrono::seconds(15);
    co_await stages_->wait_idle(end);
    co_await suspended_mail_->wait_idle(std::chrono::steady_clock::now() + std::chrono::seconds(5));
    co_await flush_->wait_idle(std::chrono::steady_clock::now() + std::chrono::seconds(5));
    co_await why_->wait_idle(std::chrono::steady_clock::now() + std::chrono::seconds(5));
    co_await key_rounds_->wait_idle(std::chrono::steady_clock::now() + std::chrono::seconds(5));
    co_await sts_->wait_idle(std::chrono::steady_clock::now() + std::chrono::seconds(5));
    co_await tls_reporter_->wait_idle(std::chrono::steady_clock::now() + std::chrono::seconds(5));
    co_await herald_->wait_idle(std::chrono::steady_clock::now() + std::chrono::seconds(5));
    co_await pickup_->wait_idle(std::chrono::steady_clock::now() + std::chrono::seconds(5));
    admin_->stop();
    signals_->cancel();
    flush_timer_->cancel();
    vitals_->stop();
    certificates_->stop();
    rule_rounds_->stop();
    heartbeat_->stop();
}

void Daemon::dismantle() {
    if (!store_) return;
    if (herald_) herald_->join();
    if (pickup_ && pickup_->unfinished() == 0) pickup_->join();  // a volume that hangs is not waited for: see below
    if (examinations_) examinations_->join();
    crypto_.join();
    passwords_.join();
    disk_.join();
    if (memory_) memory_->stop();
    store_->stop();          // finishes its batch: what was answered 250 is on disk, what was delivered is struck out
    // The pickup is the last of those that are counted; where open() failed before it, nothing has run.
    if (pickup_ && unfinished() > 0) {
        // A session or delivery did not end although its socket was closed. Its frame refers to what we would destroy next, so
        // we leave here: the queue is closed, and nothing else is worth keeping.
        log::error("shutdown").kv("stage", "a session did not end").kv("sessions", server_->figures().sessions)
            .kv("deliveries", static_cast<std::uint64_t>(agent_->unfinished()));
        log::flush();
        std::_Exit(EXIT_SUCCESS);
    }
    admin_.reset();
    pickup_.reset();
    server_.reset();
    tls_reporter_.reset();
    post_office_.reset();
    agent_.reset();
    sts_.reset();
    herald_.reset();
    memory_.reset();
    suspended_mail_.reset();
    flush_.reset();
    why_.reset();
    history_.reset();
    examinations_.reset();
    key_rounds_.reset();
    resolver_.reset();
    stages_.reset();
    signals_.reset();
    flush_timer_.reset();
    vitals_.reset();
    certificates_.reset();
    heartbeat_.reset();
    rule_rounds_.reset();
    home_.destroy();
    store_.reset();
    log::info("stopped");
    log::flush();
}

std::size_t Daemon::unfinished() const {
    return stages_->size() + pickup_->unfinished() + server_->figures().sessions + agent_->unfinished() + suspended_mail_->unfinished() + flush_->unfinished() + why_->unfinished() + key_rounds_->unfinished() +
           sts_->unfinished() + tls_reporter_->unfinished() + herald_->unfinished();
}

}  // namespace posthorn::app
