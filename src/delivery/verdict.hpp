// From what a session said of each recipient to what the queue is to do: pure, with the words the log and the operator get.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "delivery/outcome.hpp"
#include "delivery/provider_rules.hpp"
#include "mail/message.hpp"
#include "queue/options.hpp"
#include "queue/scheduler.hpp"
#include "queue/store.hpp"
#include "smtp/protocol/transaction.hpp"

namespace posthorn::delivery {

// One recipient after an attempt.
struct Judged {
    queue::Recipient recipient;
    Outcome outcome;
    std::optional<Duration> wait;          // asked for by the peer
    // Due now, and no attempt: something else is tried than what was refused (another transaction, IPv4, TLS, another relay), and
    // nobody else is to draw conclusions from it.
    bool at_once = false;
    // At once by the fallback relay, since the direct way refuses us: that the breaker hears all the same.
    bool diverted = false;
    // It waits for the end of a suspension (breaker.hpp): due since it was first held, so that the gate alone keeps it, and no attempt.
    bool held = false;
};

// Since when a recipient waits for the end of a suspension; nothing where it does not. Told by its row: last refused in class auth or
// rep, and due before that refusal.
[[nodiscard]] std::optional<TimePoint> held_since(const queue::Recipient& recipient);

// Who gave the replies, and how they are read.
struct Peer {
    std::string host;                      // "mx.example.com[192.0.2.1]"
    std::string provider;                  // or empty
    bool tls = true;
    bool ipv6 = false;
    bool strict_5xx = false;
    std::shared_ptr<const ProviderRules> rules = ProviderRules::built_in();
    std::function<bool(std::string_view domain)> ours;   // as in ReplyFacts
};
// The peer's results for the recipients of one transaction, in order. REQUIRES: equal sizes.
[[nodiscard]] std::vector<Judged> judge(const std::vector<queue::Recipient>& recipients,
                                        const std::vector<smtp::protocol::RecipientResult>& results, const Peer& peer);
// The same outcome for all: no connection, a missing key, expiry.
[[nodiscard]] std::vector<Judged> judge_all(const std::vector<queue::Recipient>& recipients, const Outcome& outcome);

// What a delivery says of its site: 421 to any recipient, else a failure before anything was said of the message. What is about a sender
// of ours (classes throttle, auth, rep) says nothing of it: gates hold that.
[[nodiscard]] queue::DeliveryFeedback::Reach reach_of(const std::vector<Judged>& judged);

// True when a recipient's time is over: its message's expiry, or the end of what class auth is given (from acceptance; of what is held,
// from when that began).
[[nodiscard]] bool has_expired(const queue::Recipient& recipient, TimePoint accepted_at, const queue::RetryOptions& retry,
                               TimePoint now);
// Whether words kept in the queue are a server's reply, and not ours about a connection that was lost.
[[nodiscard]] bool is_reply(std::string_view text);
// What is said of it then: the last reply again, and that no more attempts are made.
[[nodiscard]] Outcome expiry_of(const queue::Recipient& recipient);

// Fails what a rule gives less time than the queue does (Judgement::expires_after), when that is over.
void give_up(std::vector<Judged>& judged, TimePoint accepted_at, TimePoint now);

// What the store is to do. `random` in [0, 1], the same for all of one attempt.
[[nodiscard]] queue::Verdict verdict_of(const Judged& judged, TimePoint accepted_at, const queue::RetryOptions& retry,
                                        TimePoint now, double random);

}  // namespace posthorn::delivery
