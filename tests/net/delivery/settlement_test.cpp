// What the agent does between a peer's answer and its record: the connection waits, the slot comes back, doubts are kept.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "delivery/in_doubt.hpp"
#include "net/delivery/agent_fixture.hpp"

namespace posthorn::delivery {
namespace {

class SettlementTest : public AgentTest {
protected:
    SettlementTest() {
        char name[] = "/tmp/posthorn-settlement-XXXXXX";
        directory_ = ::mkdtemp(name);
    }
    ~SettlementTest() override { std::filesystem::remove_all(directory_); }

    std::vector<Doubt> doubts() {
        InDoubtFile file;
        return file.open(directory_);
    }
    // What a process leaves that was killed: a message of doubt, and the mark of one that was recorded right before.
    QueueId leave_in_doubt(const std::string& to) {
        queue::NewMessage added = message(to);
        const QueueId id = added.message->id;
        queue::RecipientId row = 0;
        store_.add(std::move(added), SteadyTime::max(), [&](auto result) { row = result->recipients.at(0).id; });
        InDoubtFile before;
        EXPECT_TRUE(before.open(directory_).empty());
        InDoubtFile::Mark mark(before), gone(before);
        Doubt doubt;
        doubt.message = id;
        doubt.domain = "dest.test";
        doubt.host = "mx.dest.test[127.0.0.1]";
        doubt.since = wall_now();
        doubt.recipients = {row};
        mark.note(doubt);
        doubt.message = QueueId(99);   // recorded, and killed before the mark was cleared
        gone.note(doubt);
        return id;
    }
    void start_with_doubts() {
        agent_ = std::make_unique<DeliveryAgent>(context_, store_, *resolver_, crypto_, settings());
        agent_->keep_doubts_in(directory_);
        agent_->start();
    }

    std::string directory_;
};

// "settle is committed before the connection is reused for the next message": a crash repeats one message of a connection.
TEST_F(SettlementTest, AConnectionCarriesTheNextMessageOnlyWhenTheLastIsRecorded) {
    start();
    store_.holds = true;
    submit("first@dest.test");
    submit("second@dest.test");
    ASSERT_TRUE(until([&] { return store_.held.size() == 1; }));
    until([] { return false; }, 200ms);
    EXPECT_EQ(sink_.delivered(), std::vector<std::string>{"first@dest.test"});
    EXPECT_EQ(sink_.connections(), 1);
    EXPECT_EQ(agent_->figures().deliveries, 1U);   // the slot is the connection's
    store_.let_go();
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    EXPECT_EQ(sink_.delivered().size(), 2U);
    EXPECT_EQ(sink_.connections(), 1);
    EXPECT_TRUE(until([&] { return agent_->figures().deliveries == 0; }));
}

// The same where the site may have two: the other slot takes no connection whose message is not on record yet.
TEST_F(SettlementTest, AnotherSlotDoesNotTakeAConnectionThatIsNotRecorded) {
    settings_.delivery.connections_per_site = 2;
    settings_.delivery.idle_connection = 60s;
    start();
    submit("before@dest.test");   // widens the window to two
    ASSERT_TRUE(until([&] { return waiting() == 0 && agent_->figures().deliveries == 0; }));
    store_.holds = true;
    submit("first@dest.test");
    ASSERT_TRUE(until([&] { return store_.held.size() == 1; }));
    EXPECT_EQ(sink_.connections(), 1);
    EXPECT_EQ(agent_->figures().connections, 1U);
    submit("second@dest.test");
    ASSERT_TRUE(until([&] { return store_.held.size() == 2; }));
    EXPECT_EQ(sink_.connections(), 2);
    store_.let_go();
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
}

// A connection made on one message's terms carries no mail of other terms, and is closed in place of the one it would make
// too many (RFC 8689 s3: TLS-Required: No).
TEST_F(SettlementTest, OpenConnectionsAreByManner) {
    settings_.delivery.idle_connection = 60s;
    start();
    submit("first@dest.test");
    ASSERT_TRUE(until([&] { return waiting() == 0 && agent_->figures().deliveries == 0; }));
    EXPECT_EQ(agent_->figures().connections, 1U);   // idle

    const auto submit_anyhow = [&](const std::string& to) {
        queue::NewMessage added = message(to);
        auto changed = std::make_shared<mail::Message>(*added.message);
        changed->header += "TLS-Required: No\r\n";
        added.message = changed;
        Admission admission = agent_->admit(added);
        store_.add(std::move(added), SteadyTime::max(), [&](auto result) { agent_->on_added(std::move(admission), *result); });
    };
    submit_anyhow("second@dest.test");
    ASSERT_TRUE(until([&] { return waiting() == 0 && agent_->figures().deliveries == 0; }));
    EXPECT_EQ(sink_.connections(), 2);
    EXPECT_EQ(agent_->figures().connections, 1U);   // the other one has gone
    submit_anyhow("third@dest.test");
    ASSERT_TRUE(until([&] { return waiting() == 0 && agent_->figures().deliveries == 0; }));
    EXPECT_EQ(sink_.connections(), 2);
    EXPECT_EQ(sink_.delivered().size(), 3U);
}

// Settings replaced while the message was under way: its connection was made by rules that hold no more.
TEST_F(SettlementTest, AConnectionOfFormerSettingsIsNotKept) {
    settings_.delivery.idle_connection = 60s;
    start();
    sink_.stall(".");
    submit("first@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    agent_->reload(settings());
    sink_.go_on();
    ASSERT_TRUE(until([&] { return waiting() == 0 && agent_->figures().deliveries == 0; }));
    EXPECT_EQ(agent_->figures().connections, 0U);
    submit("second@dest.test");
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    EXPECT_EQ(sink_.connections(), 2);
}

// What waits in the pool at a reload goes, too.
TEST_F(SettlementTest, IdleConnectionsOfFormerSettingsAreClosed) {
    settings_.delivery.idle_connection = 60s;
    start();
    submit("first@dest.test");
    ASSERT_TRUE(until([&] { return waiting() == 0 && agent_->figures().deliveries == 0; }));
    ASSERT_EQ(agent_->figures().connections, 1U);
    agent_->reload(settings());
    EXPECT_EQ(agent_->figures().connections, 0U);
}

// No deadlock: a settlement that fails frees the slot, and no peer is kept waiting for our disk.
TEST_F(SettlementTest, AStoreThatFailsKeepsNeitherSlotNorConnection) {
    settings_.delivery.idle_connection = 60s;
    start();
    sink_.stall(".");
    submit("first@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    store_.fail_with(queue::StoreError{queue::StoreFault::io_error, "the disk is gone"});
    sink_.go_on();
    ASSERT_TRUE(until([&] { return agent_->figures().deliveries == 0 && agent_->figures().connections == 0; }));
    EXPECT_EQ(waiting(), 1U);
    store_.fail_with(std::nullopt);
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    EXPECT_EQ(sink_.delivered().size(), 1U);
    submit("second@dest.test");
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    EXPECT_EQ(sink_.delivered().size(), 2U);
}

// A leaked slot would slow its site for ever.
TEST_F(SettlementTest, TheSlotComesBackAfterAnException) {
    start();
    bool thrown = false;
    // Looked at by a delivery before it sends anything.
    store_.throws_at_health = [&] { return !thrown && agent_->figures().deliveries == 1 && (thrown = true); };
    const QueueId id = submit("first@dest.test");
    ASSERT_TRUE(until([&] { return thrown && agent_->figures().deliveries == 0; }));
    submit("second@dest.test");   // there is one slot
    ASSERT_TRUE(until([&] { return sink_.delivered().size() == 1; }));
    EXPECT_EQ(sink_.delivered(), std::vector<std::string>{"second@dest.test"});
    EXPECT_TRUE(until([&] { return agent_->figures().deliveries == 0; }));
    EXPECT_EQ(rows(id).size(), 1U);   // claimed until the lease ends or the next start
}

// The daemon asks unfinished() before it takes down what the frames refer to.
TEST_F(SettlementTest, ADeliveryThatCannotEndIsCounted) {
    settings_.delivery.shutdown_grace = 50ms;
    start();
    store_.holds = true;
    submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return store_.held.size() == 1; }));
    bool ended = false;
    net::asio::co_spawn(context_, agent_->stop(), [&](std::exception_ptr) { ended = true; });
    ASSERT_TRUE(until([&] { return ended; }));
    EXPECT_EQ(agent_->unfinished(), 1U);
    store_.let_go();
    ASSERT_TRUE(until([&] { return agent_->unfinished() == 0; }));
    EXPECT_EQ(waiting(), 0U);
}

// RFC 1047: the final dot is on its way, so nobody but the peer knows. After the record the mark is gone.
TEST_F(SettlementTest, ADeliveryIsInDoubtFromItsFinalDotToItsRecord) {
    start_with_doubts();
    sink_.stall(".");
    const QueueId id = submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    const std::vector<Doubt> noted = doubts();
    ASSERT_EQ(noted.size(), 1U);
    EXPECT_EQ(noted[0].message, id);
    EXPECT_EQ(noted[0].host, "mx.dest.test[127.0.0.1]");
    EXPECT_EQ(noted[0].domain, "dest.test");
    EXPECT_EQ(noted[0].recipients, std::vector<queue::RecipientId>{rows(id).at(0).id});
    store_.holds = true;
    sink_.go_on();
    ASSERT_TRUE(until([&] { return store_.held.size() == 1; }));
    EXPECT_EQ(doubts().size(), 1U);
    store_.let_go();
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    ASSERT_TRUE(until([&] { return doubts().empty(); }));
}

TEST_F(SettlementTest, BeforeTheMessageNothingIsInDoubt) {
    start_with_doubts();
    sink_.stall("RCPT");
    submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    EXPECT_TRUE(doubts().empty());
    sink_.go_on();
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
}

// Mid-run: as after a crash, the queue says who may have it, and it goes again when its time comes.
TEST_F(SettlementTest, AConnectionLostAfterTheFinalDotIsMarkedInTheQueue) {
    settings_.retry.first = 1h;
    start_with_doubts();
    sink_.reply(".", "");
    sink_.stall(".");
    const QueueId id = submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    sink_.hang_up();
    ASSERT_TRUE(until([&] { return !rows(id).empty() && !rows(id).front().in_doubt.empty(); }));
    EXPECT_EQ(rows(id).front().in_doubt, "mx.dest.test[127.0.0.1]");
    EXPECT_EQ(rows(id).front().last_class, "connection");
    EXPECT_GT(rows(id).front().due_at, wall_now() + 40min);
    ASSERT_TRUE(until([&] { return doubts().empty(); }));   // the queue knows
}

// Whoever gives up recording it at the end leaves the mark for the next start.
TEST_F(SettlementTest, AMarkOutlivesAStopThatCannotRecord) {
    start_with_doubts();
    sink_.stall(".");
    submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    store_.fail_with(queue::StoreError{queue::StoreFault::io_error, "the disk is gone"});
    sink_.go_on();
    ASSERT_TRUE(until([&] { return agent_->figures().delivered == 1; }));
    stop();
    EXPECT_EQ(doubts().size(), 1U);
}

// What a killed process left behind is in the queue before anything is sent, and is not sent at once.
TEST_F(SettlementTest, WhatWasLeftInDoubtIsMarkedAtTheStart) {
    settings_.retry.first = 1h;
    const QueueId id = leave_in_doubt("bob@dest.test");
    start_with_doubts();
    ASSERT_TRUE(until([&] { return !rows(id).empty() && !rows(id).front().in_doubt.empty(); }));
    EXPECT_EQ(rows(id).front().attempts, 1U);
    EXPECT_GT(rows(id).front().due_at, wall_now() + 40min);
    ASSERT_TRUE(until([&] { return doubts().empty(); }));
    EXPECT_EQ(sink_.connections(), 0);
    // The operator's word sends it, and then nothing is left of the doubt.
    store_.revise(id, queue::Revision::retry, wall_now(), [&](auto revised) { agent_->on_revised(revised->due); });
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    EXPECT_EQ(sink_.delivered().size(), 1U);
}

// A queue that cannot be read for a moment makes no doubt go away.
TEST_F(SettlementTest, DoubtsWaitForAQueueThatCanBeRead) {
    settings_.retry.first = 1h;
    const QueueId id = leave_in_doubt("bob@dest.test");
    store_.unreadable = 1;
    start_with_doubts();
    ASSERT_TRUE(until([&] { return store_.unreadable == 0; }));
    EXPECT_EQ(doubts().size(), 2U);
    ASSERT_TRUE(until([&] { return doubts().empty(); }));
    ASSERT_EQ(rows(id).size(), 1U);
    EXPECT_EQ(rows(id).front().in_doubt, "mx.dest.test[127.0.0.1]");
    EXPECT_EQ(sink_.connections(), 0);
}

TEST_F(SettlementTest, DoubtsThatWereNotSettledAreLeftToTheNextStart) {
    leave_in_doubt("bob@dest.test");
    store_.unreadable = 1000;
    start_with_doubts();
    ASSERT_TRUE(until([&] { return store_.unreadable < 1000; }));
    stop();
    EXPECT_EQ(doubts().size(), 2U);
    EXPECT_EQ(sink_.connections(), 0);
}

// The end is polite: a delivery that ends while the agent stops says QUIT, and no connection is left in the pool.
TEST_F(SettlementTest, TheLastDeliverySaysQuit) {
    settings_.delivery.idle_connection = 60s;
    start();
    sink_.stall(".");
    submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    bool ended = false;
    net::asio::co_spawn(context_, agent_->stop(), [&](std::exception_ptr) { ended = true; });
    until([&] { return ended; }, 50ms);
    sink_.go_on();
    sink_.stall("QUIT");
    ASSERT_TRUE(until([&] { return sink_.delivered().size() == 1; }));   // nobody waits at the dot any more
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    sink_.go_on();
    ASSERT_TRUE(until([&] { return ended; }));
    EXPECT_EQ(waiting(), 0U);
    EXPECT_EQ(agent_->figures().connections, 0U);
}

// Nobody's descriptors are ours for longer than delivery.idle_connection says, and the sweep's second.
TEST_F(SettlementTest, AnIdleConnectionGoesInTime) {
    settings_.delivery.idle_connection = 100ms;
    start();
    sink_.stall("QUIT");
    submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return waiting() == 0 && agent_->figures().deliveries == 0; }));
    EXPECT_TRUE(until([&] { return sink_.waiting() == 1; }, 10s));
    EXPECT_EQ(agent_->figures().connections, 0U);
    sink_.go_on();
}

// PR-19: the limit that we know is kept before the peer shows it; a provider's own goes first.
TEST_F(SettlementTest, AConnectionCarriesSoManyMessages) {
    settings_.delivery.idle_connection = 60s;
    settings_.delivery.messages_per_connection = 2;
    start();
    const auto deliver = [&](int count) {
        for (int i = 0; i < count; ++i) {
            submit("bob@dest.test");
            ASSERT_TRUE(until([&] { return waiting() == 0 && agent_->figures().deliveries == 0; }));
        }
    };
    deliver(5);
    EXPECT_EQ(sink_.connections(), 3);
    ProviderOptions provider;
    provider.name = "theirs";
    provider.mx = {"mx.dest.test"};
    provider.messages_per_connection = 3;
    settings_.delivery.providers = {provider};
    agent_->reload(settings());
    deliver(3);
    EXPECT_EQ(sink_.connections(), 4);
    deliver(1);
    EXPECT_EQ(sink_.connections(), 5);
}

// Many sites do not use up the descriptors: beyond delivery.connections none is kept.
TEST_F(SettlementTest, ThePoolIsBounded) {
    settings_.delivery.idle_connection = 60s;
    settings_.delivery.connections = 2;
    start();
    for (const char* name : {"a", "b", "c", "d"}) {
        const std::string domain = std::string(name) + ".test";
        dns_.mx(domain, 10, "mx." + domain).a("mx." + domain, "127.0.0.1");
        submit("bob@" + domain);
        ASSERT_TRUE(until([&] { return waiting() == 0 && agent_->figures().deliveries == 0; }));
    }
    EXPECT_EQ(agent_->figures().connections, 2U);
}

// What was about to be sent is nobody's at the end, so that the next process need not wait for a lease.
TEST_F(SettlementTest, WhatWasReadyIsGivenBackAtTheStop) {
    settings_.delivery.shutdown_grace = 100ms;
    start();
    sink_.stall(".");
    submit("first@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    submit("second@other.test");
    ASSERT_TRUE(until([&] { return agent_->figures().ready == 1; }));
    EXPECT_TRUE(unclaimed().empty());
    stop();
    EXPECT_TRUE(unclaimed().contains("other.test"));
}

TEST_F(SettlementTest, WhatIsClaimedWhileTheAgentStopsIsGivenBack) {
    store_.add(message("bob@dest.test"), SteadyTime::max(), [](auto result) { ASSERT_TRUE(result); });
    store_.holds_claims = true;
    start();
    ASSERT_TRUE(until([&] { return store_.claims.size() == 1; }));
    bool ended = false;
    net::asio::co_spawn(context_, agent_->stop(), [&](std::exception_ptr) { ended = true; });
    ASSERT_TRUE(until([&] { return ended; }));
    EXPECT_TRUE(unclaimed().empty());
    store_.let_claims_go();
    EXPECT_TRUE(until([&] { return unclaimed().contains("dest.test"); }));
    EXPECT_EQ(sink_.connections(), 0);
}

// A relay that will not have us will have no other message either: the first one learns it, and the site rests.
TEST_F(SettlementTest, ARelayThatRefusesUsIsAskedOnce) {
    RelayOptions relay;
    relay.name = "smart";
    relay.hosts = {{"127.0.0.1", sink_.port(), true}};
    relay.tls = RelayTls::none;
    RouteOptions route;
    route.to = "smart";
    settings_.delivery.relays = {relay};
    settings_.delivery.routes = {route};
    start();
    sink_.reply("MAIL", "530 5.7.0 Authentication required");
    submit("first@dest.test");
    submit("second@other.test");
    ASSERT_TRUE(until([&] { return agent_->figures().deferred == 1 && agent_->figures().deliveries == 0; }));
    until([] { return false; }, 300ms);
    EXPECT_EQ(agent_->figures().attempts, 1U);
    EXPECT_EQ(waiting(), 2U);
}

// The one reason why the store refuses a settlement for its own sake: the id of its report is taken. It gets another.
TEST_F(SettlementTest, AReportWhoseIdIsTakenIsRenamed) {
    dns_.mx("example.test", 10, "mx.dest.test");
    start();
    sink_.reply("RCPT", "550 5.1.1 nobody here");
    store_.holds = true;
    submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return store_.held.size() == 1; }));
    sink_.reply("RCPT", "");
    ASSERT_EQ(store_.held.front().first.messages.size(), 1U);
    queue::NewMessage other = message("carol@dest.test");
    auto taken = std::make_shared<mail::Message>(*other.message);
    taken->id = store_.held.front().first.messages.front().message->id;
    other.message = taken;
    other.recipients.front().due_at = wall_now() + 1h;
    store_.add(std::move(other), SteadyTime::max(), [](auto result) { ASSERT_TRUE(result); });
    store_.let_go();
    ASSERT_TRUE(until([&] { return waiting() == 1 && agent_->figures().bounced == 1; }));   // carol's
    EXPECT_EQ(sink_.delivered(), std::vector<std::string>{"alice@example.test"});
}

// The route by which we would leave: looked at anew at once when the operator has changed it.
TEST_F(SettlementTest, AReloadLooksAtTheSourceAddressAnew) {
    const auto reverse = [](char last) {
        std::string name(1, last);
        return name += ".0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    };
    settings_.delivery.family = IpFamily::automatic;
    settings_.delivery.source_v6 = "2001:db8::1";
    start();
    ASSERT_TRUE(until([&] { return dns_.count(reverse('1')) == 1; }));
    until([] { return false; }, 50ms);   // that look has ended
    settings_.delivery.source_v6 = "2001:db8::2";
    agent_->reload(settings());
    EXPECT_TRUE(until([&] { return dns_.count(reverse('2')) == 1; }));
}

// What a crash may repeat is bounded: deliveries whose end is not on disk count against delivery.connections, though their
// slots are free again.
TEST_F(SettlementTest, NoMoreGoesOutThanMayBeRepeated) {
    settings_.delivery.connections = 2;
    start();
    sink_.stall("connect");
    for (const char* name : {"a", "b", "c", "d", "e"}) submit(std::string(name) + "@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    store_.fail_with(queue::StoreError{queue::StoreFault::busy, "too much to write"});
    sink_.go_on();
    ASSERT_TRUE(until([&] { return sink_.delivered().size() == 2; }));
    until([] { return false; }, 300ms);
    EXPECT_EQ(sink_.delivered().size(), 2U);
    EXPECT_EQ(agent_->figures().deliveries, 0U);
    store_.fail_with(std::nullopt);
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    EXPECT_EQ(sink_.delivered().size(), 5U);
}

// An operator gives a message up: its sender is told, with the last answer.
TEST_F(SettlementTest, ABouncedMessageEndsWithADsn) {
    start();
    sink_.reply("RCPT", "451 4.2.0 later");
    const QueueId id = submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return !rows(id).empty() && rows(id).front().attempts == 1; }));
    store_.revise(id, queue::Revision::bounce, wall_now(), [&](auto revised) { EXPECT_EQ(revised->recipients, 1U); });
    ASSERT_TRUE(until([&] { return agent_->figures().bounced == 1; }));
    EXPECT_TRUE(rows(id).empty());
    EXPECT_EQ(agent_->figures().failed, 1U);
}

}  // namespace
}  // namespace posthorn::delivery
