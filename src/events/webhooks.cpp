// The rounds of each webhook: look into the journal, tell, note how far it came.
#include "events/webhooks.hpp"

#include <algorithm>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/log.hpp"
#include "delivery/https_get.hpp"
#include "delivery/memory.hpp"
#include "events/event_form.hpp"
#include "events/signature.hpp"
#include "net/callback.hpp"
#include "net/offload.hpp"
#include "net/tls_context.hpp"

namespace posthorn::events {
namespace {

namespace json = boost::json;
using std::chrono::steady_clock;

constexpr std::string_view kKind = "webhook";
// A look at the figures of the store costs a few loads: so often that a receiver hears at once, so seldom that nobody notices.
constexpr Duration kLook = std::chrono::milliseconds(250);
constexpr Duration kForEver = std::chrono::hours(24 * 3650);
constexpr std::size_t kMaxAnswer = 4096;
constexpr std::size_t kPage = 200;   // entries looked at for one request, where the webhook wants only some

}  // namespace

struct Webhooks::Hook {
    Hook(net::asio::any_io_executor executor, Webhook webhook)
        : what(std::make_shared<const Webhook>(std::move(webhook))), wake(std::move(executor)) {}

    std::shared_ptr<const Webhook> what;    // replaced by a reload
    std::shared_ptr<net::ClientTls> tls;
    net::Signal wake;
    bool gone = false;                      // no longer in the configuration
    std::uint64_t cursor = 0;
    bool moved = false;                     // by an operator, while a request was under way
    std::optional<SteadyTime> first_seen;   // of the events that wait to be told
    Courier courier;
    std::vector<AsideRange> aside;
    std::uint64_t events = 0, requests = 0, failures = 0, gaps = 0, put_aside = 0;

    [[nodiscard]] const std::string& name() const { return what->options.name; }
};

Webhooks::Webhooks(net::asio::io_context& home, queue::QueueStore& store, dns::Resolver& resolver, delivery::DeliveryMemory& memory,
                   net::asio::thread_pool& disk, delivery::AlarmSink& alarms)
    : executor_(home.get_executor()),
      store_(store),
      resolver_(resolver),
      memory_(memory),
      disk_(disk),
      alarms_(alarms),
      tasks_(home.get_executor(), "webhook"),
      random_(std::random_device{}()) {}

Webhooks::~Webhooks() = default;

std::string Webhooks::kept(const Hook& hook) const {
    json::object state;
    state["cursor"] = hook.cursor;
    json::array aside;
    for (const AsideRange& range : hook.aside) aside.push_back(json::array{range.first, range.last, range.words});
    state["aside"] = std::move(aside);
    return json::serialize(state);
}

void Webhooks::keep(const Hook& hook) { memory_.put(kKind, hook.name(), kept(hook), wall_now() + kForEver); }

// On any thread: the hook itself is the home shard's.
Webhooks::Place Webhooks::recall(delivery::DeliveryMemory& memory, const std::string& name) {
    Place place;
    for (const delivery::Remembered& one : memory.load(kKind)) {
        if (one.key != name) continue;
        boost::system::error_code failed;
        const json::value value = json::parse(one.value, failed);
        const json::object* state = failed ? nullptr : value.if_object();
        const json::value* cursor = state == nullptr ? nullptr : state->if_contains("cursor");
        if (cursor == nullptr || !cursor->is_number()) return place;
        const auto number = cursor->to_number<std::uint64_t>(failed);
        if (!failed) place.cursor = number;
        const json::value* aside = state->if_contains("aside");
        if (aside == nullptr || !aside->is_array()) return place;
        for (const json::value& item : aside->get_array()) {
            const json::array* range = item.if_array();
            if (range == nullptr || range->size() != 3 || !(*range)[2].is_string()) continue;
            boost::system::error_code odd;
            const auto first = (*range)[0].to_number<std::uint64_t>(odd), last = (*range)[1].to_number<std::uint64_t>(odd);
            if (!odd) place.aside.push_back({first, last, std::string((*range)[2].get_string())});
        }
    }
    return place;
}

// Those that stay go on where they are, with their new settings; others end, or begin.
void Webhooks::adopt(std::vector<Webhook> hooks, std::vector<HookPtr>& fresh) {
    std::vector<HookPtr> all;
    for (Webhook& webhook : hooks) {
        const auto known = std::find_if(hooks_.begin(), hooks_.end(),
                                        [&](const HookPtr& hook) { return hook->name() == webhook.options.name; });
        if (known != hooks_.end()) {
            (*known)->what = std::make_shared<const Webhook>(std::move(webhook));
            (*known)->tls.reset();
            (*known)->wake.notify();   // what was refused may be taken now
            all.push_back(*known);
            hooks_.erase(known);
        } else {
            all.push_back(std::make_shared<Hook>(executor_, std::move(webhook)));
            fresh.push_back(all.back());
        }
    }
    for (const HookPtr& hook : hooks_) {
        hook->gone = true;
        hook->wake.notify();
        alarms_.clear(delivery::alarm_kind::kWebhook, hook->name());
    }
    hooks_ = std::move(all);
}

void Webhooks::start(std::string server, std::vector<Webhook> hooks, std::string ca_file, Duration alarm_after) {
    server_ = std::move(server);
    ca_file_ = std::move(ca_file);
    alarm_after_ = alarm_after;
    std::vector<HookPtr> fresh;
    adopt(std::move(hooks), fresh);
    for (const HookPtr& hook : fresh) {
        Place known = recall(memory_, hook->name());
        hook->aside = std::move(known.aside);
        hook->cursor = known.cursor.value_or(store_.health().journal_last);
        if (!known.cursor) {
            const bool written = memory_.put_now(kKind, hook->name(), kept(*hook), wall_now() + kForEver);
            if (!written)
                log::warning("webhook").kv("name", hook->name()).kv("error", "where it begins could not be written to delivery.sqlite")
                    .kv("meaning", "if the daemon is killed before that succeeds, it begins anew at the next start");
        }
        tasks_.spawn(serve(hook));
    }
}

void Webhooks::reload(std::string server, std::vector<Webhook> hooks, std::string ca_file, Duration alarm_after) {
    server_ = std::move(server);
    ca_file_ = std::move(ca_file);
    alarm_after_ = alarm_after;
    std::vector<HookPtr> fresh;
    adopt(std::move(hooks), fresh);
    for (const HookPtr& hook : fresh) tasks_.spawn(begin(hook));
}

// On a running daemon the disk is not waited for on the shard. Meanwhile figures are asked for, and an operator may say where it begins.
net::awaitable<void> Webhooks::begin(HookPtr hook) {
    auto look = [memory = &memory_, name = hook->name()] { return recall(*memory, name); };
    Place known = co_await net::offload(disk_, std::move(look));
    hook->aside = std::move(known.aside);
    if (hook->moved) {
        std::erase_if(hook->aside, [&](const AsideRange& range) { return range.first > hook->cursor; });
        keep(*hook);
    } else {
        hook->cursor = known.cursor.value_or(store_.health().journal_last);
        if (!known.cursor) {
            auto durable = [memory = &memory_, name = hook->name(), value = kept(*hook), until = wall_now() + kForEver] {
                return memory->put_now(kKind, name, value, until);
            };
            (void)co_await net::offload(disk_, std::move(durable));
            if (hook->moved) keep(*hook);
        }
    }
    co_await serve(hook);
}

void Webhooks::stop() {
    tasks_.request_stop();
    for (const HookPtr& hook : hooks_) hook->wake.notify();
}

net::awaitable<void> Webhooks::pause(HookPtr hook, Duration time) {
    const SteadyTime end = steady_clock::now() + time;
    co_await hook->wake.wait_until(end);
}

net::awaitable<void> Webhooks::serve(HookPtr hook) {
    while (!hook->gone && !tasks_.stopping()) {
        const std::uint64_t last = store_.health().journal_last;
        const WebhookOptions& options = hook->what->options;
        Duration wait{};
        if (hook->cursor == last) {
            hook->first_seen.reset();
            wait = kLook;
        } else if (hook->cursor < last && last - hook->cursor < options.batch) {
            if (!hook->first_seen) hook->first_seen = steady_clock::now();
            const SteadyTime full = *hook->first_seen + options.batch_wait;
            const SteadyTime now = steady_clock::now();
            if (now < full) wait = std::min(kLook, std::chrono::duration_cast<Duration>(full - now) + std::chrono::milliseconds(1));
        }
        if (wait > Duration::zero()) {
            co_await pause(hook, wait);
            continue;
        }
        bool failed = false;
        try {
            co_await tell_some(hook);
        } catch (const std::exception& failure) {
            log::error("webhook").kv("name", hook->name()).kv("error", failure.what());   // out of memory: later
            failed = true;
        }
        if (failed) co_await pause(hook, std::chrono::seconds(10));
    }
}

// One request, or none where the next page has nothing that it wants.
net::awaitable<void> Webhooks::tell_some(HookPtr hook) {
    const std::shared_ptr<const Webhook> what = hook->what;
    const WebhookOptions& options = what->options;
    const std::size_t most = hook->courier.batch(options);
    queue::JournalQuery query;
    query.after = hook->cursor;
    query.limit = std::max(kPage, most);
    auto ask = [this, query](auto done) mutable { store_.journal(query, std::move(done)); };
    hook->moved = false;
    const auto found = co_await net::callback_result<queue::StoreResult<queue::JournalPage>>(std::move(ask));
    if (!found) {
        log::warning("webhook").kv("name", hook->name()).kv("error", found.error().what).kv("meaning", "tried again in a minute");
        co_await pause(hook, std::chrono::minutes(1));
        co_return;
    }
    if (hook->gone || hook->moved || tasks_.stopping()) co_return;
    const queue::JournalPage& page = *found;
    const TimePoint now = wall_now();
    if (page.last < hook->cursor) {
        // Another queue than the one it was told of: all that is in this one is new.
        log::warning("webhook").kv("name", hook->name()).kv("cursor", hook->cursor).kv("journal_last", page.last)
            .kv("meaning", "the queue's database is another one; it is told from its beginning");
        move_on(*hook, 0);
        co_return;
    }
    std::uint64_t upto = hook->cursor;
    json::array told;
    const bool gap = page.first > hook->cursor + 1;
    if (gap) told.push_back(gap_json(hook->cursor + 1, page.first - 1, now));
    const std::uint64_t first = hook->cursor + 1;
    for (const queue::JournalEntry& entry : page.entries) {
        if (told.size() >= most) break;
        upto = entry.seq;
        if (wants(options, entry)) told.push_back(event_json(entry));
    }
    if (upto == hook->cursor && gap) upto = page.first - 1;
    if (told.empty()) {
        move_on(*hook, upto);
        co_return;
    }
    const std::size_t count = told.size();
    delivery::HttpsRequest request(what->address);
    request.content_type = "application/json";
    request.body = batch_text(server_, hook->name(), std::move(told));
    request.fields.emplace_back(kSignatureField, signature_of(what->secrets, now, request.body));
    request.limit = options.timeout;
    request.max_answer = kMaxAnswer;
    if (!hook->tls) hook->tls = std::make_shared<net::ClientTls>(options.ca_file.empty() ? ca_file_ : options.ca_file);
    const std::shared_ptr<net::ClientTls> tls = hook->tls;
    hook->requests += 1;
    const delivery::HttpsAnswer answer = co_await delivery::https_request(std::move(request), resolver_, *tls, tasks_);
    if (tasks_.stopping() || hook->gone) co_return;   // whether it was taken or not: told again by the next start
    const Reception reception = reception_of(answer, wall_now());
    const double random = std::uniform_real_distribution<double>(0.0, 1.0)(random_);
    const Courier::Step step = hook->courier.heed(reception, count, options, wall_now(), random);
    if (reception.kind == Reception::Kind::taken) hook->events += count;
    else hook->failures += 1;
    if (hook->moved) co_return;   // the operator has just said where to go on
    if (gap && step.go_on) {
        hook->gaps += page.first - first;
        log::warning("webhook_gap").kv("name", hook->name()).kv("first", first).kv("last", page.first - 1)
            .kv("meaning", "the journal had no room any more for events that this webhook was not told of");
        delivery::Alarm alarm;
        alarm.kind = delivery::alarm_kind::kWebhook;
        alarm.subject = hook->name() + " gap " + std::to_string(first) + "-" + std::to_string(page.first - 1);
        alarm.text = "The webhook " + hook->name() + " has missed " + std::to_string(page.first - first) + " events, " + std::to_string(first) +
                     " to " + std::to_string(page.first - 1) + ": it was behind for so long that the journal gave them up. It was told of the gap.";
        alarm.advice = "Raise journal.max_rows or journal.keep where this may happen again.";
        alarm.incident = true;
        alarms_.raise(std::move(alarm));
    }
    tell_operator(*hook, step, first, upto);
    if (step.go_on) move_on(*hook, upto);
    if (step.wait > Duration::zero()) co_await pause(hook, step.wait);
}

void Webhooks::move_on(Hook& hook, std::uint64_t cursor) {
    hook.cursor = cursor;
    hook.first_seen.reset();
    keep(hook);
}

void Webhooks::tell_operator(Hook& hook, const Courier::Step& step, std::uint64_t first, std::uint64_t last) {
    const std::string& name = hook.name();
    if (step.put_aside) {
        hook.put_aside += 1;
        hook.aside.push_back({first, last, hook.courier.last_words()});
        if (hook.aside.size() > kMostAside) hook.aside.erase(hook.aside.begin());
        log::error("webhook_refused").kv("name", name).kv("first", first).kv("last", last).kv("reply", hook.courier.last_words())
            .kv("action", "put aside; posthorn webhooks replay " + name + " " + std::to_string(first));
        delivery::Alarm alarm;
        alarm.kind = delivery::alarm_kind::kWebhook;
        alarm.subject = name + " " + std::to_string(first) + "-" + std::to_string(last);
        alarm.text = "The webhook " + name + " refused the events " + std::to_string(first) + " to " + std::to_string(last) + " " +
                     std::to_string(Courier::kTries) + " times (" + hook.courier.last_words() + "). They are put aside, and it goes on with later ones.";
        alarm.advice = "Look at the receiver's log. When it is in order: posthorn webhooks replay " + name + " " + std::to_string(first) +
                       ", as long as the journal has them.";
        alarm.incident = true;
        alarms_.raise(std::move(alarm));
        return;
    }
    const std::optional<TimePoint> since = hook.courier.failing_since();
    if (!since) {
        alarms_.clear(delivery::alarm_kind::kWebhook, name);
        return;
    }
    log::info("webhook").kv("name", name).kv("first", first).kv("last", last).kv("reply", hook.courier.last_words())
        .kv("again_in_ms", step.wait.count());
    if (alarm_after_ == Duration::zero() || wall_now() - *since < alarm_after_) return;
    delivery::Alarm alarm;
    alarm.kind = delivery::alarm_kind::kWebhook;
    alarm.subject = name;
    alarm.text = "The webhook " + name + " takes nothing: " + hook.courier.last_words() + ". Events wait in the journal.";
    alarm.advice = "Look at the receiver. What the journal gives up before it works again is lost to it (journal.keep, journal.max_rows).";
    alarms_.raise(std::move(alarm));
}

std::vector<WebhookFigures> Webhooks::figures() const {
    std::vector<WebhookFigures> all;
    const std::uint64_t last = store_.health().journal_last;
    for (const HookPtr& hook : hooks_) {
        WebhookFigures one;
        one.name = hook->name();
        one.url = without_secrets(hook->what->options.url);
        one.cursor = hook->cursor;
        one.behind = last - std::min(last, hook->cursor);
        one.events = hook->events;
        one.requests = hook->requests;
        one.failures = hook->failures;
        one.gaps = hook->gaps;
        one.put_aside = hook->put_aside;
        one.failing_since = hook->courier.failing_since();
        one.words = hook->courier.last_words();
        one.aside = hook->aside;
        all.push_back(std::move(one));
    }
    return all;
}

Result<void> Webhooks::replay(const std::string& name, std::uint64_t from) {
    const auto found = std::find_if(hooks_.begin(), hooks_.end(), [&](const HookPtr& hook) { return hook->name() == name; });
    if (found == hooks_.end()) return Error{"there is no [[webhook]] named \"", name, "\""};
    Hook& hook = **found;
    const queue::StoreHealth health = store_.health();
    if (from == 0 || from > health.journal_last + 1)
        return Error{"the journal has the numbers ", std::to_string(health.journal_first), " to ", std::to_string(health.journal_last)};
    std::erase_if(hook.aside, [&](const AsideRange& range) { return range.first >= from; });
    hook.moved = true;
    move_on(hook, from - 1);
    hook.wake.notify();
    log::info("webhook").kv("name", name).kv("replay_from", from);
    return {};
}

}  // namespace posthorn::events
