// The contract of store.hpp, held against each store.
#include <filesystem>
#include <fstream>
#include <set>

#include "mail/handoff.hpp"
#include "queue/body_spool.hpp"
#include "queue/memory_store.hpp"
#include "store_fixture.hpp"
#include "store_makers.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::queue::test {
namespace {

using namespace std::chrono_literals;

template <class Maker>
class StoreContract : public testing::Test {
protected:
    void SetUp() override {
        store_ = Maker::make(directory_.path());
        ASSERT_NE(store_, nullptr);
    }
    QueueStore& store() { return *store_; }

    // One message to these addresses of example.net, due now unless told.
    Added add_one(std::int64_t id, const std::vector<std::string>& locals, bool claim_it = false,
                  TimePoint due = {}) {
        NewMessage message{make_message(id), {}};
        for (const std::string& local : locals) {
            message.recipients.push_back(
                make_recipient(local, "example.net", due == TimePoint{} ? now_ : due, claim_it));
        }
        auto added = add(store(), std::move(message));
        EXPECT_TRUE(added) << (added ? "" : added.error().what);
        return added ? *added : Added{};
    }
    std::vector<Recipient> claim_now(DestinationId destination, std::size_t limit = 100) {
        return claim(store(), destination, now_, limit, now_ + 1h).value().rows;
    }

    posthorn::test::TempDir directory_;
    std::unique_ptr<QueueStore> store_;
    const TimePoint now_ = wall_now();
};

using Makers = testing::Types<MemoryMaker, SqliteMaker>;
TYPED_TEST_SUITE(StoreContract, Makers);

// SM-34: what was handed over is added once, however often it is brought, until it is forgotten.
TYPED_TEST(StoreContract, AHandOverIsAddedOnceWhileItIsRemembered) {
    const auto recipient = make_recipient("a", "example.net", this->now_);
    const std::string key = mail::handoff_key(33, "1732257600.812.c0ffee");
    const auto bring = [&](std::int64_t id, const std::string& as) {
        return add(this->store(), {make_message(id), {recipient}, as});
    };
    ASSERT_TRUE(bring(1, key));
    const auto again = bring(2, key);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().fault, StoreFault::known);
    EXPECT_NE(again.error().what.find("c0ffee"), std::string::npos);
    EXPECT_EQ(message(this->store(), QueueId(2)).error().fault, StoreFault::not_found) << "nothing was stored";
    EXPECT_EQ(this->store().health().messages, 1U);
    EXPECT_EQ(claim(this->store(), 1, this->now_, 10, this->now_ + 1h).value().rows.size(), 1U);

    // The name is its owner's: another's hand-over of the same name, and another of his, are something else.
    EXPECT_TRUE(bring(3, mail::handoff_key(34, "1732257600.812.c0ffee")));
    EXPECT_TRUE(bring(4, mail::handoff_key(33, "1732257600.812.c0ffed")));
    EXPECT_TRUE(bring(5, "")) << "mail without a name is never known";
    EXPECT_TRUE(bring(6, ""));

    // It stays remembered when the mail has left the queue.
    const auto revised = revise(this->store(), QueueId(4), Revision::remove, this->now_);
    ASSERT_TRUE(revised);
    EXPECT_EQ(bring(7, mail::handoff_key(33, "1732257600.812.c0ffed")).error().fault, StoreFault::known);

    EXPECT_EQ(forget_pickups(this->store(), {key, "never heard of"}).value(), 1U);
    EXPECT_TRUE(bring(8, key));
}

// A refused add leaves no name behind: the mail can be brought again.
TYPED_TEST(StoreContract, WhatWasNotAddedIsNotRemembered) {
    const auto recipient = make_recipient("a", "example.net", this->now_);
    ASSERT_TRUE(add(this->store(), {make_message(1), {recipient}}));
    EXPECT_EQ(add(this->store(), {make_message(1), {recipient}, "n:33"}).error().fault, StoreFault::refused);
    EXPECT_TRUE(pickups(this->store()).value().empty());
    EXPECT_TRUE(add(this->store(), {make_message(2), {recipient}, "n:33"}));
    EXPECT_EQ(add(this->store(), {make_message(3), {recipient}, std::string(kLongestPickup + 1, 'n')}).error().fault,
              StoreFault::refused);
    EXPECT_LE(mail::handoff_key(0xffffffff, std::string(mail::kMaxHandoffName, 'n')).size(), kLongestPickup);
}

TYPED_TEST(StoreContract, HandOversAreListedPageByPageWithTheirTime) {
    const auto recipient = make_recipient("a", "example.net", this->now_);
    const TimePoint before = wall_now() - 1s;
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(add(this->store(), {make_message(1 + i), {recipient}, mail::handoff_key(33, "n" + std::to_string(i))}));
    }
    const auto first = pickups(this->store(), "", 3).value();
    ASSERT_EQ(first.size(), 3U);
    EXPECT_EQ(first[0].key, mail::handoff_key(33, "n0"));
    EXPECT_GE(first[0].added_at, before);
    EXPECT_LE(first[0].added_at, wall_now() + 1s);
    const auto rest = pickups(this->store(), first[2].key, 3).value();
    ASSERT_EQ(rest.size(), 2U);
    EXPECT_EQ(rest[1].key, mail::handoff_key(33, "n4"));
}

TYPED_TEST(StoreContract, WhereALocalMessageCameFromIsKept) {
    const auto letter = make_message(1);
    letter->source = "uid=33";
    letter->origin = "uid=33 user=www-data pid=812 cmd=\"php-fpm: pool www\"";
    ASSERT_TRUE(add(this->store(), {letter, {make_recipient("a", "example.net", this->now_)}}));
    EXPECT_EQ(message(this->store(), QueueId(1)).value()->origin, letter->origin);
    EXPECT_EQ(show(this->store(), QueueId(1)).value().origin, letter->origin);
    EXPECT_EQ(list(this->store(), {}).value().at(0).origin, letter->origin);
}

// A destination is a domain and a lane: the mail of one lane is claimed apart from that of another, whatever their texts.
TYPED_TEST(StoreContract, LanesOfOneDomainAreDestinationsOfTheirOwn) {
    const std::vector<std::string> lanes = {"", "~example.org", "example.org user=it's; DROP TABLE recipient--",
                                            std::string(960, 'x')};
    std::vector<DestinationId> ids;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        const auto id = static_cast<std::int64_t>(i) + 1;
        const auto recipient = make_recipient("a" + std::to_string(i), "example.net", this->now_, false, lanes[i]);
        ids.push_back(add(this->store(), {make_message(id), {recipient}}).value().recipients.at(0).destination);
    }
    EXPECT_EQ(std::set<DestinationId>(ids.begin(), ids.end()).size(), lanes.size());
    const auto again = make_recipient("b", "example.net", this->now_, false, lanes[2]);
    EXPECT_EQ(add(this->store(), {make_message(9), {again}}).value().recipients.at(0).destination, ids[2]);

    std::set<std::string> listed;
    for (const DestinationDue& due : destinations(this->store()).value()) {
        EXPECT_EQ(due.domain, "example.net");
        listed.insert(due.lane);
    }
    EXPECT_EQ(listed, std::set<std::string>(lanes.begin(), lanes.end()));
    const auto rows = this->claim_now(ids[2]);
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].lane, lanes[2]);
    EXPECT_EQ(this->claim_now(ids[0]).size(), 1U);
    // To the operator it is one domain.
    ListQuery query;
    query.domain = "example.net";
    EXPECT_EQ(list(this->store(), query).value().size(), 5U);
    query.domain = "example.org";
    EXPECT_TRUE(list(this->store(), query).value().empty());
    EXPECT_TRUE(settle(this->store(), {{defer_to(rows[0].id, rows[0].message, this->now_ + 1h)}, {}}));
    const Revised revised = revise(this->store(), rows[0].message, Revision::retry, this->now_).value();
    ASSERT_EQ(revised.due.size(), 1U);
    EXPECT_EQ(revised.due[0].lane, lanes[2]);
}

TYPED_TEST(StoreContract, GivesBackWhatWasAdded) {
    auto message = make_message(7, std::string("8-bit \xc3\xa9 and \0 zero\r\n", 22));
    message->envid = "env";
    message->smtputf8 = message->require_tls = message->header_has_8bit = true;
    message->body_type = mail::BodyType::eight_bit_mime;
    message->ret = mail::DsnReturn::headers;
    message->stream = "news";
    message->body.facts.longest_line = 17;
    message->body.facts.has_8bit = message->body.facts.has_leading_dot = true;
    message->body.facts.ends_with_crlf = false;
    NewRecipient recipient = make_recipient("bob", "example.net", this->now_);
    recipient.recipient.orcpt = "rfc822;robert@example.com";
    recipient.recipient.notify = mail::Notify::failure | mail::Notify::delay;
    const Added added = add(this->store(), {message, {recipient}}).value();

    const mail::MessagePtr got = test::message(this->store(), message->id).value();
    EXPECT_EQ(got->accepted_at, message->accepted_at);
    EXPECT_EQ(got->expires_at, message->expires_at);
    EXPECT_EQ(got->reverse_path, message->reverse_path);
    EXPECT_EQ(got->envid, "env");
    EXPECT_TRUE(got->smtputf8 && got->require_tls && got->header_has_8bit);
    EXPECT_TRUE(test::show(this->store(), message->id).value().require_tls);  // RFC 8689
    EXPECT_EQ(got->body_type, mail::BodyType::eight_bit_mime);
    EXPECT_EQ(got->ret, mail::DsnReturn::headers);
    EXPECT_EQ(got->stream, "news");
    EXPECT_EQ(got->source, message->source);
    EXPECT_EQ(got->header, message->header);
    EXPECT_EQ(*got->body.bytes, *message->body.bytes);
    EXPECT_EQ(got->body.facts.size, message->body.facts.size);
    EXPECT_EQ(got->body.facts.longest_line, 17U);
    EXPECT_TRUE(got->body.facts.has_8bit && got->body.facts.has_leading_dot);
    EXPECT_FALSE(got->body.facts.ends_with_crlf);
    EXPECT_EQ(got->relaxed_body_hash, message->relaxed_body_hash);

    const auto rows = this->claim_now(added.recipients.at(0).destination);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].id, added.recipients[0].id);
    EXPECT_EQ(rows[0].message, message->id);
    EXPECT_EQ(rows[0].address, "bob@example.net");
    EXPECT_EQ(rows[0].orcpt, "rfc822;robert@example.com");
    EXPECT_EQ(rows[0].notify, mail::Notify::failure | mail::Notify::delay);
    EXPECT_EQ(rows[0].due_at, this->now_);
    EXPECT_EQ(rows[0].expires_at, message->expires_at);
    EXPECT_EQ(rows[0].attempts, 0U);
    EXPECT_EQ(rows[0].last_attempt, TimePoint{});
    EXPECT_TRUE(rows[0].personal);
}

TYPED_TEST(StoreContract, AnEmptyBodyIsABody) {
    const Added added =
        add(this->store(), {make_message(8, ""), {make_recipient("a", "example.net", this->now_)}}).value();
    EXPECT_EQ(*test::message(this->store(), QueueId(8)).value()->body.bytes, "");
    ASSERT_TRUE(settle(this->store(), {{done_with(added.recipients[0].id, QueueId(8))}, {}}));
    EXPECT_EQ(test::message(this->store(), QueueId(8)).error().fault, StoreFault::not_found);
}

TYPED_TEST(StoreContract, TheSameIdTwiceIsRefusedAndTheFirstStays) {
    this->add_one(5, {"a"});
    const auto again =
        add(this->store(), {make_message(5, "other\r\n"), {make_recipient("b", "example.net", this->now_)}});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().fault, StoreFault::refused);
    EXPECT_EQ(*test::message(this->store(), QueueId(5)).value()->body.bytes, "Hello\r\n");
    EXPECT_EQ(show(this->store(), QueueId(5)).value().recipient_count, 1U);
}

TYPED_TEST(StoreContract, AMessageWithoutRecipientsIsRefused) {
    EXPECT_EQ(add(this->store(), {make_message(5), {}}).error().fault, StoreFault::refused);
    EXPECT_EQ(
        add(this->store(), {make_message(0), {make_recipient("a", "example.net", this->now_)}}).error().fault,
        StoreFault::refused);
}

TYPED_TEST(StoreContract, ClaimsAreExclusiveAndEarliestFirst) {
    const Added late = this->add_one(1, {"late"}, false, this->now_ - 1min);
    this->add_one(2, {"early"}, false, this->now_ - 5min);
    this->add_one(3, {"future"}, false, this->now_ + 5min);
    const DestinationId destination = late.recipients[0].destination;

    const Claimed first = claim(this->store(), destination, this->now_, 1, this->now_ + 1h).value();
    ASSERT_EQ(first.rows.size(), 1U);
    EXPECT_EQ(first.rows[0].address, "early@example.net");
    EXPECT_EQ(first.next_due, this->now_ - 1min);  // more is due than the limit

    const Claimed second = claim(this->store(), destination, this->now_, 10, this->now_ + 1h).value();
    ASSERT_EQ(second.rows.size(), 1U);
    EXPECT_EQ(second.rows[0].address, "late@example.net");
    EXPECT_EQ(second.next_due, this->now_ + 5min);

    EXPECT_TRUE(this->claim_now(destination).empty());
    this->store().unclaim({first.rows[0].id});
    const auto again = this->claim_now(destination);
    ASSERT_EQ(again.size(), 1U);
    EXPECT_EQ(again[0].address, "early@example.net");
}

TYPED_TEST(StoreContract, AnotherClaimantMayHaveARowWhoseLeaseIsOver) {
    const DestinationId destination = this->add_one(1, {"a"}).recipients[0].destination;
    ASSERT_EQ(claim(this->store(), destination, this->now_, 1, this->now_ + 1min).value().rows.size(), 1U);
    EXPECT_TRUE(claim(this->store(), destination, this->now_ + 59s, 1, this->now_ + 1h).value().rows.empty());
    EXPECT_EQ(claim(this->store(), destination, this->now_ + 1min, 1, this->now_ + 1h).value().rows.size(),
              1U);
}

// A probe of the breaker, and an operator's retry: one message through all that holds its domains' mail back.
TYPED_TEST(StoreContract, AMessageIsClaimedWhateverItsDueTimesAndNobodyElseHasItThen) {
    const NewMessage both{make_message(1),
                          {make_recipient("a", "example.net", this->now_ - 1min),
                           make_recipient("b", "example.org", this->now_ + 5h, false, "lane"),
                           make_recipient("c", "example.net", this->now_ + 2h)}};
    const Added added = add(this->store(), both).value();
    this->add_one(2, {"d"}, false, this->now_);
    const DestinationId net = added.recipients[0].destination;
    ASSERT_EQ(claim(this->store(), net, this->now_, 1, this->now_ + 1h).value().rows.size(), 1U) << "a is under way";

    const auto rows = claim_message(this->store(), QueueId(1), this->now_).value();
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].address, "b@example.org");
    EXPECT_EQ(rows[0].lane, "lane");
    EXPECT_EQ(rows[0].destination, added.recipients[1].destination);
    EXPECT_EQ(rows[1].address, "c@example.net");
    EXPECT_TRUE(claim_message(this->store(), QueueId(1), this->now_).value().empty());
    EXPECT_EQ(this->claim_now(net).size(), 1U) << "d alone";
    this->store().unclaim({added.recipients[1].id});
    EXPECT_EQ(claim_message(this->store(), QueueId(1), this->now_).value().size(), 1U);
    EXPECT_EQ(claim_message(this->store(), QueueId(1), this->now_ + 1h).value().size(), 3U) << "the leases are over";
    EXPECT_TRUE(claim_message(this->store(), QueueId(9), this->now_).value().empty());
}

TYPED_TEST(StoreContract, HeldAndSuspendedRowsAreNotClaimedWithTheirMessage) {
    this->add_one(1, {"a", "b"});
    ASSERT_TRUE(revise(this->store(), QueueId(1), Revision::hold, this->now_));
    EXPECT_TRUE(claim_message(this->store(), QueueId(1), this->now_).value().empty());
    ASSERT_TRUE(revise(this->store(), QueueId(1), Revision::release, this->now_));
    ASSERT_TRUE(revise(this->store(), QueueId(1), Revision::suspend, this->now_));
    EXPECT_TRUE(claim_message(this->store(), QueueId(1), this->now_).value().empty());
}

TYPED_TEST(StoreContract, ClaimedAsAddedIsClaimed) {
    const Added added = this->add_one(1, {"a", "b"}, true);
    const DestinationId destination = added.recipients[0].destination;
    EXPECT_TRUE(this->claim_now(destination).empty());
    EXPECT_EQ(next_due(this->store(), destination).value(), std::nullopt);
    EXPECT_TRUE(destinations(this->store()).value().empty());
    this->store().unclaim({added.recipients[0].id});
    EXPECT_EQ(this->claim_now(destination).size(), 1U);
}

TYPED_TEST(StoreContract, TheMessageGoesWithItsLastRecipient) {
    const Added added = this->add_one(1, {"a", "b"});
    ASSERT_TRUE(settle(this->store(), {{done_with(added.recipients[0].id, QueueId(1))}, {}}));
    EXPECT_EQ(show(this->store(), QueueId(1)).value().recipient_count, 1U);
    ASSERT_TRUE(settle(this->store(), {{done_with(added.recipients[1].id, QueueId(1))}, {}}));
    EXPECT_EQ(show(this->store(), QueueId(1)).error().fault, StoreFault::not_found);
    EXPECT_EQ(test::message(this->store(), QueueId(1)).error().fault, StoreFault::not_found);
    // A verdict on what is gone is no error.
    EXPECT_TRUE(settle(this->store(), {{done_with(added.recipients[1].id, QueueId(1))}, {}}));
}

TYPED_TEST(StoreContract, VerdictsOnSeveralMessagesInOneSettlement) {
    const Added one = this->add_one(1, {"a", "b"});
    const Added two = this->add_one(2, {"c"});
    ASSERT_TRUE(settle(this->store(), {{done_with(one.recipients[0].id, QueueId(1)),
                                        done_with(two.recipients[0].id, QueueId(2)),
                                        done_with(one.recipients[1].id, QueueId(1))},
                                       {}}));
    EXPECT_TRUE(list(this->store(), {}).value().empty());
}

TYPED_TEST(StoreContract, DeferKeepsTheReasonAndFreesTheRow) {
    const Added added = this->add_one(1, {"a"}, true);
    const DestinationId destination = added.recipients[0].destination;
    Verdict verdict = defer_to(added.recipients[0].id, QueueId(1), this->now_ + 10min);
    verdict.delay_dsn_sent = true;
    verdict.in_doubt = "mx.example.net[192.0.2.1]";
    ASSERT_TRUE(settle(this->store(), {{verdict}, {}}));
    EXPECT_EQ(next_due(this->store(), destination).value(), this->now_ + 10min);
    EXPECT_TRUE(this->claim_now(destination).empty());

    auto rows = claim(this->store(), destination, this->now_ + 10min, 9, this->now_ + 2h).value().rows;
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].attempts, 1U);
    EXPECT_EQ(rows[0].last_attempt, verdict.attempted_at);
    EXPECT_EQ(rows[0].last_class, "temp");
    EXPECT_EQ(rows[0].last_reply, "451 4.3.0 later");
    EXPECT_EQ(rows[0].last_host, "mx.example.net[192.0.2.1]");
    EXPECT_TRUE(rows[0].delay_dsn_sent);
    EXPECT_EQ(rows[0].in_doubt, "mx.example.net[192.0.2.1]");

    verdict.count_attempt = false;
    verdict.delay_dsn_sent = false;  // sticky
    verdict.in_doubt.clear();        // sticky: a later attempt does not undo the doubt about an earlier one
    ASSERT_TRUE(settle(this->store(), {{verdict}, {}}));
    rows = claim(this->store(), destination, this->now_ + 10min, 9, this->now_ + 2h).value().rows;
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].attempts, 1U);
    EXPECT_TRUE(rows[0].delay_dsn_sent);
    EXPECT_EQ(rows[0].in_doubt, "mx.example.net[192.0.2.1]");
}

TYPED_TEST(StoreContract, NothingIsDueAfterItsExpiry) {
    const TimePoint expiry = make_message(1)->expires_at;
    const Added added = this->add_one(1, {"a"}, false, expiry + 1h);
    const DestinationId destination = added.recipients[0].destination;
    EXPECT_LE(*next_due(this->store(), destination).value(), expiry + 1min);
    const auto entry = show(this->store(), QueueId(1)).value();
    EXPECT_EQ(entry.recipients[0].due_at, entry.expires_at);
    ASSERT_TRUE(settle(this->store(), {{defer_to(added.recipients[0].id, QueueId(1), expiry + 100h)}, {}}));
    EXPECT_EQ(show(this->store(), QueueId(1)).value().recipients[0].due_at, entry.expires_at);
}

TYPED_TEST(StoreContract, ExpiryReachesEveryStateButNotClaimedRows) {
    const Added waiting = this->add_one(1, {"a"}, false, this->now_ + 1h);
    const Added held = this->add_one(2, {"b"});
    const Added claimed = this->add_one(3, {"c"}, true);
    ASSERT_TRUE(revise(this->store(), QueueId(2), Revision::hold, this->now_));
    EXPECT_TRUE(claim_expired(this->store(), this->now_, 10).value().empty());

    const TimePoint later = this->now_ + kLifetime + 1min;
    // Still being tried: the lease of an added claim is a day, so look at it from inside that day with a
    // shorter lifetime.
    auto short_lived = make_message(4);
    short_lived->expires_at = this->now_ + 1min;
    add(this->store(), {short_lived, {make_recipient("d", "example.net", this->now_, true)}}).value();
    EXPECT_TRUE(claim_expired(this->store(), this->now_ + 2min, 10).value().empty());

    auto rows = claim_expired(this->store(), later, 10).value();
    std::set<RecipientId> ids;
    for (const Recipient& row : rows) {
        ids.insert(row.id);
    }
    EXPECT_TRUE(ids.contains(waiting.recipients[0].id));
    EXPECT_TRUE(ids.contains(held.recipients[0].id));
    EXPECT_TRUE(claim_expired(this->store(), later, 10).value().empty()) << "claimed by the call before";
}

TYPED_TEST(StoreContract, MessagesThatWaitForARepairAreFoundByClass) {
    for (int id : {1, 2, 3, 4}) {
        this->add_one(id, {"a", "b"});
    }
    const DestinationId destination = destinations(this->store()).value().at(0).id;
    Settlement settlement;
    for (const Recipient& row : this->claim_now(destination)) {
        Verdict verdict;
        verdict.recipient = row.id;
        verdict.message = row.message;
        verdict.kind = Verdict::Kind::defer;
        verdict.due_at = this->now_ + 10min;
        verdict.failure_class = row.message == QueueId(2) ? "temp" : "local";
        settlement.verdicts.push_back(verdict);
    }
    ASSERT_EQ(settlement.verdicts.size(), 8U);
    ASSERT_TRUE(settle(this->store(), settlement));
    const std::vector<QueueId> all = {QueueId(1), QueueId(3), QueueId(4)};
    EXPECT_EQ(messages_of_class(this->store(), "local").value(), all);
    EXPECT_EQ(messages_of_class(this->store(), "local", QueueId(1), 1).value(), std::vector<QueueId>{QueueId(3)});
    EXPECT_TRUE(messages_of_class(this->store(), "auth").value().empty());
    ASSERT_TRUE(revise(this->store(), QueueId(3), Revision::hold, this->now_));
    const std::vector<QueueId> waiting = {QueueId(1), QueueId(4)};
    EXPECT_EQ(messages_of_class(this->store(), "local").value(), waiting);
}

// In whatever state: held, waiting, and claimed ones once they are deferred.
TYPED_TEST(StoreContract, ABouncedMessageExpiresNow) {
    const Added claimed = this->add_one(1, {"a"}, true);
    this->add_one(2, {"b"}, false, this->now_ + 1h);
    this->add_one(3, {"c"});
    this->add_one(4, {"d"});
    ASSERT_TRUE(revise(this->store(), QueueId(3), Revision::hold, this->now_));
    for (const std::int64_t id : {1, 2, 3})
        EXPECT_EQ(revise(this->store(), QueueId(id), Revision::bounce, this->now_).value().recipients, 1U) << id;
    EXPECT_EQ(revise(this->store(), QueueId(9), Revision::bounce, this->now_).error().fault, StoreFault::not_found);
    std::set<std::int64_t> messages;
    for (const Recipient& row : claim_expired(this->store(), this->now_, 10).value()) {
        messages.insert(row.message.value());
        EXPECT_EQ(row.last_class, "bounced");
        EXPECT_LE(row.expires_at, this->now_);
    }
    EXPECT_EQ(messages, (std::set<std::int64_t>{2, 3}));
    ASSERT_TRUE(settle(this->store(), {{defer_to(claimed.recipients[0].id, QueueId(1), this->now_ + 1h)}, {}}));
    const auto later = claim_expired(this->store(), this->now_, 10).value();
    ASSERT_EQ(later.size(), 1U);
    EXPECT_EQ(later[0].message, QueueId(1));
}

TYPED_TEST(StoreContract, HeldRowsAreNotClaimedUntilReleased) {
    const DestinationId destination = this->add_one(1, {"a", "b"}).recipients[0].destination;
    EXPECT_EQ(revise(this->store(), QueueId(1), Revision::hold, this->now_).value().recipients, 2U);
    EXPECT_EQ(revise(this->store(), QueueId(1), Revision::hold, this->now_).value().recipients, 0U);
    EXPECT_TRUE(this->claim_now(destination).empty());
    EXPECT_EQ(next_due(this->store(), destination).value(), std::nullopt);
    EXPECT_EQ(show(this->store(), QueueId(1)).value().recipients[0].state, RecipientState::held);

    const Revised released = revise(this->store(), QueueId(1), Revision::release, this->now_).value();
    EXPECT_EQ(released.recipients, 2U);
    ASSERT_EQ(released.due.size(), 1U);
    EXPECT_EQ(released.due[0].id, destination);
    EXPECT_EQ(released.due[0].domain, "example.net");
    EXPECT_EQ(released.due[0].next_due, this->now_);
    EXPECT_EQ(this->claim_now(destination).size(), 2U);
}

TYPED_TEST(StoreContract, RetryMakesWaitingAndHeldRowsDueNow) {
    const Added future = this->add_one(1, {"a"}, false, this->now_ + 1h);
    const DestinationId destination = future.recipients[0].destination;
    const Revised revised = revise(this->store(), QueueId(1), Revision::retry, this->now_).value();
    EXPECT_EQ(revised.recipients, 1U);
    ASSERT_EQ(revised.due.size(), 1U);
    EXPECT_EQ(this->claim_now(destination).size(), 1U);
    // Being tried: nothing to change.
    EXPECT_EQ(revise(this->store(), QueueId(1), Revision::retry, this->now_).value().recipients, 0U);
    EXPECT_EQ(revise(this->store(), QueueId(99), Revision::retry, this->now_).error().fault,
              StoreFault::not_found);
}

TYPED_TEST(StoreContract, RemoveTakesUnclaimedRowsAtOnce) {
    const DestinationId destination = this->add_one(1, {"a", "b"}).recipients[0].destination;
    EXPECT_EQ(revise(this->store(), QueueId(1), Revision::remove, this->now_).value().recipients, 2U);
    EXPECT_EQ(show(this->store(), QueueId(1)).error().fault, StoreFault::not_found);
    EXPECT_TRUE(this->claim_now(destination).empty());
}

TYPED_TEST(StoreContract, RemoveTakesClaimedRowsWhenTheyAreSettled) {
    const Added added = this->add_one(1, {"a", "b"}, true);
    EXPECT_EQ(revise(this->store(), QueueId(1), Revision::remove, this->now_).value().recipients, 2U);
    EXPECT_EQ(show(this->store(), QueueId(1)).error().fault, StoreFault::not_found)
        << "gone for the operator";
    EXPECT_TRUE(test::message(this->store(), QueueId(1))) << "still there for the delivery that has it";
    // One was deferred: it is not tried again. The other is given back untouched.
    ASSERT_TRUE(settle(this->store(), {{defer_to(added.recipients[0].id, QueueId(1), this->now_)}, {}}));
    this->store().unclaim({added.recipients[1].id});
    EXPECT_TRUE(this->claim_now(added.recipients[0].destination).empty());
    // The row given back goes in the background; a change that is answered later has it behind itself.
    ASSERT_TRUE(settle(this->store(), {}));
    EXPECT_EQ(test::message(this->store(), QueueId(1)).error().fault, StoreFault::not_found);
}

TYPED_TEST(StoreContract, HoldWhileClaimedHoldsWhatIsDeferred) {
    const Added added = this->add_one(1, {"a"}, true);
    EXPECT_EQ(revise(this->store(), QueueId(1), Revision::hold, this->now_).value().recipients, 1U);
    ASSERT_TRUE(settle(this->store(), {{defer_to(added.recipients[0].id, QueueId(1), this->now_)}, {}}));
    EXPECT_TRUE(this->claim_now(added.recipients[0].destination).empty());
    EXPECT_EQ(show(this->store(), QueueId(1)).value().recipients[0].state, RecipientState::held);
    EXPECT_EQ(show(this->store(), QueueId(1)).value().recipients[0].attempts, 1U);
    EXPECT_EQ(revise(this->store(), QueueId(1), Revision::release, this->now_).value().recipients, 1U);
    EXPECT_EQ(this->claim_now(added.recipients[0].destination).size(), 1U);
}

TYPED_TEST(StoreContract, ASuspensionStopsWhatWaitsAndResumingReleasesThatAlone) {
    const Added held = this->add_one(1, {"a", "b"});
    const DestinationId destination = held.recipients[0].destination;
    ASSERT_TRUE(revise(this->store(), QueueId(1), Revision::hold, this->now_));
    this->add_one(2, {"c", "d"}, false, this->now_ - 1min);
    this->add_one(3, {"e"}, false, this->now_ + 1h);
    for (const std::int64_t id : {1, 2, 3}) {
        ASSERT_TRUE(revise(this->store(), QueueId(id), Revision::suspend, this->now_));
    }
    EXPECT_TRUE(this->claim_now(destination).empty());
    EXPECT_FALSE(test::next_due(this->store(), destination).value());
    EXPECT_EQ(show(this->store(), QueueId(1)).value().recipients[0].state, RecipientState::held);
    EXPECT_EQ(show(this->store(), QueueId(2)).value().recipients[0].state, RecipientState::suspended);
    // Nothing an operator does to one message makes it leave; his own hold outlives the suspension.
    EXPECT_EQ(revise(this->store(), QueueId(2), Revision::release, this->now_).value().recipients, 0U);
    EXPECT_EQ(revise(this->store(), QueueId(2), Revision::retry, this->now_).value().recipients, 0U);
    this->add_one(4, {"f"});
    ASSERT_TRUE(revise(this->store(), QueueId(4), Revision::suspend, this->now_));
    EXPECT_EQ(revise(this->store(), QueueId(4), Revision::hold, this->now_).value().recipients, 1U);

    EXPECT_EQ(revise(this->store(), QueueId(1), Revision::resume, this->now_).value().recipients, 0U);
    EXPECT_EQ(revise(this->store(), QueueId(4), Revision::resume, this->now_).value().recipients, 0U);
    const Revised resumed = revise(this->store(), QueueId(2), Revision::resume, this->now_).value();
    EXPECT_EQ(resumed.recipients, 2U);
    ASSERT_EQ(resumed.due.size(), 1U);
    EXPECT_EQ(resumed.due[0].next_due, this->now_ - 1min);
    // The back-off it had is the one it has.
    EXPECT_EQ(revise(this->store(), QueueId(3), Revision::resume, this->now_).value().due.at(0).next_due,
              this->now_ + 1h);
    EXPECT_EQ(this->claim_now(destination).size(), 2U);
}

TYPED_TEST(StoreContract, SuspendingWhileClaimedSuspendsWhatIsDeferred) {
    const Added added = this->add_one(1, {"a", "b", "c"}, true);
    const auto row = [&](std::size_t i) { return added.recipients[i].id; };
    EXPECT_EQ(revise(this->store(), QueueId(1), Revision::suspend, this->now_).value().recipients, 3U);
    // One is deferred, one comes back untouched, one has got through.
    ASSERT_TRUE(settle(this->store(), {{defer_to(row(0), QueueId(1), this->now_)}, {}}));
    this->store().unclaim({row(1)});
    ASSERT_TRUE(settle(this->store(), {{done_with(row(2), QueueId(1))}, {}}));
    const QueueEntry entry = show(this->store(), QueueId(1)).value();
    ASSERT_EQ(entry.recipient_count, 2U);
    EXPECT_EQ(entry.recipients[0].state, RecipientState::suspended);
    EXPECT_EQ(entry.recipients[0].last_reply, "451 4.3.0 later");
    EXPECT_EQ(entry.recipients[1].state, RecipientState::suspended);
    EXPECT_TRUE(this->claim_now(added.recipients[0].destination).empty());
    EXPECT_EQ(revise(this->store(), QueueId(1), Revision::resume, this->now_).value().recipients, 2U);
    EXPECT_EQ(this->claim_now(added.recipients[0].destination).size(), 2U);
    // Resumed while it was claimed: nothing of the suspension is left.
    ASSERT_TRUE(revise(this->store(), QueueId(1), Revision::suspend, this->now_));
    ASSERT_TRUE(revise(this->store(), QueueId(1), Revision::resume, this->now_));
    ASSERT_TRUE(settle(this->store(), {{defer_to(row(0), QueueId(1), this->now_)}, {}}));
    EXPECT_EQ(show(this->store(), QueueId(1)).value().recipients[0].state, RecipientState::waiting);
}

TYPED_TEST(StoreContract, SuspendedMailExpiresAndCanBeDeleted) {
    auto old = make_message(1, "Hello\r\n", this->now_ - kLifetime - 1h);
    ASSERT_TRUE(add(this->store(), {old, {make_recipient("a", "example.net", this->now_)}}));
    this->add_one(2, {"b"});
    ASSERT_TRUE(revise(this->store(), QueueId(1), Revision::suspend, this->now_));
    ASSERT_TRUE(revise(this->store(), QueueId(2), Revision::suspend, this->now_));
    EXPECT_EQ(claim_expired(this->store(), this->now_, 10).value().size(), 1U);
    EXPECT_EQ(revise(this->store(), QueueId(2), Revision::remove, this->now_).value().recipients, 1U);
    EXPECT_FALSE(show(this->store(), QueueId(2)));
}

TYPED_TEST(StoreContract, SourcesAreReadPageByPage) {
    for (const std::int64_t id : {1, 2, 3, 4}) {
        auto message = make_message(id);
        message->source = id == 3 ? "ip=127.0.0.1" : "user=alice";
        ASSERT_TRUE(add(this->store(), {message, {make_recipient("a", "example.net", this->now_),
                                                  make_recipient("b", "example.net", this->now_)}}));
    }
    ASSERT_TRUE(revise(this->store(), QueueId(2), Revision::suspend, this->now_));
    ASSERT_TRUE(revise(this->store(), QueueId(4), Revision::suspend, this->now_));
    const auto first = sources(this->store(), {QueueId(), 3, false}).value();
    ASSERT_EQ(first.size(), 3U);
    EXPECT_EQ(first[2].id, QueueId(3));
    EXPECT_EQ(first[2].source, "ip=127.0.0.1");
    EXPECT_EQ(sources(this->store(), {QueueId(3), 3, false}).value().size(), 1U);
    const auto suspended = sources(this->store(), {QueueId(), 10, true}).value();
    ASSERT_EQ(suspended.size(), 2U);  // once each, however many recipients
    EXPECT_EQ(suspended[0].id, QueueId(2));
    EXPECT_EQ(suspended[1].source, "user=alice");
    EXPECT_EQ(sources(this->store(), {QueueId(2), 10, true}).value().size(), 1U);
}

TYPED_TEST(StoreContract, AVerdictCanHold) {
    const Added added = this->add_one(1, {"a"}, true);
    Verdict verdict = defer_to(added.recipients[0].id, QueueId(1), this->now_);
    verdict.kind = Verdict::Kind::hold;
    ASSERT_TRUE(settle(this->store(), {{verdict}, {}}));
    EXPECT_TRUE(this->claim_now(added.recipients[0].destination).empty());
    EXPECT_EQ(show(this->store(), QueueId(1)).value().recipients[0].last_reply, "451 4.3.0 later");
}

TYPED_TEST(StoreContract, ASettlementIsAllOrNothing) {
    const Added added = this->add_one(1, {"a"}, true);
    this->add_one(2, {"b"});
    // The DSN has an id that exists: nothing of the settlement happens, the claim stays.
    Settlement settlement;
    settlement.verdicts.push_back(done_with(added.recipients[0].id, QueueId(1)));
    settlement.messages.push_back({make_message(2), {make_recipient("sender", "example.org", this->now_)}});
    EXPECT_EQ(settle(this->store(), std::move(settlement)).error().fault, StoreFault::refused);
    EXPECT_TRUE(show(this->store(), QueueId(1)));
    EXPECT_EQ(this->claim_now(added.recipients[0].destination).size(), 1U) << "only message 2's";

    Settlement good;
    good.verdicts.push_back(done_with(added.recipients[0].id, QueueId(1)));
    good.messages.push_back({make_message(3), {make_recipient("sender", "example.org", this->now_, true)}});
    const Settled settled = settle(this->store(), std::move(good)).value();
    ASSERT_EQ(settled.messages.size(), 1U);
    ASSERT_EQ(settled.messages[0].recipients.size(), 1U);
    EXPECT_FALSE(show(this->store(), QueueId(1)));
    EXPECT_TRUE(show(this->store(), QueueId(3)));
}

TYPED_TEST(StoreContract, DestinationsWithMailAreListedInPages) {
    for (std::int64_t i = 1; i <= 5; ++i) {
        add(this->store(),
            {make_message(i),
             {make_recipient("a", "d" + std::to_string(i) + ".example", this->now_ + i * 1min)}})
            .value();
    }
    ASSERT_TRUE(revise(this->store(), QueueId(2), Revision::hold, this->now_));
    std::vector<std::string> seen;
    DestinationId after = 0;
    for (;;) {
        const auto page = destinations(this->store(), after, 2).value();
        for (const DestinationDue& due : page) {
            seen.push_back(due.domain);
            after = due.id;
        }
        if (page.size() < 2) {
            break;
        }
    }
    EXPECT_EQ(seen, (std::vector<std::string>{"d1.example", "d3.example", "d4.example", "d5.example"}));
    EXPECT_EQ(destinations(this->store()).value().at(0).next_due, this->now_ + 1min);
}

TYPED_TEST(StoreContract, ListsByPageDomainAndSender) {
    for (std::int64_t i = 1; i <= 4; ++i) {
        auto message = make_message(i);
        message->reverse_path = i % 2 == 0 ? "even@example.org" : "odd@example.org";
        add(this->store(),
            {message, {make_recipient("a", i < 3 ? "one.example" : "two.example", this->now_)}})
            .value();
    }
    ListQuery query;
    query.limit = 3;
    auto page = list(this->store(), query).value();
    ASSERT_EQ(page.size(), 3U);
    EXPECT_EQ(page[0].id, QueueId(1));
    EXPECT_EQ(page[0].size, make_message(1)->size());
    query.after = page.back().id;
    page = list(this->store(), query).value();
    ASSERT_EQ(page.size(), 1U);
    EXPECT_EQ(page[0].id, QueueId(4));

    ListQuery domain;
    domain.domain = "two.example";
    EXPECT_EQ(list(this->store(), domain).value().size(), 2U);
    domain.reverse_path = "even@example.org";
    ASSERT_EQ(list(this->store(), domain).value().size(), 1U);
    EXPECT_EQ(list(this->store(), domain).value()[0].id, QueueId(4));
    domain.domain = "unknown.example";
    EXPECT_TRUE(list(this->store(), domain).value().empty());
}

TYPED_TEST(StoreContract, ListsBySubmitter) {
    for (std::int64_t i = 1; i <= 4; ++i) {
        auto message = make_message(i);
        message->source = i == 1 ? "uid=33" : i == 2 ? "user=www-data" : i == 3 ? "uid=330" : "uid=33";
        add(this->store(), {message, {make_recipient("a", "one.example", this->now_)}}).value();
    }
    ListQuery query;
    query.sources = {"uid=33"};
    const auto own = list(this->store(), query).value();
    ASSERT_EQ(own.size(), 2U);
    EXPECT_EQ(own[0].id, QueueId(1));
    EXPECT_EQ(own[1].id, QueueId(4));
    query.sources = {"uid=33", "user=www-data"};
    EXPECT_EQ(list(this->store(), query).value().size(), 3U);
    query.sources = {"uid=34"};
    EXPECT_TRUE(list(this->store(), query).value().empty());
}

TYPED_TEST(StoreContract, AnEntryTellsWhichRecipientsADeliveryHas) {
    add(this->store(), {make_message(1),
                        {make_recipient("a", "one.example", this->now_, true),
                         make_recipient("b", "two.example", this->now_)}})
        .value();
    const auto entry = list(this->store(), {}).value().at(0);
    ASSERT_EQ(entry.recipients.size(), 2U);
    EXPECT_TRUE(entry.recipients[0].claimed);
    EXPECT_FALSE(entry.recipients[1].claimed);
}

// SM-9: a flush hastens what waits, and undoes neither an operator's hold nor a suspension.
TYPED_TEST(StoreContract, AFlushHastensOnlyWhatWaits) {
    for (std::int64_t i = 1; i <= 3; ++i)
        add(this->store(), {make_message(i), {make_recipient("a", "one.example", this->now_ + 1h)}}).value();
    revise(this->store(), QueueId(2), Revision::hold, this->now_).value();
    revise(this->store(), QueueId(3), Revision::suspend, this->now_).value();
    const Revised flushed = revise(this->store(), QueueId(1), Revision::flush, this->now_).value();
    EXPECT_EQ(flushed.recipients, 1U);
    ASSERT_EQ(flushed.due.size(), 1U);
    EXPECT_EQ(flushed.due[0].next_due, this->now_);
    EXPECT_EQ(revise(this->store(), QueueId(2), Revision::flush, this->now_).value().recipients, 0U);
    EXPECT_EQ(revise(this->store(), QueueId(3), Revision::flush, this->now_).value().recipients, 0U);
    const auto entries = list(this->store(), {}).value();
    EXPECT_EQ(entries.at(1).recipients.at(0).state, RecipientState::held);
    EXPECT_EQ(entries.at(2).recipients.at(0).state, RecipientState::suspended);
}

TYPED_TEST(StoreContract, AnEntryShowsAtMostAHundredRecipients) {
    NewMessage message{make_message(1), {}};
    for (int i = 0; i < 150; ++i) {
        message.recipients.push_back(make_recipient("r" + std::to_string(i), "example.net", this->now_));
    }
    add(this->store(), std::move(message)).value();
    const QueueEntry entry = show(this->store(), QueueId(1)).value();
    EXPECT_EQ(entry.recipients.size(), 100U);
    EXPECT_EQ(entry.recipient_count, 150U);
}

TYPED_TEST(StoreContract, ALargeBodyGoesThroughTheSpool) {
    auto message = make_message(77);
    auto spool = BodySpool::open(this->store().spool_directory(), message->id);
    ASSERT_TRUE(spool) << spool.error().what;
    const std::string chunk(100'000, 'x');
    ASSERT_TRUE(spool->write(chunk));
    ASSERT_TRUE(spool->write(chunk));
    message->body.bytes = nullptr;
    message->body.spool_file = spool->finish().value();
    message->body.facts.size = spool->size();
    const std::string path = this->store().spool_directory() + "/" + message->body.spool_file;
    const Added added =
        add(this->store(), {message, {make_recipient("a", "example.net", this->now_)}}).value();

    const auto got = test::message(this->store(), message->id).value();
    EXPECT_EQ(got->body.bytes, nullptr);
    EXPECT_EQ(got->body.spool_file, message->body.spool_file);
    EXPECT_EQ(std::filesystem::file_size(path), 200'000U);
    ASSERT_TRUE(settle(this->store(), {{done_with(added.recipients[0].id, message->id)}, {}}));
    this->store().stop();  // the file goes after the answer
    EXPECT_FALSE(std::filesystem::exists(path));
}

TYPED_TEST(StoreContract, AForeignSpoolFileIsRefused) {
    auto message = make_message(78);
    message->body.bytes = nullptr;
    message->body.spool_file = "../etc/passwd";
    EXPECT_EQ(add(this->store(), {message, {make_recipient("a", "example.net", this->now_)}}).error().fault,
              StoreFault::refused);
}

TYPED_TEST(StoreContract, CountsWhatItHas) {
    const Added added = this->add_one(1, {"a", "b"});
    this->add_one(2, {"c"});
    EXPECT_EQ(this->store().health().messages, 2U);
    EXPECT_EQ(this->store().health().recipients, 3U);
    ASSERT_TRUE(settle(this->store(), {{done_with(added.recipients[0].id, QueueId(1))}, {}}));
    EXPECT_EQ(this->store().health().messages, 2U);
    EXPECT_EQ(this->store().health().recipients, 2U);
    ASSERT_TRUE(revise(this->store(), QueueId(1), Revision::remove, this->now_));
    EXPECT_EQ(this->store().health().messages, 1U);
    EXPECT_EQ(this->store().health().recipients, 1U);
    EXPECT_TRUE(this->store().health().healthy);
}

TYPED_TEST(StoreContract, AnOperationWhoseDeadlineHasPassedIsBusyAndStoresNothing) {
    const auto late = add(this->store(), {make_message(1), {make_recipient("a", "example.net", this->now_)}},
                          std::chrono::steady_clock::now() - 1s);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().fault, StoreFault::busy);
    EXPECT_FALSE(show(this->store(), QueueId(1)));
}

TYPED_TEST(StoreContract, AfterStopEverythingIsRefused) {
    this->add_one(1, {"a"});
    this->store().stop();
    EXPECT_EQ(
        add(this->store(), {make_message(2), {make_recipient("a", "example.net", this->now_)}}).error().fault,
        StoreFault::shutting_down);
    EXPECT_EQ(settle(this->store(), {}).error().fault, StoreFault::shutting_down);
    EXPECT_EQ(claim(this->store(), 1, this->now_, 1, this->now_).error().fault, StoreFault::shutting_down);
    EXPECT_EQ(test::message(this->store(), QueueId(1)).error().fault, StoreFault::shutting_down);
    EXPECT_EQ(list(this->store(), {}).error().fault, StoreFault::shutting_down);
    this->store().stop();
}

TYPED_TEST(StoreContract, OneThreadsOperationsTakeEffectInTheirOrder) {
    // Not waited for: an add, its removal, an add again, a hold, a release, many times over.
    std::vector<std::future<bool>> answers;
    const auto keep = [&](auto call) {
        auto promise = std::make_shared<std::promise<bool>>();
        answers.push_back(promise->get_future());
        call(promise);
    };
    for (std::int64_t round = 0; round < 200; ++round) {
        const QueueId id(1 + round % 3);
        keep([&](auto promise) {
            this->store().add(
                {make_message(id.value()), {make_recipient("a", "example.net", this->now_)}}, soon(),
                [promise](StoreResult<Added> result) { promise->set_value(result.has_value()); });
        });
        keep([&](auto promise) {
            this->store().revise(id, Revision::hold, this->now_, [promise](StoreResult<Revised> result) {
                promise->set_value(result && result->recipients == 1);
            });
        });
        keep([&](auto promise) {
            this->store().revise(id, Revision::release, this->now_, [promise](StoreResult<Revised> result) {
                promise->set_value(result && result->recipients == 1 && result->due.size() == 1);
            });
        });
        keep([&](auto promise) {
            this->store().revise(id, Revision::remove, this->now_, [promise](StoreResult<Revised> result) {
                promise->set_value(result && result->recipients == 1);
            });
        });
    }
    for (auto& answer : answers) {
        EXPECT_TRUE(answer.get());
    }
    EXPECT_TRUE(list(this->store(), {}).value().empty());
}

TEST(MemoryStore, AnswersThroughItsExecutorAndFailsOnDemand) {
    std::vector<UniqueFunction<void()>> posted;
    MemoryStore store("", [&](UniqueFunction<void()> call) { posted.push_back(std::move(call)); });
    std::vector<bool> health;
    store.on_health_change([&](const StoreHealth& now) { health.push_back(now.healthy); });
    std::optional<StoreResult<Added>> answer;
    const auto try_add = [&] {
        store.add({make_message(1), {make_recipient("a", "example.net", wall_now())}}, soon(),
                  [&](StoreResult<Added> result) { answer.emplace(std::move(result)); });
    };
    store.fail_with(StoreError{StoreFault::disk_full, "full"});
    try_add();
    EXPECT_FALSE(answer);
    ASSERT_EQ(posted.size(), 1U);
    posted[0]();
    EXPECT_EQ(answer->error().fault, StoreFault::disk_full);
    store.fail_with(std::nullopt);
    try_add();
    posted[1]();
    EXPECT_TRUE(*answer);
    EXPECT_EQ(health, (std::vector<bool>{false, true}));
}

}  // namespace
}  // namespace posthorn::queue::test
