// One delivery: a message for recipients of one domain, signed, over a connection of its site, and its end recorded.
#include <algorithm>

#include "auth/suspension.hpp"
#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "mail/address.hpp"
#include "net/callback.hpp"
#include "net/offload.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Stage;

smtp::protocol::Transaction transaction_of(const mail::Message& message, const std::vector<queue::Recipient>& recipients,
                                           std::uint64_t size) {
    smtp::protocol::Transaction transaction;
    transaction.envelope.reverse_path = message.reverse_path;
    transaction.envelope.body = message.body.facts.has_8bit ? mail::BodyType::eight_bit_mime : mail::BodyType::unset;
    transaction.envelope.smtputf8 = message.smtputf8;
    transaction.envelope.require_tls = message.require_tls;
    transaction.envelope.ret = message.ret;
    transaction.envelope.envid = message.envid;
    for (const queue::Recipient& recipient : recipients) {
        mail::EnvelopeRecipient out;
        out.address = recipient.address;
        out.orcpt = recipient.orcpt;
        out.notify = recipient.notify;
        transaction.envelope.recipients.push_back(std::move(out));
    }
    transaction.size = size;
    transaction.header_has_8bit = message.header_has_8bit;
    transaction.body_has_8bit = message.body.facts.has_8bit;
    return transaction;
}

// When a message could not be read or recorded for a reason that is not its own.
constexpr Duration kLoadAgain = std::chrono::seconds(1);

Outcome held_locally(const std::string& reason) {
    return own_outcome(Disposition::deferred, Class::local, Scope::message, 451, {4, 7, 0}, "Held here: " + reason);
}

// A reused connection that ends before MAIL was answered says nothing of the message: peers close idle connections, and
// some close after a number of messages without a word (PR-19). A refusal of RSET is about the transaction before.
bool worth_a_new_connection(const smtp::protocol::ClientSession& session) {
    if (session.transactions() <= 1) return false;
    const auto& results = session.results();
    return !results.empty() && std::all_of(results.begin(), results.end(), [](const auto& result) {
        return result.stage == Stage::rset ||
               (result.stage == Stage::mail && (result.reply.code == 0 || result.reply.code == 421));
    });
}

// RFC 3207 s4: 530 says "Must issue a STARTTLS command first". Opportunistic TLS speaks in the clear only where the handshake
// broke before, which may have been a bad moment: no reason to return mail. True when the peer said so.
bool wants_tls(const smtp::client::Connection& connection, std::vector<Judged>& judged) {
    if (connection.session().secure() || !connection.session().extensions().starttls) return false;
    bool wanted = false;
    for (Judged& item : judged) {
        if (item.outcome.reply.code != 530) continue;
        wanted = true;
        item.outcome.result = Disposition::deferred;
        item.outcome.failure_class = Class::connection;
        item.outcome.scope = Scope::host;
    }
    return wanted;
}

queue::DeliveryFeedback feedback_of(const std::vector<Judged>& judged) {
    queue::DeliveryFeedback feedback;
    for (const Judged& item : judged) {
        const Outcome& outcome = item.outcome;
        if (outcome.failure_class == Class::throttle || outcome.reply.code == 421) {
            feedback.reach = queue::DeliveryFeedback::Reach::throttled;
            return feedback;
        }
        // Lost or put off before anything was said of the message: the host. A final refusal is told to each sender at once.
        // A handshake that broke only under the terms of one message says nothing to the others.
        const bool early = outcome.stage <= Stage::auth && outcome.scope != Scope::message;
        if (outcome.result == Disposition::deferred && early) feedback.reach = queue::DeliveryFeedback::Reach::host_failed;
    }
    return feedback;
}

}  // namespace

void DeliveryAgent::State::finish(queue::SiteId site, queue::DestinationId destination,
                                  queue::DeliveryFeedback::Reach reach) {
    queue::DeliveryFeedback feedback;
    feedback.reach = reach;
    store.unclaim(scheduler.finished(site, destination, feedback, wall_now()));
    wake();
}

// Whatever happens, the slot is given back: a leaked one would slow its site for ever.
net::awaitable<void> DeliveryAgent::State::deliver(queue::StartDelivery start) {
    const queue::SiteId site = start.site;
    const queue::DestinationId destination = start.destination;
    const QueueId id = start.message;
    bool finished = false;
    try {
        co_await attempt(std::move(start), finished);
    } catch (const std::exception& failure) {
        // Out of memory, or a broken invariant: the recipients stay claimed until the lease ends or the next start.
        log::error("attempt").kv("id", id.to_string()).kv("error", failure.what());
        if (!finished) finish(site, destination, queue::DeliveryFeedback::Reach::abandoned);
    }
    if (unrecorded-- >= settings->delivery.connections) wake();
}

net::awaitable<void> DeliveryAgent::State::attempt(queue::StartDelivery start, bool& finished) {
    const auto current = settings;
    std::vector<queue::Recipient> recipients;
    recipients.reserve(start.recipients.size());
    for (queue::ReadyRecipient& ready : start.recipients) recipients.push_back(std::move(ready.recipient));
    mail::MessagePtr message = std::move(start.recipients.front().hot);
    start.recipients.clear();

    const auto end = [&](queue::DeliveryFeedback::Reach reach) {
        finished = true;
        finish(start.site, start.destination, reach);
    };

    std::string damage;                    // why the message must not leave as it is
    if (!message) {
        auto load = [this, id = start.message](auto done) { store.message(id, std::move(done)); };
        auto loaded = co_await net::callback_result<queue::StoreResult<mail::MessagePtr>>(std::move(load));
        if (!loaded) {
            // Gone (deleted meanwhile), or the disk fails: not this message's fault, nor the site's.
            const queue::StoreError& error = loaded.error();
            if (error.fault != queue::StoreFault::not_found)
                log::error("attempt").kv("id", start.message.to_string()).kv("error", error.what);
            if (error.fault == queue::StoreFault::corrupt) message = co_await remains_of(start.message);
            if (!message) {
                end(queue::DeliveryFeedback::Reach::abandoned);
                give_back(recipients, start.domain, wall_now() + kLoadAgain);
                co_return;
            }
            damage = error.what;   // to be seen by the operator, and told to the sender at its expiry
        } else {
            message = std::move(*loaded);
        }
    }
    if (stopping || !store.health().healthy) {
        // What is delivered now could not be recorded, or not in time.
        end(queue::DeliveryFeedback::Reach::abandoned);
        give_back(recipients, start.domain, wall_now() + kLoadAgain);
        co_return;
    }

    // Expiry holds in every state, here too.
    std::vector<Judged> expired;
    const TimePoint now = wall_now();
    std::erase_if(recipients, [&](queue::Recipient& recipient) {
        if (!has_expired(recipient, message->accepted_at, current->retry, now)) return false;
        Judged item;
        item.outcome = expiry_of(recipient);
        item.recipient = std::move(recipient);
        expired.push_back(std::move(item));
        return true;
    });
    if (!expired.empty()) co_await settle(message, std::move(expired), current, false);
    if (recipients.empty()) {
        end(queue::DeliveryFeedback::Reach::abandoned);
        co_return;
    }

    // Claimed before its user was suspended, or accepted at that moment: the queue learns of it here.
    if (suspensions != nullptr && suspensions->find_source(message->source) != nullptr) {
        end(queue::DeliveryFeedback::Reach::abandoned);
        auto revise = [this, id = message->id](auto done) {
            store.revise(id, queue::Revision::suspend, wall_now(), std::move(done));
        };
        const auto revised = co_await net::callback_result<queue::StoreResult<queue::Revised>>(std::move(revise));
        log::info("suspended").kv("id", message->id.to_string()).kv("source", message->source)
            .kv("recipients", static_cast<std::uint64_t>(recipients.size()));
        give_back(recipients, start.domain, wall_now() + (revised ? Duration(0) : kLoadAgain));
        co_return;
    }

    std::shared_ptr<Prefix> prefix;
    if (damage.empty()) {
        prefix = co_await prefix_of(message, recipients.front().address, current);
        damage = prefix->hold_reason;
    }
    if (!damage.empty()) {
        const Outcome outcome = held_locally(damage);
        std::vector<Judged> judged = judge_all(recipients, outcome);
        end(queue::DeliveryFeedback::Reach::abandoned);
        co_await settle(std::move(message), std::move(judged), current, false);
        co_return;
    }

    counted.attempts += 1;
    std::vector<Judged> judged;
    bool peer_sends_dsn = false;
    const DeliveryTerms terms = terms_of(*message);
    for (bool fresh = false;; fresh = true) {
        ConnectionPool::ConnectionPtr connection = fresh ? nullptr : pool.take(start.site);
        if (connection && terms.require_tls && !connection->may_carry_require_tls()) {
            co_await connection->quit();   // in place of it, so that the site sees no more connections than before
            connection = nullptr;
        }
        if (!connection) {
            PlanDecision decision = co_await dialler.plan(start.domain, mail::destination_of(message->reverse_path), current);
            Dialled dialled;
            if (auto* outcome = std::get_if<Outcome>(&decision)) dialled.failure = std::move(*outcome);
            else dialled = co_await dialler.dial(std::get<DeliveryPlan>(decision), terms, tasks);
            connection = std::move(dialled.connection);
            if (!connection && stopping) {
                end(queue::DeliveryFeedback::Reach::abandoned);
                give_back(recipients, start.domain, wall_now());
                co_return;
            }
            if (!connection) {
                judged = judge_all(recipients, dialled.failure);
                break;
            }
        }
        net::TaskGroup::StopCallback on_abort(tasks, {}, [&] { connection->abort(); });
        const std::string host = connection->target().to_string();
        log::info("attempt").kv("id", message->id.to_string()).kv("domain", start.domain)
            .kv("recipients", static_cast<std::uint64_t>(recipients.size())).kv("host", host)
            .kv("tls", connection->tls_facts().version.empty() ? std::string_view("none") : std::string_view(connection->tls_facts().version));
        std::string path = message->body.spool_file.empty() ? std::string() : store.spool_directory() + "/" + message->body.spool_file;
        smtp::client::Content content(prefix->text, message, std::move(path));
        const std::uint64_t size = content.size();
        co_await connection->send(transaction_of(*message, recipients, size), std::move(content));

        if (!fresh && worth_a_new_connection(connection->session())) continue;
        judged = judge(recipients, connection->session().results(), host, current->retry.strict_5xx);
        peer_sends_dsn = connection->session().extensions().dsn;
        const bool in_vain = current->delivery.tls == TlsPolicy::opportunistic && wants_tls(*connection, judged);
        if (in_vain) dialler.forget_broken_tls(host);
        const bool room = pool.size() < current->delivery.connections;   // many sites must not use up the descriptors
        if (connection->usable() && !stopping && !in_vain && room &&
            connection->session().transactions() < current->delivery.messages_per_connection) {
            pool.give(start.site, std::move(connection), std::chrono::steady_clock::now() + current->delivery.idle_connection);
            break;
        }
        // Its end is not the message's: the slot stays taken until the connection is gone, so that the site never sees one more.
        if (connection->usable()) co_await connection->quit();
        break;
    }
    const queue::DeliveryFeedback feedback = feedback_of(judged);
    end(feedback.reach);
    co_await settle(std::move(message), std::move(judged), current, peer_sends_dsn);
}

net::awaitable<std::shared_ptr<Prefix>> DeliveryAgent::State::prefix_of(mail::MessagePtr message, std::string recipient,
                                                                        std::shared_ptr<const Settings> current) {
    std::string key = message->id.to_string();
    if (!message->stream.empty()) key += " " + recipient;
    const SteadyTime youngest = std::chrono::steady_clock::now() - kPrefixAge;
    if (const auto known = prefixes.find(key); known != prefixes.end() && known->second->made >= youngest) {
        std::shared_ptr<Prefix> prefix = known->second;
        co_await prefix->ready.wait();
        if (prefix->hold_reason.empty()) co_return prefix;
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
    if (prefixes.insert_or_assign(key, prefix).second) prefix_order.push_back(key);
    while (prefix_order.size() > kMaxPrefixes) {
        prefixes.erase(prefix_order.front());
        prefix_order.pop_front();
    }

    auto work = [plan = std::move(plan), message, directory = store.spool_directory(), now] {
        return std::make_shared<Result<std::string>>(render_prefix(plan, *message, directory, now));
    };
    const std::shared_ptr<posthorn::Result<std::string>> made = co_await net::offload(crypto, std::move(work));
    if (*made) prefix->text = std::move(**made);
    else prefix->hold_reason = "signing failed: " + made->error().what;
    prefix->ready.set();
    co_return prefix;
}

}  // namespace posthorn::delivery
