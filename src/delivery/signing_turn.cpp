// Signing as deliveries need it: once for all that carry the same octets, in the crypto pool, or held where a key is missing.
#include "base/base64.hpp"
#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "delivery/send_test.hpp"
#include "delivery/verdict.hpp"
#include "net/offload.hpp"

namespace posthorn::delivery {
namespace {

Outcome held_locally(const std::string& reason) {
    return own_outcome(Disposition::deferred, Class::local, Scope::message, 451, {4, 7, 0}, "Held here: " + reason);
}

}  // namespace

std::string prefix_key(const mail::Message& message, std::string_view recipient, std::string_view form) {
    std::string key = message.id.to_string();
    if (!form.empty()) key.append(" ").append(form);
    if (!message.stream.empty()) key.append(" ").append(recipient);
    return key;
}

// Before any connection, so that none waits for a signature.
net::awaitable<bool> DeliveryAgent::State::sign(Attempt& attempt) {
    if (attempt.damage.empty()) {
        attempt.prefix = co_await prefix_of(attempt.message, attempt.recipients.front().address, attempt.settings);
        attempt.damage = attempt.prefix->hold_reason;
    }
    if (attempt.damage.empty() && is_send_test(*attempt.message))
        log::info("signed").kv("id", attempt.id.to_string()).kv("domain", attempt.domain)
            .kv("header", base64_encode(attempt.prefix->text + attempt.message->header));
    if (attempt.damage.empty()) co_return true;
    finish(attempt, queue::DeliveryFeedback::Reach::abandoned);
    std::vector<Judged> judged = judge_all(attempt.recipients, held_locally(attempt.damage));
    co_await settle(attempt.message, std::move(judged), attempt.settings);
    co_return false;
}

net::awaitable<std::shared_ptr<Prefix>> DeliveryAgent::State::prefix_of(mail::MessagePtr message, std::string recipient,
                                                                        std::shared_ptr<const Settings> current,
                                                                        std::string form) {
    const std::string key = prefix_key(*message, recipient, form);
    if (std::shared_ptr<Prefix> known = prefixes.find(key, std::chrono::steady_clock::now())) {
        co_await known->ready.wait();
        if (known->hold_reason.empty()) co_return known;
    }

    const TimePoint now = wall_now();
    auto prefix = std::make_shared<Prefix>(home);
    SigningRules rules;
    rules.keys = current->keys;
    rules.streams = &current->streams;
    rules.unsubscribe = current->unsubscribe.get();
    SigningPlan plan = plan_signing(*message, recipient, rules, now);
    if (!plan.hold_reason.empty() || (!plan.selection.can_sign() && plan.list_header.empty())) {
        if (plan.hold_reason.empty())
            log::info("unsigned").kv("id", message->id.to_string()).kv("domain", plan.from_domain).kv("reason", plan.selection.reason);
        prefix->hold_reason = plan.hold_reason;
        prefix->ready.set();
        co_return prefix;
    }
    // Of an attempt that began before a reload it is nobody else's: its key may be the one that was replaced.
    if (current == settings) prefixes.put(key, prefix, std::chrono::steady_clock::now());

    struct Rendered {
        Rendered(Result<std::string> what, std::chrono::nanoseconds time) : text(std::move(what)), took(time) {}
        Result<std::string> text;
        std::chrono::nanoseconds took;
    };
    auto work = [plan = std::move(plan), message, directory = store.spool_directory(), now] {
        const SteadyTime begin = std::chrono::steady_clock::now();
        Result<std::string> text = render_prefix(plan, *message, directory, now);
        return std::make_shared<Rendered>(std::move(text), std::chrono::steady_clock::now() - begin);
    };
    std::string broken;
    try {
        const std::shared_ptr<Rendered> made = co_await net::offload(crypto, std::move(work));
        tally.sign_seconds.observe(made->took);
        if (made->text) prefix->text = std::move(*made->text);
        else broken = made->text.error().what;
    } catch (const std::exception& failure) {
        broken = failure.what();   // others wait for it: they must hear of it too
    }
    if (!broken.empty()) ++tally.sign_failures;
    if (!broken.empty()) prefix->hold_reason = "signing failed: " + broken;
    prefix->ready.set();
    co_return prefix;
}

}  // namespace posthorn::delivery
