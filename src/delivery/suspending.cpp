// The rounds of suspended pairs: diagnoses, probes, the end of what waits too long, and operators' orders.
#include "delivery/suspending.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "base/utc.hpp"
#include "auth/dkim/keys.hpp"
#include "delivery/agent_state.hpp"
#include "delivery/classify.hpp"
#include "delivery/diagnosing.hpp"
#include "delivery/flow.hpp"
#include "delivery/memory.hpp"
#include "delivery/provider_rules.hpp"
#include "delivery/routing.hpp"
#include "mail/address.hpp"
#include "mail/domain.hpp"
#include "mail/organisational_domain.hpp"
#include "net/callback.hpp"
#include "net/offload.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::size_t kDiagnosesAtOnce = 4;       // each asks some dozen questions
constexpr std::size_t kProbeCandidates = 64;      // destinations among which the oldest message is looked for
constexpr std::size_t kExpiryDestinations = 1000;
constexpr std::size_t kExpiryRows = 500;          // of a destination in one sweep, and given up together
constexpr Duration kLongestNap = std::chrono::minutes(1);   // the clock on the wall may be set

std::vector<queue::RecipientId> ids_of(const std::vector<queue::Recipient>& rows) {
    std::vector<queue::RecipientId> ids;
    ids.reserve(rows.size());
    for (const queue::Recipient& row : rows) ids.push_back(row.id);
    return ids;
}

// What waits for the end of the pair's suspension so long, at most. Nothing: as long as the queue keeps it.
std::optional<Duration> patience_of(const SuspendedPair& pair, const queue::RetryOptions& retry) {
    if (!pair.holds()) return std::nullopt;
    if (pair.reason == SuspensionReason::auth) return retry.auth_lifetime;
    if (pair.reason == SuspensionReason::rep && retry.rep_hold > Duration(0)) return retry.rep_hold;
    return std::nullopt;
}

// 2.7: from the first hold; mail behind the gate is held since it was due, or since the gate closed.
bool waited_too_long(const SuspendedPair& pair, const queue::Recipient& row, const queue::RetryOptions& retry, TimePoint now) {
    if (held_since(row)) return has_expired(row, row.due_at, retry, now);
    return pair.reason == SuspensionReason::auth && now >= std::max(row.due_at, pair.since) + retry.auth_lifetime;
}

}  // namespace

std::string diagnosis_words(const SuspendedPair& pair) {
    std::string words;
    if (!pair.meaning.empty()) words = pair.meaning;
    if (pair.diagnosis && pair.reason == SuspensionReason::auth) {
        if (!words.empty()) words += "\n\n";
        words += "What DNS showed at the last look:\n" + pair.what_dns_shows();
    }
    if (!pair.link.empty()) words += (words.empty() ? "" : "\n\n") + ("See " + pair.link);
    return words;
}

void tell_of_suspension(const SuspendedPair& pair, queue::Recipient& recipient) {
    if (!recipient.last_reply.empty() || pair.reason == SuspensionReason::by_operator) return;
    recipient.last_reply = without_addresses(pair.verbatim);   // whose mail was refused is no other sender's business
    recipient.last_host = pair.host;
    recipient.last_class = to_string(pair.reason == SuspensionReason::rep ? Class::rep : Class::auth);
}

void DeliveryAgent::State::begin_rounds(TimePoint now) {
    while (diagnoses < kDiagnosesAtOnce) {
        std::optional<std::string> key = breaker.take_diagnosis(now);
        if (!key) break;
        chores.spawn(diagnose_pair(std::move(*key)));
        ++diagnoses;
    }
    while (std::optional<std::string> key = breaker.take_probe(now)) chores.spawn(send_probe(std::move(*key)));
    shaping.settle();
}

// PR-51: a chore of its own; what waits for DNS waits here, and no delivery for it. A round that fails is followed by the next.
net::awaitable<void> DeliveryAgent::State::watch_suspensions() {
    net::TaskGroup::StopCallback on_stop(chores, [this] { rounds_due.notify(); }, {});
    TimePoint next_expiry{};
    while (!stopping) {
        try {
            const TimePoint now = wall_now();
            begin_rounds(now);
            if (now >= next_expiry || next_expiry - now > std::chrono::hours(1)) {
                next_expiry = now + std::clamp<Duration>(settings->retry.auth_lifetime / 72, std::chrono::seconds(1), std::chrono::minutes(10));
                co_await expire_held();
            }
        } catch (const std::exception& failure) {
            log::error("suspended").kv("error", failure.what()).kv("action", "going on with the next round");   // out of memory
        }
        if (stopping) break;
        Duration nap = std::min<Duration>(kLongestNap, std::max(Duration(1), next_expiry - wall_now()));
        const std::optional<TimePoint> next = breaker.next_round();
        // With all places taken, the end of a diagnosis wakes us.
        if (next && diagnoses < kDiagnosesAtOnce) nap = std::clamp<Duration>(*next - wall_now(), Duration(1), nap);
        co_await rounds_due.wait_until(std::chrono::steady_clock::now() + nap);
    }
}

net::awaitable<void> DeliveryAgent::State::diagnose_pair(std::string key) {
    std::shared_ptr<const Diagnosis> found;
    if (const SuspendedPair* pair = breaker.find(key)) {
        try {
            DiagnosisQuestion question = question_about(*settings, pair->from_domain, pair->mail_from_domain, pair->ip);
            Diagnosis diagnosis = co_await delivery::diagnose(resolver, std::move(question), &chores);
            found = std::make_shared<const Diagnosis>(std::move(diagnosis));
        } catch (const std::exception& failure) {
            log::error("diagnosis").kv("pair", key).kv("error", failure.what());
        }
    }
    --diagnoses;
    if (stopping) co_return;
    breaker.diagnosed(key, std::move(found), wall_now());
    shaping.settle();
    rounds_due.notify();
}

// 2.7: one recipient of the oldest message behind the gate.
net::awaitable<void> DeliveryAgent::State::send_probe(std::string key) {
    const std::vector<queue::DestinationId> waiting = scheduler.behind(key, kProbeCandidates);
    std::optional<queue::Recipient> oldest_row;
    for (const queue::DestinationId destination : waiting) {
        const TimePoint now = wall_now();
        auto ask = [this, destination, now](auto done) { store.claim(destination, now, 1, now + kClaimLease, std::move(done)); };
        auto claimed = co_await net::callback_result<queue::StoreResult<queue::Claimed>>(std::move(ask));
        if (!claimed || claimed->rows.empty()) continue;
        queue::Recipient& row = claimed->rows.front();
        if (!oldest_row) {
            oldest_row = std::move(row);
            continue;
        }
        if (row.message < oldest_row->message) std::swap(row, *oldest_row);
        store.unclaim({row.id});
    }
    const TimePoint now = wall_now();
    if (!oldest_row) {
        breaker.no_probe(key, now);
        scheduler.forget_places();   // with a fallback relay: the next message goes directly
    } else {
        bool free = !stopping;
        for (const queue::GateFigures& gate : scheduler.gates_of(oldest_row->destination, now))
            free = free && (gate.key == key || !gate.settings.allowance || *gate.settings.allowance > 0);
        if (!free) {
            store.unclaim({oldest_row->id});
            breaker.probe_later(key, now);
        } else {
            breaker.probe_sent(key, oldest_row->id, now);
            const std::string domain = mail::destination_of(oldest_row->address);
            const queue::DestinationId destination = oldest_row->destination;
            const std::string lane = oldest_row->lane;
            std::vector<queue::Recipient> rows;
            rows.push_back(std::move(*oldest_row));
            scheduler.urgent(destination, domain, lane, std::move(rows), now);
        }
    }
    shaping.settle();
    wake();
    rounds_due.notify();
}

// One DSN for each message (PR-48), also for what was never tried because of the suspension.
net::awaitable<void> DeliveryAgent::State::expire_held() {
    for (const SuspendedPair& pair : breaker.view()) {
        const std::optional<Duration> patience = patience_of(pair, settings->retry);
        if (!patience) continue;
        std::vector<queue::Recipient> over;
        for (const queue::DestinationId destination : scheduler.behind(pair.key, kExpiryDestinations)) {
            if (stopping || !store.health().healthy) break;
            const TimePoint now = wall_now();
            auto ask = [this, destination, now, patience](auto done) {
                store.claim(destination, now - *patience, kExpiryRows, now + kClaimLease, std::move(done));
            };
            auto claimed = co_await net::callback_result<queue::StoreResult<queue::Claimed>>(std::move(ask));
            if (!claimed) continue;
            std::vector<queue::RecipientId> back;
            for (queue::Recipient& row : claimed->rows) {
                if (!waited_too_long(pair, row, settings->retry, now)) back.push_back(row.id);
                else over.push_back(std::move(row));
            }
            if (!back.empty()) store.unclaim(std::move(back));
            if (over.size() >= kExpiryRows && !stopping) {
                std::vector<queue::Recipient> some;
                some.swap(over);
                const bool readable = co_await give_up(std::move(some));
                if (!readable) co_return;
            }
        }
        if (over.empty()) continue;
        if (stopping) {
            store.unclaim(ids_of(over));
            co_return;
        }
        const bool readable = co_await give_up(std::move(over));
        if (!readable) co_return;
    }
}

const SuspendedPair* DeliveryAgent::State::suspension_of(const queue::Recipient& row) const {
    if (breaker.size() == 0) return nullptr;
    for (const queue::GateFigures& gate : scheduler.gates_of(row.destination, wall_now()))
        if (const SuspendedPair* pair = breaker.find(gate.key); pair != nullptr && pair->holds()) return pair;
    return nullptr;
}

// Rows whose time is over, claimed: settled as failed, message by message. False: the disk does not let us read them.
net::awaitable<bool> DeliveryAgent::State::give_up(std::vector<queue::Recipient> rows) {
    bool readable = true;
    while (!rows.empty()) {
        const QueueId id = rows.front().message;
        std::vector<Judged> judged;
        std::erase_if(rows, [&](queue::Recipient& row) {
            if (row.message != id) return false;
            Judged item;
            const SuspendedPair* pair = suspension_of(row);
            if (pair != nullptr) tell_of_suspension(*pair, row);
            item.outcome = expiry_of(row);
            if (pair != nullptr) item.outcome.diagnosis = diagnosis_words(*pair);
            item.recipient = std::move(row);
            judged.push_back(std::move(item));
            return true;
        });
        auto load = [this, id](auto done) { store.message(id, std::move(done)); };
        auto message = co_await net::callback_result<queue::StoreResult<mail::MessagePtr>>(std::move(load));
        mail::MessagePtr known;
        if (message) {
            known = std::move(*message);
        } else if (message.error().fault == queue::StoreFault::corrupt) {
            // Without its body nobody can be told much, but the sender and the operator must be told something.
            log::error("expired").kv("id", id.to_string()).kv("error", message.error().what);
            known = co_await remains_of(id);
        }
        if (!known) {
            // Gone (deleted meanwhile), or the disk fails: looked at again by a later sweep.
            readable = readable && message.error().fault == queue::StoreFault::not_found;
            std::vector<queue::RecipientId> back;
            for (const Judged& item : judged) back.push_back(item.recipient.id);
            store.unclaim(std::move(back));
            continue;
        }
        co_await settle(std::move(known), std::move(judged), settings);
    }
    co_return readable;
}

// PR-50: the suspension is in the file before the settlement that leaves its mail to it.
net::awaitable<void> DeliveryAgent::State::hold(Attempt& attempt) {
    breaker.judge_held(attempt.flow, attempt.judged, wall_now());
    std::vector<SavedState> turns = breaker.take_turns();
    if (turns.empty()) co_return;
    rounds_due.notify();
    if (std::any_of(settings->delivery.routes.begin(), settings->delivery.routes.end(),
                    [](const RouteOptions& route) { return !route.fallback.empty(); }))
        scheduler.forget_places();
    co_await write(std::move(turns));
}

net::awaitable<void> DeliveryAgent::State::write(std::vector<SavedState> turns) {
    if (learnt.memory == nullptr || turns.empty()) co_return;
    auto work = [memory = learnt.memory, turns = std::move(turns)] {
        bool written = true;
        for (const SavedState& state : turns)
            if (!state.value.empty()) written = memory->put_now("breaker", state.key, state.value, state.expires) && written;
        return written;
    };
    const bool written = co_await net::offload(crypto, std::move(work));
    if (!written) log::warning("suspended").kv("note", "it could not be written down: a restart would forget it, and learn it anew by one refusal");
}

void DeliveryAgent::State::end_of_passes(const std::vector<queue::RecipientId>& passes) {
    if (passes.empty()) return;
    for (const queue::RecipientId recipient : passes) breaker.passed(recipient, wall_now());
    shaping.settle();
    rounds_due.notify();
}

// What people call a provider: its name, one of its hosts, a domain whose mail it takes.
net::awaitable<std::vector<std::string>> DeliveryAgent::State::groups_named(std::string name) {
    std::vector<std::string> groups;
    for (const ProviderOptions& provider : settings->delivery.providers)
        if (provider.name == name || provider.family == name) groups.push_back(provider.name);
    for (const SuspendedPair& pair : breaker.view())
        if (pair.group == name && groups.empty()) groups.push_back(name);
    if (!groups.empty()) co_return groups;
    std::vector<dns::MxHost> as_host;
    dns::MxHost host;
    host.name = name;
    as_host.push_back(std::move(host));
    if (const ProviderOptions* provider = provider_of(settings->delivery.providers, as_host)) {
        groups.push_back(provider->name);
        co_return groups;
    }
    const PlanDecision decision = co_await dialler.plan(name, {}, settings);
    if (const auto* plan = std::get_if<DeliveryPlan>(&decision)) groups.push_back(plan->group);
    co_return groups;
}

// Whether mail of such an organisational domain can be ours: of a [[domain]], of our host's name (reports), or of anybody where foreign From
// domains are sent unsigned; or a refusal has shown that there is such mail.
bool DeliveryAgent::State::may_be_sender(const std::string& organisation) const {
    if (settings->dkim.unknown_domain == auth::UnsignedPolicy::send_unsigned) return true;
    std::vector<std::string> own = settings->keys->domains();
    own.push_back(settings->hostname);
    const auto is_it = [&](const std::string& name) { return mail::organisational_domain(name) == organisation; };
    if (std::any_of(own.begin(), own.end(), is_it)) return true;
    const std::vector<SuspendedPair> pairs = breaker.view();
    return std::any_of(pairs.begin(), pairs.end(), [&](const SuspendedPair& pair) { return pair.sender == organisation; });
}

// "a.example, b.example and 3 more".
std::string DeliveryAgent::State::own_domains() const {
    constexpr std::size_t kShown = 5;
    std::vector<std::string> names = settings->keys->domains();
    if (names.empty()) return "not configured ([[domain]])";
    const std::size_t more = names.size() - std::min(names.size(), kShown);
    names.resize(names.size() - more);
    return fmt::format("{}{}", fmt::join(names, ", "), more == 0 ? std::string() : fmt::format(" and {} more", more));
}

net::awaitable<void> DeliveryAgent::State::order(PairOrder order, UniqueFunction<void(Result<PairOutcome>)> done) {
    std::string sender, source;
    if (order.sender == "ip") {
        source = "default";
    } else if (IpAddress::parse(order.sender)) {
        source = order.sender;
    } else if (const Result<std::string> domain = mail::to_ascii(order.sender)) {
        sender = mail::organisational_domain(*domain);
    }
    if (sender.empty() && source.empty()) {
        Result<PairOutcome> wrong(Error{"\"" + order.sender + "\" is neither a domain, nor an address, nor the word ip"});
        done(std::move(wrong));
        co_return;
    }
    if (order.suspend && !sender.empty() && !may_be_sender(sender)) {
        Result<PairOutcome> wrong(Error{"\"" + order.sender + "\" is none of our domains, so no mail of it is sent; ours are " + own_domains()});
        done(std::move(wrong));
        co_return;
    }
    const std::vector<std::string> groups = co_await groups_named(text::to_lower(order.provider));
    if (groups.empty()) {
        Result<PairOutcome> wrong(Error{"\"" + order.provider + "\" is no provider's name, and DNS names no mail host for it; `posthorn status` shows " +
                                        "the pairs that are suspended by the names they have"});
        done(std::move(wrong));
        co_return;
    }
    const TimePoint now = wall_now();
    PairOutcome outcome;
    for (const std::string& group : groups) {
        SuspendedPair named;
        named.sender = sender;
        named.source = source;
        named.group = group;
        const bool changed = order.suspend ? breaker.suspend(sender, source, group, order.duration, order.reason, now)
                                           : breaker.resume(sender, source, group, now) > 0;
        if (changed) outcome.pairs.push_back(named.name());
        if (order.suspend) continue;
        for (std::string& words : throttles.forget(sender, group, now)) outcome.pairs.push_back(std::move(words));
    }
    shaping.settle();
    std::vector<SavedState> turns = breaker.take_turns();
    co_await write(std::move(turns));
    wake();
    rounds_due.notify();
    Result<PairOutcome> answer(std::move(outcome));
    done(std::move(answer));
}

// Past all gates, once: `posthorn queue retry`.
net::awaitable<void> DeliveryAgent::State::retry_now(QueueId id, UniqueFunction<void(std::uint64_t)> done) {
    const TimePoint now = wall_now();
    auto ask = [this, id, now](auto answer) { store.claim_message(id, now, now + kClaimLease, std::move(answer)); };
    auto claimed = co_await net::callback_result<queue::StoreResult<std::vector<queue::Recipient>>>(std::move(ask));
    std::vector<queue::Recipient> rows;
    if (claimed) rows = std::move(*claimed);
    if (stopping && !rows.empty()) {
        store.unclaim(ids_of(rows));
        rows.clear();
    }
    const std::uint64_t count = rows.size();
    breaker.expect(ids_of(rows));
    while (!rows.empty()) {
        const queue::DestinationId destination = rows.front().destination;
        const std::string domain = mail::destination_of(rows.front().address);
        const std::string lane = rows.front().lane;
        std::vector<queue::Recipient> of_one;
        std::erase_if(rows, [&](queue::Recipient& row) {
            if (row.destination != destination) return false;
            of_one.push_back(std::move(row));
            return true;
        });
        scheduler.urgent(destination, domain, lane, std::move(of_one), now);
    }
    wake();
    done(count);
}

std::vector<SuspendedPair> DeliveryAgent::suspended_pairs() const { return state_->breaker.view(); }

std::string DeliveryAgent::why_held(const queue::Recipient& recipient) const {
    const SuspendedPair* pair = state_->suspension_of(recipient);
    if (pair != nullptr) return pair->sentence();
    // What is due still waits for the end of a pause.
    const TimePoint now = wall_now();
    if (state_->throttles.size() == 0) return {};
    for (const queue::GateFigures& gate : state_->scheduler.gates_of(recipient.destination, now)) {
        const Throttle* throttle = state_->throttles.find(gate.key);
        if (throttle != nullptr && throttle->phase() == Throttle::Phase::paused && throttle->until() > now)
            return fmt::format("{} is paused until {}, as they asked for less", in_words(gate.key), utc_text(throttle->until()));
    }
    return {};
}

std::optional<TimePoint> DeliveryAgent::given_up(const queue::Recipient& recipient) const {
    const SuspendedPair* pair = state_->suspension_of(recipient);
    if (pair == nullptr || pair->reason != SuspensionReason::auth) return std::nullopt;
    const TimePoint from = held_since(recipient).value_or(std::max(recipient.due_at, pair->since));
    return std::min(from + state_->settings->retry.auth_lifetime, recipient.expires_at);
}

void DeliveryAgent::order(PairOrder order, UniqueFunction<void(Result<PairOutcome>)> done) {
    state_->chores.spawn(state_->order(std::move(order), std::move(done)));
}

void DeliveryAgent::retry_now(QueueId id, UniqueFunction<void(std::uint64_t)> done) {
    state_->chores.spawn(state_->retry_now(id, std::move(done)));
}

}  // namespace posthorn::delivery
