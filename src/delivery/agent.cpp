// The agent's loop: carries out the scheduler's actions and tells it what happened.
#include "delivery/agent.hpp"

#include <algorithm>

#include "base/bound.hpp"
#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "delivery/lane.hpp"
#include "net/callback.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::size_t kLoadPage = 1000;
constexpr Duration kSweepInterval = std::chrono::seconds(1);
constexpr int kExpirySweeps = 5;           // every so many sweeps, expired mail is looked for: one index seek
constexpr std::chrono::seconds kMinRoute{60}, kMaxRoute{3600};

}  // namespace

queue::SchedulerOptions scheduler_options(const Settings& settings) {
    queue::SchedulerOptions options;
    options.connections_per_site = settings.delivery.connections_per_site;
    options.deliveries = settings.delivery.connections;
    options.recipients_per_transaction = settings.delivery.recipients_per_transaction;
    options.hot_memory = settings.queue.hot_memory;
    return options;
}

DeliveryAgent::State::State(boost::asio::io_context& context, queue::QueueStore& queue_store, dns::Resolver& dns_resolver,
                            boost::asio::thread_pool& crypto_pool, std::shared_ptr<const Settings> current)
    : home(context.get_executor()),
      store(queue_store),
      resolver(dns_resolver),
      crypto(crypto_pool),
      settings(std::move(current)),
      scheduler(scheduler_options(*settings)),
      suppressions_known(home),
      sources(home, dns_resolver),
      dialler(dns_resolver, crypto_pool),
      tasks(home, "delivery"),
      chores(home, "delivery chores"),
      timer(home),
      sweep_now(home),
      rounds_due(home),
      ids(std::random_device{}()),
      random(std::random_device{}()) {
    dialler.heed(&ways.blocked, &sources, &quirks, &breaker);
    sources.on_confirmed([this] { try_ipv6_again(); });
    join_shaping();
}

DeliveryAgent::DeliveryAgent(boost::asio::io_context& home, queue::QueueStore& store, dns::Resolver& resolver,
                             boost::asio::thread_pool& crypto, std::shared_ptr<const Settings> settings)
    : state_(std::make_unique<State>(home, store, resolver, crypto, std::move(settings))) {}

DeliveryAgent::~DeliveryAgent() = default;

void DeliveryAgent::heed(const auth::Suspensions& suspensions) { state_->suspensions = &suspensions; }
void DeliveryAgent::use(const Learnt& learnt) {
    state_->learnt = learnt;
    state_->dialler.use(learnt);
    state_->recall_quirks();
    state_->recall_shaping();
}

void DeliveryAgent::start() {
    state_->configure_shaping();
    state_->chores.spawn(state_->recall_suppressions());
    state_->chores.spawn(state_->begin());
    state_->chores.spawn(state_->watch_suspensions());
    state_->chores.spawn(state_->sources.run([state = state_.get()] { return state->settings; }, state_->chores));
}

void DeliveryAgent::reload(std::shared_ptr<const Settings> settings) {
    state_->settings = std::move(settings);
    state_->scheduler.set_options(scheduler_options(*state_->settings));
    state_->scheduler.configured_anew(wall_now());   // other routes and providers, a login that was put right
    state_->configure_shaping();
    state_->sources.look_again();
    std::vector<std::string> relays;
    for (const RelayOptions& relay : state_->settings->delivery.relays) relays.push_back(relay.name);
    state_->ways.troubles.keep_only(relays);
    state_->prefixes.clear();
    // Open connections were made by the old rules (clear text, another name in EHLO).
    for (auto& connection : state_->pool.drain()) state_->say_goodbye(std::move(connection));
    state_->wake();
    if (!state_->stopping) state_->chores.spawn(state_->retry_local());
}

void DeliveryAgent::on_revised(const std::vector<queue::DestinationDue>& due) {
    state_->made_due(due);
}

void DeliveryAgent::State::made_due(const std::vector<queue::DestinationDue>& due) {
    const TimePoint now = wall_now();
    for (const queue::DestinationDue& destination : due) {
        scheduler.on_due(destination.id, destination.domain, destination.lane, destination.next_due);
        scheduler.forget_backoff(destination.id, now);
    }
    wake();
}

void DeliveryAgent::on_store_health(bool healthy) {
    if (!state_->stopping) state_->scheduler.pause(!healthy);
    state_->wake();
}

net::awaitable<void> DeliveryAgent::stop() {
    State& state = *state_;
    state.stopping = true;
    state.scheduler.pause(true);
    state.timer.cancel();
    state.store.unclaim(state.scheduler.drain());
    state.send_summaries(state.budget.drain());
    state.chores.request_stop();
    state.sweep_now.notify();
    for (auto& connection : state.pool.drain()) {
        state.say_goodbye(std::move(connection));
    }
    state.tasks.request_stop();
    const SteadyTime limit = std::chrono::steady_clock::now() + state.settings->delivery.shutdown_grace;
    if (!co_await state.tasks.wait_idle(limit)) {
        log::warning("shutdown").kv("deliveries", static_cast<std::uint64_t>(state.tasks.size())).kv("action", "closing connections");
        state.tasks.abort();
        co_await state.tasks.wait_idle(std::chrono::steady_clock::now() + std::chrono::seconds(2));
    }
    state.send_summaries(state.budget.drain());   // of what those deliveries put off
    co_await state.chores.wait_idle(std::chrono::steady_clock::now() + std::chrono::seconds(1));
}

void DeliveryAgent::abort() { state_->tasks.abort(); }

std::size_t DeliveryAgent::unfinished() const { return state_->tasks.size() + state_->chores.size(); }

const DeliveryTally& DeliveryAgent::tally() const { return state_->tally; }

AgentFigures DeliveryAgent::figures() const {
    AgentFigures figures = state_->counted;
    figures.suppressed = state_->suppressed.size();
    figures.suppressions_missed = state_->suppressed.missed();
    const auto now = state_->scheduler.figures();
    figures.destinations = now.destinations;
    figures.sites = now.sites;
    figures.deliveries = now.deliveries;
    figures.ready = now.ready;
    figures.hot_octets = now.hot_octets;
    figures.connections = now.deliveries + state_->pool.size();
    figures.blocked_sites = state_->ways.blocked.size();
    if (state_->oldest) figures.oldest = std::max(Duration(0), wall_now() - *state_->oldest);
    return figures;
}

// --- the scheduler's actions ---------------------------------------------------------------------------------------------

void DeliveryAgent::State::say_goodbye(ConnectionPool::ConnectionPtr connection) {
    auto goodbye = [](ConnectionPool::ConnectionPtr idle, net::TaskGroup& group) -> net::awaitable<void> {
        net::TaskGroup::StopCallback on_abort(group, {}, [&idle] { idle->abort(); });
        co_await idle->quit();
    };
    tasks.spawn(goodbye(std::move(connection), tasks));
}

void DeliveryAgent::State::wake() {
    if (pump_posted) return;
    pump_posted = true;
    boost::asio::post(home, [this] {
        pump_posted = false;
        pump();
    });
}

void DeliveryAgent::State::pump() {
    while (unrecorded < settings->delivery.connections) {
        queue::SchedulerAction action = scheduler.next(wall_now());
        if (auto* start = std::get_if<queue::StartDelivery>(&action)) {
            ++unrecorded;
            tasks.spawn(deliver(std::move(*start)));
        } else if (auto* due = std::get_if<queue::ClaimDue>(&action)) {
            claim(*due);
        } else if (auto* site = std::get_if<queue::ResolveSite>(&action)) {
            tasks.spawn(resolve(std::move(*site)));
        } else if (auto* back = std::get_if<queue::GiveBack>(&action)) {
            store.unclaim(std::move(back->recipients));
        } else {
            arm_timer(std::get<queue::WaitUntil>(action).when);
            return;
        }
    }
    note_reached(Bound::delivery_connections);
}

void DeliveryAgent::State::arm_timer(std::optional<TimePoint> when) {
    if (when == timer_at || stopping) return;
    timer_at = when;
    if (!when) {
        timer.cancel();
        return;
    }
    // The clock on the wall may be set; so never sleep long by it.
    const Duration wait = std::clamp<Duration>(*when - wall_now(), Duration(1), std::chrono::minutes(1));
    timer.expires_after(wait);
    timer.async_wait([this](const net::error_code& error) {
        if (error) return;
        timer_at.reset();
        pump();
    });
}

void DeliveryAgent::State::claim(queue::ClaimDue action) {
    const TimePoint now = wall_now();
    store.claim(action.destination, now, action.limit, now + kClaimLease,
                [this, action](queue::StoreResult<queue::Claimed> result) {
                    boost::asio::post(home, [this, action, result = std::move(result)]() mutable {
                        if (!result) {
                            scheduler.claim_failed(action.destination, wall_now());
                        } else if (stopping) {
                            std::vector<queue::RecipientId> rows;
                            for (const auto& row : result->rows) rows.push_back(row.id);
                            store.unclaim(std::move(rows));
                        } else {
                            scheduler.claimed(action.destination, std::move(result->rows), result->next_due, wall_now());
                        }
                        wake();
                    });
                });
}

net::awaitable<void> DeliveryAgent::State::resolve(queue::ResolveSite action) {
    const auto current = settings;
    Lane lane = lane_from(action.lane);
    PlanDecision decision;
    try {
        decision = co_await dialler.plan(action.domain, lane.sender_domain, current, lane.author_domain);
    } catch (const std::exception& failure) {
        // Out of memory, or a broken invariant: without an answer the destination would wait for one for ever.
        log::error("resolve").kv("domain", action.domain).kv("error", failure.what());
        Outcome ours;
        ours.shortage = true;
        decision = std::move(ours);
    }
    const TimePoint now = wall_now();
    if (const auto* plan = std::get_if<DeliveryPlan>(&decision)) {
        const auto valid = std::clamp(plan->route.ttl, kMinRoute, kMaxRoute);
        queue::SitePlace place;
        place.key = plan->site_key;
        place.provider = plan->provider;
        for (const ProviderOptions& provider : current->delivery.providers)
            if (provider.name == plan->provider) place.connections = provider.connections;
        const Flow flow = flow_of(*plan, lane, *current);
        const std::vector<std::string> gates = gate_keys(flow);
        place.gates = gates;
        shaping.meet(flow, now);
        scheduler.resolved(action.destination, place, now + valid, now);
        wake();
        co_return;
    }
    const Outcome& outcome = std::get<Outcome>(decision);
    if (outcome.result == Disposition::failed) {
        // Final: each message of the domain gets its own verdict from a delivery that goes nowhere.
        const std::string key = "nowhere:" + action.domain;
        queue::SitePlace place;
        place.key = key;
        scheduler.resolved(action.destination, place, now + kMinRoute, now);
        wake();
        co_return;
    }
    if (outcome.shortage) {
        scheduler.resolve_failed(action.destination, now);
        wake();
        co_return;
    }
    ways.learn_of_no_plan(outcome, now);
    // DNS is silent: those we were about to try are put off with the reason; the rest stays where it is.
    std::vector<queue::ReadyRecipient> ready = scheduler.unresolved(action.destination, now);
    wake();
    while (!ready.empty()) {
        const QueueId id = ready.front().recipient.message;
        mail::MessagePtr message = ready.front().hot;
        std::vector<queue::Recipient> recipients;
        std::erase_if(ready, [&](queue::ReadyRecipient& item) {
            if (item.recipient.message != id) return false;
            recipients.push_back(std::move(item.recipient));
            return true;
        });
        if (!message) {
            auto start = [this, id](auto done) { store.message(id, std::move(done)); };
            auto loaded = co_await net::callback_result<queue::StoreResult<mail::MessagePtr>>(std::move(start));
            if (!loaded) {
                std::vector<queue::RecipientId> rows;
                for (const auto& row : recipients) rows.push_back(row.id);
                store.unclaim(std::move(rows));
                continue;
            }
            message = *loaded;
        }
        std::vector<Judged> judged = judge_all(recipients, outcome);
        co_await settle(std::move(message), std::move(judged), current);
    }
}

net::awaitable<void> DeliveryAgent::State::load_destinations() {
    queue::DestinationId after = 0;
    while (!stopping) {
        auto start = [this, after](auto done) { store.destinations(after, kLoadPage, wall_now(), std::move(done)); };
        auto page = co_await net::callback_result<queue::StoreResult<std::vector<queue::DestinationDue>>>(std::move(start));
        if (!page) {
            log::error("start").kv("error", page.error().what).kv("action", "looking for waiting mail again in a second");
            boost::asio::steady_timer pause(home, std::chrono::seconds(1));
            auto [ec] = co_await pause.async_wait(net::kAwait);
            (void)ec;
            continue;
        }
        for (const queue::DestinationDue& destination : *page) {
            scheduler.on_due(destination.id, destination.domain, destination.lane, destination.next_due);
            after = std::max(after, destination.id);
        }
        wake();
        if (page->size() < kLoadPage) co_return;
    }
}

net::awaitable<void> DeliveryAgent::State::retry_local() {
    QueueId after;
    while (!stopping) {
        auto ask = [this, after](auto done) { store.messages_of_class("local", after, kLoadPage, std::move(done)); };
        auto page = co_await net::callback_result<queue::StoreResult<std::vector<QueueId>>>(std::move(ask));
        if (!page || page->empty()) co_return;
        for (const QueueId id : *page) co_await retry(id);
        after = page->back();
    }
}

net::awaitable<void> DeliveryAgent::State::retry(QueueId id) {
    if (stopping) co_return;
    auto start = [this, id](auto done) { store.revise(id, queue::Revision::retry, wall_now(), std::move(done)); };
    auto revised = co_await net::callback_result<queue::StoreResult<queue::Revised>>(std::move(start));
    if (revised && !stopping) made_due(revised->due);
}

net::awaitable<void> DeliveryAgent::State::sweep() {
    for (int round = 1; !stopping; ++round) {
        co_await sweep_now.wait_until(std::chrono::steady_clock::now() + kSweepInterval);
        if (stopping) co_return;
        try {
            for (auto& connection : pool.expired(std::chrono::steady_clock::now())) say_goodbye(std::move(connection));
            send_summaries(budget.due(std::chrono::steady_clock::now()));
            shape_in_time();
            if (round % kExpirySweeps != 1 && round != 1) continue;
            co_await expire();
            co_await look_for_the_oldest();
        } catch (const std::exception& failure) {
            log::error("sweep").kv("error", failure.what()).kv("action", "going on with the next round");   // out of memory
        }
    }
}

net::awaitable<void> DeliveryAgent::State::look_for_the_oldest() {
    queue::ListQuery query;
    query.limit = 1;
    auto ask = [this, query = std::move(query)](auto done) mutable { store.list(std::move(query), std::move(done)); };
    auto page = co_await net::callback_result<queue::StoreResult<std::vector<queue::QueueEntry>>>(std::move(ask));
    if (!page) co_return;
    oldest.reset();
    if (!page->empty()) oldest = page->front().accepted_at;
}

// What is still known of a message whose body or header cannot be read: enough to tell its sender. Null when nothing is.
net::awaitable<mail::MessagePtr> DeliveryAgent::State::remains_of(QueueId id) {
    auto ask = [this, id](auto done) { store.show(id, std::move(done)); };
    auto entry = co_await net::callback_result<queue::StoreResult<queue::QueueEntry>>(std::move(ask));
    if (!entry) co_return nullptr;
    auto message = std::make_shared<mail::Message>();
    message->id = id;
    message->accepted_at = entry->accepted_at;
    message->expires_at = entry->expires_at;
    message->reverse_path = std::move(entry->reverse_path);
    message->source = std::move(entry->source);
    co_return message;
}

void DeliveryAgent::State::give_back(const std::vector<queue::Recipient>& rows, const std::string& domain, TimePoint again) {
    if (rows.empty()) return;
    std::vector<queue::RecipientId> ids_back;
    for (const queue::Recipient& row : rows) ids_back.push_back(row.id);
    store.unclaim(std::move(ids_back));
    scheduler.on_due(rows.front().destination, domain, rows.front().lane, again);
}

net::awaitable<void> DeliveryAgent::State::expire() {
    bool readable = true;                  // else the same rows would be claimed again at once
    while (readable && !stopping && store.health().healthy) {
        const TimePoint now = wall_now();
        auto start = [this, now](auto done) { store.claim_expired(now, 100, now + kClaimLease, std::move(done)); };
        auto claimed = co_await net::callback_result<queue::StoreResult<std::vector<queue::Recipient>>>(std::move(start));
        if (!claimed || claimed->empty()) co_return;
        readable = co_await give_up(std::move(*claimed));
    }
}

}  // namespace posthorn::delivery
