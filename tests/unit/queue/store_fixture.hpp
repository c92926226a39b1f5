// What the store's tests share: messages, synchronous calls, and an open store in a directory of its own.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "queue/store.hpp"

namespace posthorn::queue::test {

inline constexpr std::chrono::hours kLifetime{120};

inline std::shared_ptr<mail::Message> make_message(std::int64_t id, std::string body = "Hello\r\n",
                                                   TimePoint accepted = wall_now()) {
    auto message = std::make_shared<mail::Message>();
    message->id = QueueId(id);
    message->accepted_at = accepted;
    message->expires_at = accepted + kLifetime;
    message->reverse_path = "sender@example.org";
    message->source = "user=alice";
    message->header = "From: alice@example.org\r\nSubject: test\r\n";
    message->body.facts.size = body.size();
    message->body.bytes = std::make_shared<const std::string>(std::move(body));
    message->relaxed_body_hash.fill(static_cast<std::uint8_t>(id));
    return message;
}

inline NewRecipient make_recipient(std::string local, std::string domain, TimePoint due, bool claim = false,
                                   std::string lane = "") {
    NewRecipient recipient;
    recipient.recipient.address = local + "@" + domain;
    recipient.domain = std::move(domain);
    recipient.lane = std::move(lane);
    recipient.due_at = due;
    recipient.claim = claim;
    return recipient;
}

// Waits for the answer, at most so long that a hang is a failure and not the end of the run.
template <class T, class Call>
StoreResult<T> await(Call call) {
    auto promise = std::make_shared<std::promise<StoreResult<T>>>();
    auto future = promise->get_future();
    call(Done<T>([promise](StoreResult<T> result) { promise->set_value(std::move(result)); }));
    if (future.wait_for(std::chrono::seconds(60)) != std::future_status::ready) {
        ADD_FAILURE() << "the store did not answer";
        return StoreError{StoreFault::io_error, "no answer"};
    }
    return future.get();
}

inline SteadyTime soon() {
    return std::chrono::steady_clock::now() + std::chrono::seconds(30);
}

inline StoreResult<Added> add(QueueStore& store, NewMessage message, SteadyTime deadline = soon()) {
    return await<Added>([&](Done<Added> done) { store.add(std::move(message), deadline, std::move(done)); });
}
inline StoreResult<Settled> settle(QueueStore& store, Settlement settlement) {
    return await<Settled>([&](Done<Settled> done) { store.settle(std::move(settlement), std::move(done)); });
}
inline StoreResult<Revised> revise(QueueStore& store, QueueId id, Revision revision, TimePoint now) {
    return await<Revised>([&](Done<Revised> done) { store.revise(id, revision, now, std::move(done)); });
}
inline StoreResult<Claimed> claim(QueueStore& store, DestinationId destination, TimePoint now,
                                  std::size_t limit, TimePoint lease_until) {
    return await<Claimed>(
        [&](Done<Claimed> done) { store.claim(destination, now, limit, lease_until, std::move(done)); });
}
inline StoreResult<std::vector<Recipient>> claim_message(QueueStore& store, QueueId message, TimePoint now) {
    return await<std::vector<Recipient>>([&](Done<std::vector<Recipient>> done) {
        store.claim_message(message, now, now + std::chrono::hours(1), std::move(done));
    });
}
inline StoreResult<std::vector<Recipient>> claim_expired(QueueStore& store, TimePoint now,
                                                         std::size_t limit) {
    return await<std::vector<Recipient>>([&](Done<std::vector<Recipient>> done) {
        store.claim_expired(now, limit, now + std::chrono::hours(1), std::move(done));
    });
}
inline StoreResult<mail::MessagePtr> message(QueueStore& store, QueueId id) {
    return await<mail::MessagePtr>([&](Done<mail::MessagePtr> done) { store.message(id, std::move(done)); });
}
inline StoreResult<std::optional<TimePoint>> next_due(QueueStore& store, DestinationId destination) {
    return await<std::optional<TimePoint>>(
        [&](Done<std::optional<TimePoint>> done) { store.next_due(destination, wall_now(), std::move(done)); });
}
inline StoreResult<std::vector<DestinationDue>> destinations(QueueStore& store, DestinationId after = 0,
                                                             std::size_t limit = 1000) {
    return await<std::vector<DestinationDue>>(
        [&](Done<std::vector<DestinationDue>> done) { store.destinations(after, limit, wall_now(), std::move(done)); });
}
inline StoreResult<std::vector<QueueId>> messages_of_class(QueueStore& store, std::string failure_class,
                                                           QueueId after = {}, std::size_t limit = 100) {
    return await<std::vector<QueueId>>([&](Done<std::vector<QueueId>> done) {
        store.messages_of_class(std::move(failure_class), after, limit, std::move(done));
    });
}
inline StoreResult<std::vector<MessageSource>> sources(QueueStore& store, SourceQuery query) {
    return await<std::vector<MessageSource>>(
        [&](Done<std::vector<MessageSource>> done) { store.sources(query, std::move(done)); });
}
inline StoreResult<std::uint64_t> forget_pickups(QueueStore& store, std::vector<std::string> keys) {
    return await<std::uint64_t>(
        [&](Done<std::uint64_t> done) { store.forget_pickups(std::move(keys), std::move(done)); });
}
inline StoreResult<std::vector<Pickup>> pickups(QueueStore& store, std::string after = {}, std::size_t limit = 1000) {
    return await<std::vector<Pickup>>(
        [&](Done<std::vector<Pickup>> done) { store.pickups(std::move(after), limit, std::move(done)); });
}
inline StoreResult<std::vector<QueueEntry>> list(QueueStore& store, ListQuery query) {
    return await<std::vector<QueueEntry>>(
        [&](Done<std::vector<QueueEntry>> done) { store.list(query, std::move(done)); });
}
inline StoreResult<QueueEntry> show(QueueStore& store, QueueId id) {
    return await<QueueEntry>([&](Done<QueueEntry> done) { store.show(id, std::move(done)); });
}

inline StoreResult<JournalPage> journal(QueueStore& store, JournalQuery query = {}) {
    return await<JournalPage>([&](Done<JournalPage> done) { store.journal(query, std::move(done)); });
}
inline StoreResult<std::uint64_t> suppress(QueueStore& store, std::vector<Suppression> entries) {
    return await<std::uint64_t>([&](Done<std::uint64_t> done) { store.suppress(std::move(entries), std::move(done)); });
}
inline StoreResult<std::uint64_t> unsuppress(QueueStore& store, std::vector<std::string> addresses) {
    return await<std::uint64_t>([&](Done<std::uint64_t> done) { store.unsuppress(std::move(addresses), std::move(done)); });
}
inline StoreResult<std::vector<Suppression>> suppressions(QueueStore& store, std::string after = {}, std::size_t limit = 1000) {
    return await<std::vector<Suppression>>(
        [&](Done<std::vector<Suppression>> done) { store.suppressions(std::move(after), limit, std::move(done)); });
}

inline JournalEntry make_entry(std::int64_t message, std::string to, TimePoint at = wall_now()) {
    JournalEntry entry;
    entry.at = at;
    entry.message = QueueId(message);
    entry.event = "delivered";
    entry.from = "sender@example.org";
    entry.to = std::move(to);
    entry.group = "google";
    return entry;
}

inline Verdict done_with(const Recipient& recipient) {
    Verdict verdict;
    verdict.recipient = recipient.id;
    verdict.message = recipient.message;
    return verdict;
}
inline Verdict done_with(RecipientId recipient, QueueId message) {
    Verdict verdict;
    verdict.recipient = recipient;
    verdict.message = message;
    return verdict;
}
inline Verdict defer_to(RecipientId recipient, QueueId message, TimePoint due) {
    Verdict verdict = done_with(recipient, message);
    verdict.kind = Verdict::Kind::defer;
    verdict.due_at = due;
    verdict.attempted_at = due - std::chrono::minutes(1);
    verdict.failure_class = "temp";
    verdict.reply = "451 4.3.0 later";
    verdict.host = "mx.example.net[192.0.2.1]";
    return verdict;
}

}  // namespace posthorn::queue::test
