// The step from outcomes to verdicts.
#include "delivery/verdict.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "delivery/classify.hpp"
#include "queue/retry.hpp"

namespace posthorn::delivery {

bool is_reply(std::string_view text) {
    return text.size() > 4 && text::is_digit(text[0]) && text::is_digit(text[1]) && text::is_digit(text[2]) &&
           (text[3] == ' ' || text[3] == '-');
}

using smtp::protocol::Fate;
using smtp::protocol::RecipientResult;
using smtp::protocol::Stage;

std::vector<Judged> judge(const std::vector<queue::Recipient>& recipients, const std::vector<RecipientResult>& results,
                          const Peer& peer) {
    std::vector<Judged> out;
    out.reserve(recipients.size());
    // Of those that RCPT did not refuse the message itself was.
    const auto is_taken = [](const RecipientResult& result) {
        return result.stage == Stage::data || result.stage == Stage::end_of_data || result.fate == Fate::delivered;
    };
    const auto taken = static_cast<std::size_t>(std::count_if(results.begin(), results.end(), is_taken));
    std::size_t accepted_before = 0;
    for (std::size_t i = 0; i < recipients.size(); ++i) {
        const RecipientResult& result = results[i];
        Judged judged;
        judged.recipient = recipients[i];
        judged.outcome.stage = result.stage;
        judged.outcome.reply = result.reply;
        judged.outcome.host = peer.host;
        judged.outcome.maybe_delivered = result.maybe_delivered;
        judged.at_once = result.fate == Fate::split;
        if (result.fate == Fate::delivered) {
            judged.outcome.result = Disposition::delivered;
        } else if (judged.at_once) {
            judged.outcome.result = Disposition::deferred;
            judged.outcome.failure_class = Class::split;
        } else {
            ReplyFacts facts(result.stage, result.reply);
            facts.provider = peer.provider;
            facts.local = result.local;
            facts.tls = peer.tls;
            facts.ipv6 = peer.ipv6;
            facts.strict_5xx = peer.strict_5xx;
            facts.ours = peer.ours;
            facts.attempts = recipients[i].attempts;
            facts.accepted_before = is_taken(result) ? taken - 1 : accepted_before;
            Judgement judgement = classify(facts, *peer.rules);
            if (judgement.result == Disposition::delivered) {
                // A positive code is no excuse for a fate of refused (a 250 to RCPT before the connection broke).
                judgement.result = Disposition::deferred;
                judgement.failure_class = Class::connection;
            }
            judged.wait = judgement.wait;
            // By a rule's words, too, the rest goes at once; behind an accepted one only, so that each transaction gets somebody out of the way.
            judged.at_once = judgement.failure_class == Class::split && judgement.result == Disposition::deferred &&
                             result.stage == smtp::protocol::Stage::rcpt && accepted_before > 0;
            adopt(judged.outcome, std::move(judgement));
        }
        if (is_taken(result)) ++accepted_before;
        out.push_back(std::move(judged));
    }
    return out;
}

std::vector<Judged> judge_all(const std::vector<queue::Recipient>& recipients, const Outcome& outcome) {
    std::vector<Judged> out;
    out.reserve(recipients.size());
    for (const queue::Recipient& recipient : recipients) {
        Judged judged;
        judged.recipient = recipient;
        judged.outcome = outcome;
        out.push_back(std::move(judged));
    }
    return out;
}

queue::DeliveryFeedback::Reach reach_of(const std::vector<Judged>& judged) {
    using Reach = queue::DeliveryFeedback::Reach;
    Reach reach = Reach::reached;
    for (const Judged& item : judged) {
        const Outcome& outcome = item.outcome;
        if (item.at_once) continue;   // PR-19, PR-37: no trouble of the site's
        // Said of an address or a domain of ours: its gates are shut (PR-13, PR-45), and the others' mail to the site goes on.
        const Class what = outcome.failure_class;
        if (outcome.judgement && (what == Class::throttle || what == Class::auth || what == Class::rep)) continue;
        // PR-37: 421 in a transaction ends the connection and says nothing of the host; before one it asks for patience.
        const bool asks_for_patience = outcome.reply.code == 421 && outcome.stage <= smtp::protocol::Stage::auth;
        if (what == Class::throttle || asks_for_patience) return Reach::throttled;
        // Lost or put off before anything was said of the message: the host. A final refusal is told to each sender at once.
        // A handshake that broke only under the terms of one message says nothing to the others.
        const bool early = outcome.stage <= smtp::protocol::Stage::auth && outcome.scope != Scope::message;
        if (outcome.result == Disposition::deferred && early) reach = Reach::host_failed;
    }
    return reach;
}

std::optional<TimePoint> held_since(const queue::Recipient& recipient) {
    const bool held = recipient.last_class == to_string(Class::auth) || recipient.last_class == to_string(Class::rep);
    if (!held || recipient.due_at >= recipient.last_attempt) return std::nullopt;
    return recipient.due_at;
}

bool has_expired(const queue::Recipient& recipient, TimePoint accepted_at, const queue::RetryOptions& retry, TimePoint now) {
    // providers.md 2.7: min(enqueued + queue_lifetime, first_hold + auth_hold_max).
    if (const std::optional<TimePoint> since = held_since(recipient)) {
        if (now >= recipient.expires_at) return true;
        if (recipient.last_class == to_string(Class::auth)) return now >= *since + retry.auth_lifetime;
        // PR-53: only what a 5xx refused has a shorter time; what waits behind it has the queue's.
        return recipient.last_reply.starts_with('5') && now >= *since + retry.rep_hold;
    }
    return now >= queue::gives_up_at(retry, recipient.last_class, accepted_at, recipient.expires_at);
}

Outcome expiry_of(const queue::Recipient& recipient) {
    Outcome outcome;
    outcome.result = Disposition::failed;
    outcome.failure_class = Class::expired;
    outcome.scope = Scope::recipient;
    outcome.host = recipient.last_host;
    outcome.reply.code = 554;
    outcome.reply.enhanced = {5, 4, 7};   // RFC 3463: delivery time expired
    const bool given_up = recipient.last_class == "bounced";   // by an operator: queue::Revision::bounce
    outcome.reply.lines.push_back((given_up ? std::string("5.4.7 The operator of this server gave the message up; the last answer was: ")
                                            : std::string("5.4.7 Delivery was tried until its time was over; the last answer was: ")) +
                                  (recipient.last_reply.empty() ? std::string("none, as no attempt could be made")
                                                                : recipient.last_reply));
    // The reason counts more than the fact: a DSN about 5.7.26 says 5.7.26 (PR-48).
    if (is_reply(recipient.last_reply))
        if (const auto code = smtp::protocol::EnhancedCode::parse(std::string_view(recipient.last_reply).substr(4)))
            outcome.reply.enhanced = *code;
    outcome.reply.enhanced.status = 5;
    return outcome;
}

void give_up(std::vector<Judged>& judged, TimePoint accepted_at, TimePoint now) {
    for (Judged& item : judged) {
        Outcome& outcome = item.outcome;
        const bool limited = outcome.result == Disposition::deferred && outcome.judgement && outcome.judgement->expires_after;
        if (limited && now >= accepted_at + *outcome.judgement->expires_after) outcome.result = Disposition::failed;
    }
}

queue::Verdict verdict_of(const Judged& judged, TimePoint accepted_at, const queue::RetryOptions& retry, TimePoint now,
                          double random) {
    const queue::Recipient& recipient = judged.recipient;
    queue::Verdict verdict;
    verdict.recipient = recipient.id;
    verdict.message = recipient.message;
    if (judged.outcome.result != Disposition::deferred) {
        verdict.kind = queue::Verdict::Kind::done;
        return verdict;
    }
    verdict.kind = queue::Verdict::Kind::defer;
    verdict.attempted_at = now;
    verdict.failure_class = to_string(judged.outcome.failure_class);
    verdict.reply = judged.outcome.reply.verbatim();
    verdict.host = judged.outcome.host;
    if (judged.outcome.maybe_delivered) verdict.in_doubt = judged.outcome.host;
    if (recipient.state == queue::RecipientState::held) verdict.kind = queue::Verdict::Kind::hold;   // an operator said so
    if (judged.at_once) {
        verdict.due_at = now;
        verdict.count_attempt = false;
        return verdict;
    }
    if (judged.held) {
        // Before the attempt, by as little as there is: so it differs from what is due at once for another way.
        verdict.due_at = held_since(recipient).value_or(now - Duration(1));
        verdict.count_attempt = false;
        return verdict;
    }
    // Throttling and our own mistakes are no attempts at this message: its intervals do not grow by them.
    verdict.count_attempt = judged.outcome.failure_class != Class::throttle && judged.outcome.failure_class != Class::local;
    queue::Deferral deferral;
    deferral.failure_class = verdict.failure_class;
    deferral.attempts = recipient.attempts + (verdict.count_attempt ? 1 : 0);
    deferral.accepted_at = accepted_at;
    deferral.expires_at = recipient.expires_at;
    deferral.now = now;
    deferral.random = random;
    verdict.due_at = queue::next_attempt(retry, deferral);
    if (judged.wait && *judged.wait > Duration::zero()) {
        // What the peer asked for, with a little on top, since its clock started before ours.
        TimePoint asked = std::max(now + std::min<Duration>(*judged.wait, retry.max) + std::chrono::seconds(5), now + std::chrono::seconds(60));
        // Greylisting and limits end when they said; what a rule says of other troubles is the least, not each time the same.
        const bool ends_then = judged.outcome.failure_class == Class::grey || judged.outcome.failure_class == Class::throttle;
        if (!ends_then) asked = std::max(asked, verdict.due_at);
        verdict.due_at = std::min(asked, recipient.expires_at);
    }
    return verdict;
}

}  // namespace posthorn::delivery
