// A delivery over a connection of its site: one that waits in the pool or a new one, the transaction, and what was said of it.
#include <algorithm>
#include <limits>

#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "delivery/lane.hpp"
#include "delivery/routing.hpp"
#include "delivery/send_test.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Stage;
using Follower = smtp::protocol::Transcript::Follower;

// The session of a send-test is an event line by line, as it happens. Empty for all other mail.
Follower session_events_of(const Attempt& attempt) {
    if (!is_send_test(*attempt.message)) return {};
    return [id = attempt.id.to_string(), domain = attempt.domain](std::string_view line) {
        log::info("session").kv("id", id).kv("domain", domain).kv("line", line);
    };
}

// A connection is followed for the attempt alone: what goes over it afterwards, QUIT or others' mail, is none of its session.
class Following {
public:
    Following(smtp::client::Connection& connection, const Follower& live) : connection_(live ? &connection : nullptr) {
        if (connection_ != nullptr) connection_->follow(live);
    }
    ~Following() {
        if (connection_ != nullptr) connection_->follow({});
    }
    Following(const Following&) = delete;
    Following& operator=(const Following&) = delete;

private:
    smtp::client::Connection* connection_;
};

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

// A pooled connection that ends before MAIL was answered says nothing of the message: peers close idle connections, and
// some close after a number of messages without a word (PR-19). A refusal of RSET is about the transaction before.
bool worth_a_new_connection(const smtp::protocol::ClientSession& session) {
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
        if (item.outcome.reply.code != 530 || item.at_once) continue;
        wanted = true;
        item.outcome.result = Disposition::deferred;
        item.outcome.failure_class = Class::connection;
        item.outcome.scope = Scope::host;
    }
    return wanted;
}

Peer peer_of(const smtp::client::Connection& connection, const Attempt& attempt) {
    Peer peer;
    peer.host = connection.target().to_string();
    peer.provider = attempt.provider;
    if (peer.provider.empty() && !attempt.carriage.by_relay)
        peer.provider = speaker_of(attempt.settings->delivery.providers, connection.target().host);
    peer.tls = connection.session().secure();
    peer.ipv6 = !connection.target().address.is_v4();
    peer.strict_5xx = attempt.settings->retry.strict_5xx;
    peer.rules = attempt.settings->rules;
    const bool any = !attempt.settings->keys->domains().empty();
    if (any) peer.ours = [settings = attempt.settings](std::string_view domain) { return is_own_domain(*settings, domain); };
    return peer;
}

bool anybody_missed_it(const std::vector<Judged>& judged) {
    return std::any_of(judged.begin(), judged.end(), [](const Judged& item) { return item.outcome.result != Disposition::delivered; });
}

// Those whose RCPT was not refused: the message's end will be about them.
std::vector<queue::RecipientId> still_open(const std::vector<queue::Recipient>& recipients,
                                           const std::vector<smtp::protocol::RecipientResult>& results) {
    std::vector<queue::RecipientId> open;
    for (std::size_t i = 0; i < recipients.size(); ++i)
        if (i >= results.size() || results[i].reply.code < 400) open.push_back(recipients[i].id);
    return open;
}

// What the provider takes over one connection before it is closed, where we know it (PR-19).
std::uint32_t messages_per_connection(const DeliveryPlan& plan) {
    const DeliveryOptions& options = plan.settings->delivery;
    if (!plan.relay)
        for (const ProviderOptions& provider : options.providers)
            if (provider.name == plan.provider && provider.messages_per_connection != 0) return provider.messages_per_connection;
    return options.messages_per_connection;
}

// Greylisting knows us by our address, and many a host by its own list: the second attempt goes where the first went (RFC 6647 s2).
// The host's name; empty: it does not matter.
std::string go_where_it_was_greylisted(Route& route, const std::vector<queue::Recipient>& recipients) {
    const queue::Recipient& first = recipients.front();
    if (first.last_class != to_string(Class::grey)) return {};
    const std::string name = first.last_host.substr(0, first.last_host.find('['));
    const auto known = std::find_if(route.hosts.begin(), route.hosts.end(), [&](const RouteHost& host) { return host.name == name; });
    if (known == route.hosts.end()) return {};
    std::rotate(route.hosts.begin(), known, std::next(known));
    route.hosts.front().preference = 0;
    for (auto other = std::next(route.hosts.begin()); other != route.hosts.end(); ++other)
        if (other->preference < std::numeric_limits<std::uint16_t>::max()) ++other->preference;
    return name;
}

}  // namespace

// Null, and attempt.judged filled in, when there is none to be had; null and not filled in when the agent stops, or is short
// of something itself.
net::awaitable<ConnectionPool::ConnectionPtr> DeliveryAgent::State::connect(Attempt& attempt, bool fresh, const Follower& live) {
    const DeliveryTerms terms = terms_of(*attempt.message);
    Lane lane = lane_of(*attempt.message, attempt.recipients.size());
    PlanDecision decision = co_await dialler.plan(attempt.domain, lane.sender_domain, attempt.settings, lane.author_domain);
    if (const auto* outcome = std::get_if<Outcome>(&decision)) {
        attempt.shortage = outcome->shortage;
        ways.learn_of_no_plan(*outcome, wall_now());
        if (!stopping && !attempt.shortage) attempt.judged = judge_all(attempt.recipients, *outcome);
        co_return nullptr;
    }
    DeliveryPlan& plan = std::get<DeliveryPlan>(decision);
    const std::string wanted_host = go_where_it_was_greylisted(plan.route, attempt.recipients);
    attempt.manner = manner_for(plan, terms);
    attempt.provider = plan.provider;
    attempt.group = plan.group;
    attempt.flow = flow_of(plan, lane, *attempt.settings);
    attempt.way = Way(plan);
    attempt.carriage = Carriage(plan);
    attempt.messages_per_connection = messages_per_connection(plan);
    if (const std::uint32_t most = quirks.messages_per_connection(plan.group, wall_now()); most != 0)
        attempt.messages_per_connection = std::min(attempt.messages_per_connection, most);
    attempt.pooled = false;
    if (!fresh) {
        ConnectionPool::ConnectionPtr open = pool.take(attempt.site, attempt.manner);
        const bool right_host = open && (wanted_host.empty() || open->target().host == wanted_host);
        const bool fits = right_host && (!terms.require_tls || open->may_carry_require_tls());
        attempt.pooled = fits;
        if (fits) co_return open;
        // In place of one that does not fit, so that the site sees no more connections than before.
        if (!open) open = pool.take_other(attempt.site);
        if (open) {
            net::TaskGroup::StopCallback on_abort(tasks, {}, [&open] { open->abort(); });
            co_await open->quit();
        }
    }
    const SteadyTime dialling = std::chrono::steady_clock::now();
    Dialled dialled = co_await dialler.dial(plan, terms, tasks, live);
    const auto took = std::chrono::steady_clock::now() - dialling;
    if (dialled.connection) tally.opened(dialled.connection->tls_facts().version, took);
    else if (!stopping) tally.not_opened(took);
    attempt.transcript = std::move(dialled.transcript);
    attempt.shortage = !dialled.connection && dialled.failure.shortage;
    if (!dialled.connection && !stopping && !attempt.shortage) {
        attempt.judged = judge_all(attempt.recipients, dialled.failure);
        attempt.carriage.note_opening(dialled.failure.host);
        mend(attempt);
    }
    if (!attempt.judged.empty()) learn(attempt);
    co_return std::move(dialled.connection);
}

net::awaitable<void> DeliveryAgent::State::send(Attempt& attempt, smtp::client::Connection& connection) {
    const mail::MessagePtr& message = attempt.form;
    const std::string host = connection.target().to_string();
    log::info("attempt").kv("id", message->id.to_string()).kv("domain", attempt.domain)
        .kv("recipients", static_cast<std::uint64_t>(attempt.recipients.size())).kv("host", host)
        .kv("tls", connection.tls_facts().version.empty() ? std::string_view("none") : std::string_view(connection.tls_facts().version));
    std::string path = message->body.spool_file.empty() ? std::string() : store.spool_directory() + "/" + message->body.spool_file;
    smtp::client::Content content(attempt.form_prefix->text, message, std::move(path));
    content.before_end = [&attempt, &connection] {
        Doubt doubt;
        doubt.message = attempt.id;
        doubt.domain = attempt.domain;
        doubt.host = connection.target().to_string();
        doubt.since = wall_now();
        doubt.recipients = still_open(attempt.recipients, connection.session().results());
        attempt.mark.note(doubt);
    };
    const std::uint64_t size = content.size();
    co_await connection.send(transaction_of(*message, attempt.recipients, size), std::move(content));
}

void DeliveryAgent::State::learn(Attempt& attempt) {
    const Ways::Lesson lesson = ways.learn(attempt.way, attempt.judged, wall_now());
    attempt.site_rests = lesson.relay_rests;
    if (lesson.plan_anew) scheduler.forget_places();
}

// False: the agent stops, nothing was said of the message.
net::awaitable<bool> DeliveryAgent::State::transmit(Attempt& attempt) {
    counted.attempts += 1;
    const Follower live = session_events_of(attempt);
    for (bool fresh = false;; fresh = true) {
        ConnectionPool::ConnectionPtr connection = co_await connect(attempt, fresh, live);
        if (!connection) {
            if (!attempt.judged.empty()) co_return true;
            abandon(attempt, attempt.shortage ? kShortageWait : Duration(0));
            co_return false;
        }
        net::TaskGroup::StopCallback on_abort(tasks, {}, [&connection] {
            if (connection) connection->abort();
        });
        const Following following(*connection, live);   // it outlives this, here or with the attempt
        const bool fits = co_await choose_form(attempt, *connection);
        if (!fits) {
            attempt.reuse = true;
            attempt.connection = std::move(connection);
            co_return true;
        }
        co_await send(attempt, *connection);
        attempt.judged = judge(attempt.recipients, connection->session().results(), peer_of(*connection, attempt));
        if (attempt.pooled) note_end_of_connection(attempt, connection->session());
        if (attempt.pooled && worth_a_new_connection(connection->session())) {
            attempt.judged.clear();
            continue;
        }

        const std::string host = connection->target().to_string();
        const Settings& current = *attempt.settings;
        attempt.carriage.note_transaction(*connection);
        mend(attempt);
        attempt.peer_sends_dsn = connection->session().extensions().dsn;
        if (anybody_missed_it(attempt.judged) || is_send_test(*attempt.message)) attempt.transcript = connection->transcript();
        const bool in_vain = current.delivery.tls == TlsPolicy::opportunistic && wants_tls(*connection, attempt.judged);
        if (in_vain) dialler.forget_broken_tls(host);
        learn(attempt);
        if (connection->usable()) {
            attempt.reuse = !in_vain && connection->session().transactions() < attempt.messages_per_connection;
            attempt.connection = std::move(connection);
        }
        co_return true;
    }
}

}  // namespace posthorn::delivery
