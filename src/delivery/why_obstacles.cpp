// What keeps a recipient back, and when it is tried next.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "delivery/classify.hpp"
#include "delivery/diagnosis.hpp"
#include "delivery/why.hpp"
#include "delivery/why_words.hpp"

namespace posthorn::delivery {
namespace {

Obstacle obstacle(std::string kind, std::string words, std::string end = {}, std::string advice = {}) {
    Obstacle made;
    made.kind = std::move(kind);
    made.words = std::move(words);
    made.end = std::move(end);
    made.advice = std::move(advice);
    return made;
}

std::string resume_command(const SuspendedPair& pair) {
    const std::string sender = !pair.sender.empty() ? pair.sender : pair.source == "default" ? "ip" : pair.source;
    return fmt::format("`posthorn resume {} {}`", sender, pair.group);
}

Obstacle of_pair(const SuspendedPair& pair) {
    Obstacle made = obstacle("suspension", pair.sentence());
    made.key = pair.key;
    made.since = pair.since;
    made.of_auth = pair.reason == SuspensionReason::auth;
    made.until = pair.until ? pair.until : pair.next_probe ? pair.next_probe : pair.next_poll;
    if (pair.until) {
        made.end = "its time is over then";
    } else if (pair.reason == SuspensionReason::by_operator) {
        made.end = "only " + resume_command(pair) + " ends it";
        made.by_itself = false;
    } else if (pair.phase == SuspensionPhase::probing) {
        made.end = "one message is under way as a probe; when it is taken, the others follow";
    } else if (pair.phase == SuspensionPhase::trial) {
        made.end = "the next message is the probe; when it is taken, the others follow";
    } else if (pair.next_probe) {
        made.end = "one message probes it then; when it is taken, the others follow";
    } else if (pair.next_poll) {
        made.end = "DNS is looked at again then; when the repair is seen, one message probes it";
    } else {
        made.end = "only " + resume_command(pair) + " ends it";
        made.by_itself = false;
    }
    if (pair.reason != SuspensionReason::by_operator) {
        made.advice = pair.repair_seen() ? std::string("Nothing: the mail goes out by itself when the probe is taken.") : pair.advice;
        if (!made.advice.empty() && !made.advice.ends_with('.')) made.advice += '.';
        made.advice += (made.advice.empty() ? "" : " ") + resume_command(pair) + " lets the mail go at once, `posthorn queue retry ID` one message.";
        if (!pair.link.empty() && !pair.repair_seen() && made.advice.find(pair.link) == std::string::npos) made.advice += " See " + pair.link;
    } else {
        made.advice = resume_command(pair) + " ends it";
    }
    if (pair.diagnosis) made.detail = to_text(*pair.diagnosis);
    return made;
}

// For the middle of a sentence.
std::string without_stop(std::string words) {
    if (words.ends_with('.')) words.pop_back();
    return words;
}

Obstacle of_throttle(const ThrottleView& throttle, TimePoint now) {
    const std::string_view how = throttle.phase == Throttle::Phase::paused ? "is paused" : "goes slowly";
    Obstacle made = obstacle("throttle", fmt::format("{} {}, as they asked for less{}", throttle.what, how,
                                                     throttle.meaning.empty() ? "" : " (" + without_stop(throttle.meaning) + ")"), throttle.next);
    made.key = throttle.key;
    made.since = throttle.since;
    if (throttle.until > now) made.until = throttle.until;
    return made;
}

std::string rate_words(const Rate& rate) { return fmt::format("{} in {}", count_words(rate.count, "recipient"), span_words(rate.per)); }

// A gate that is shut for a reason that nothing else has told.
Obstacle of_gate(const queue::GateFigures& gate, TimePoint now) {
    const std::string what = in_words(gate.key);
    Obstacle made;
    if (gate.settings.allowance == 0U) {
        made = obstacle("limit", what + " is held", "it ends by itself, or by an operator's word");
    } else if (gate.opens && *gate.opens > now) {
        made = obstacle("limit", fmt::format("{} goes no faster than {}", what, gate.settings.rate ? rate_words(*gate.settings.rate) : "its rate"),
                        "the next may start then");
        made.until = gate.opens;
    } else if (gate.settings.concurrency != 0 && gate.active >= gate.settings.concurrency) {
        made = obstacle("limit", fmt::format("{}: as many deliveries are under way as there may be ({})", what, gate.active), "one of them ends");
    } else {
        made = obstacle("limit", what + ": what may go for now is under way", "it is answered");
    }
    made.key = gate.key;
    return made;
}

bool told(const std::vector<Obstacle>& all, const std::string& key) {
    return std::any_of(all.begin(), all.end(), [&](const Obstacle& one) { return one.key == key; });
}

void add_site(std::vector<Obstacle>& all, const WayNow& way) {
    if (way.schedule && way.schedule->unresolved_until) {
        Obstacle made = obstacle("dns", fmt::format("DNS does not say where mail for {} goes, {} in a row", way.domain,
                                                    way.schedule->unresolved == 1 ? "once" : fmt::format("{} times", way.schedule->unresolved)),
                                 "DNS is asked again then", std::string(class_advice("dns")));
        made.until = way.schedule->unresolved_until;
        all.push_back(std::move(made));
    } else if (way.no_way) {
        const bool final_word = way.no_way->result == Disposition::failed;
        all.push_back(obstacle(final_word ? "no-way" : "dns", one_line(way.no_way->reply.joined()),
                               final_word ? "the next attempt will return it to its sender" : "DNS is asked again at the next attempt",
                               final_word ? "" : std::string(class_advice(to_string(way.no_way->failure_class)))));
    }
    if (way.schedule && way.schedule->backoff_until) {
        Obstacle made = obstacle("site-back-off", fmt::format("the hosts of {} are left alone for a while, as deliveries there failed{}", way.domain,
                                                              way.schedule->backoffs > 1 ? fmt::format(" (for the {}. time in a row)", way.schedule->backoffs) : ""),
                                 "one delivery tries them then");
        made.until = way.schedule->backoff_until;
        all.push_back(std::move(made));
    }
    const bool any_address = std::any_of(way.hosts.begin(), way.hosts.end(), [](const ExplainedHost& host) { return !host.addresses.empty(); });
    const bool any_well = std::any_of(way.hosts.begin(), way.hosts.end(), [](const ExplainedHost& host) {
        return std::any_of(host.addresses.begin(), host.addresses.end(), [](const ExplainedAddress& one) { return one.health == "well"; });
    });
    if (any_address && !any_well) {
        std::string detail;
        for (const ExplainedHost& host : way.hosts)
            for (const ExplainedAddress& one : host.addresses) detail += fmt::format("{}[{}]: {}\n", host.name, one.address.to_string(), one_line(one.health));
        Obstacle made = obstacle("hosts", fmt::format("no mail host of {} answers", way.domain), "one of them answers a delivery",
                                 "if no mail goes anywhere, outgoing port 25 may be blocked here");
        made.detail = std::move(detail);
        all.push_back(std::move(made));
    }
}

// Who set the due time of a recipient that was put off.
NextAttempt scheduled(const queue::Recipient& recipient, TimePoint at, TimePoint now) {
    NextAttempt next;
    next.at = at;
    const Duration wait = recipient.due_at - recipient.last_attempt;
    const auto asked = named_wait(text::to_lower(recipient.last_reply));
    std::string who;
    if (recipient.due_at >= recipient.expires_at) {
        next.by = "expiry";
        who = "the end of its time, when it is given up";
    } else if (asked && wait >= *asked && wait <= *asked + *asked / 4 + std::chrono::seconds(10)) {
        next.by = "peer";
        who = fmt::format("they asked to wait {}", span_words(*asked));
    } else if (recipient.last_class == "grey") {
        next.by = "greylisting";
        who = "the wait for greylisting";
    } else if (recipient.last_class == "throttle") {
        next.by = "provider-pause";
        who = "the pause they asked for";
    } else if (recipient.last_class == "local") {
        next.by = "local-interval";
        who = "retry.local_interval, and each reload";
    } else if (recipient.last_class.empty()) {
        next.by = "retry-schedule";
        who = "it was put off before its first attempt";
    } else {
        next.by = "retry-schedule";
        who = fmt::format("the retry schedule, after {}", count_words(recipient.attempts, "attempt"));
    }
    next.words = time_words(at, now) + ": " + who;
    return next;
}

}  // namespace

std::vector<Obstacle> obstacles_of(const queue::QueueEntry& entry, const queue::Recipient& recipient, const WayNow* way, const WhyFacts& facts) {
    std::vector<Obstacle> all;
    if (!facts.health.healthy)
        all.push_back(obstacle("store", "the queue cannot be written (" + one_line(facts.health.reason) + "), so nothing is delivered",
                               "it goes on when the disk takes writes again", "look at the disk of queue.directory"));
    if (recipient.last_class == "bounced") {
        all.push_back(obstacle("given-up", "an operator gave it up", "its sender is told within seconds"));
        return all;
    }
    if (recipient.state == queue::RecipientState::held)
        all.push_back(obstacle("hold", "an operator holds it", "it waits for him, or for the end of its time",
                               "`posthorn queue release " + entry.id.to_string() + "` lets it go on"));
    if (recipient.state == queue::RecipientState::suspended) {
        const auto user = facts.suspended_users.find(entry.source);
        Obstacle made = obstacle("user-suspended", "its user (" + one_line(entry.source) + ") is suspended", "it waits until he is resumed",
                                 "`posthorn user resume` lets his mail go on");
        if (user != facts.suspended_users.end()) {
            made.since = user->second.since;
            if (!user->second.reason.empty()) made.words += ": " + one_line(user->second.reason);
        }
        all.push_back(std::move(made));
    }
    if (way != nullptr) {
        for (const RelayTroubles::Trouble& trouble : way->troubles) {
            Obstacle made = obstacle("relay", fmt::format("the relay {} does not work for us ({}): {}", trouble.relay, to_string(trouble.fault),
                                                          one_line(trouble.words)),
                                     "it is tried again every retry.local_interval, and at each reload",
                                     "repair what the relay says, then `posthorn reload`");
            made.since = trouble.since;
            all.push_back(std::move(made));
        }
        for (const SuspendedPair& pair : way->pairs)
            if (pair.holds()) all.push_back(of_pair(pair));
        for (const ThrottleView& throttle : way->throttles)
            if (!told(all, throttle.key)) all.push_back(of_throttle(throttle, facts.now));
        for (const SuspendedPair& pair : way->pairs) {
            if (pair.holds() || told(all, pair.key)) continue;
            all.push_back(obstacle("suspension", pair.sentence(), fmt::format("it goes faster with each message that is taken; now {} at a time",
                                                                             count_words(pair.connections, "connection"))));
            all.back().key = pair.key;
        }
        for (const WarmUpView& plan : way->warm_ups) {
            if (plan.sent < plan.cap || told(all, plan.key)) continue;
            all.push_back(obstacle("warm-up", fmt::format("{}: {} of today's {} are used up", plan.what, plan.sent, plan.cap), plan.next,
                                   "[warmup] sets how the days grow"));
            all.back().key = plan.key;
        }
        for (const queue::GateFigures& gate : way->gates)
            if (!gate.open && !told(all, gate.key) && !recipient.claimed) all.push_back(of_gate(gate, facts.now));
        add_site(all, *way);
        if (way->too_many_unrecorded)
            all.push_back(obstacle("unrecorded", "as many deliveries as may be under way have ended and are not on disk yet",
                                   "the disk catches up", "look at the disk of queue.directory"));
    }
    if (recipient.state == queue::RecipientState::waiting && recipient.due_at > facts.now) {
        const NextAttempt next = scheduled(recipient, recipient.due_at, facts.now);
        const std::string why = recipient.last_class.empty() ? std::string("it is not due yet")
                                                              : fmt::format("it was put off ({}): {}", recipient.last_class, class_meaning(recipient.last_class));
        all.push_back(obstacle("schedule", why, next.words, std::string(class_advice(recipient.last_class))));
        all.back().until = recipient.due_at;
    }
    return all;
}

NextAttempt next_attempt_of(const queue::QueueEntry&, const queue::Recipient& recipient, const std::vector<Obstacle>& obstacles,
                            const WhyFacts& facts) {
    NextAttempt next;
    const auto never = [&](std::string by, std::string words) {
        next.by = std::move(by);
        next.words = std::move(words);
        return next;
    };
    if (recipient.claimed && recipient.last_class != "bounced") return never("under-way", "it is being delivered now, or about to be");
    TimePoint at = std::max(recipient.due_at, facts.now);
    const Obstacle* last = nullptr;   // the one that ends last
    for (const Obstacle& one : obstacles) {
        if (one.kind == "store") return never("store", "when the queue can be written again");
        if (one.kind == "given-up") return never("operator", "none: an operator gave it up");
        if (one.kind == "hold") return never("operator", "none until an operator releases it");
        if (one.kind == "user-suspended") return never("user-suspension", "none until its user is resumed");
        if (!one.by_itself) return never("operator", "none by itself: " + one.end);
        if (one.kind == "schedule" || !one.until || *one.until < at) continue;
        at = *one.until;
        last = &one;
    }
    if (last == nullptr) {
        if (recipient.due_at > facts.now) return scheduled(recipient, recipient.due_at, facts.now);
        next.at = facts.now;
        next.by = "now";
        next.words = obstacles.empty() ? "now: nothing is in its way" : "as soon as what is in its way lets it";
        return next;
    }
    next.at = at;
    next.by = last->kind == "throttle" ? "provider-pause" : last->kind == "dns" ? "dns-back-off" : last->kind;
    next.words = time_words(at, facts.now) + ": " + last->end;
    return next;
}

}  // namespace posthorn::delivery
