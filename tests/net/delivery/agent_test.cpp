// The delivery agent between a store that fails, a DNS server and a sink that stalls: nothing is lost, doubled or stuck.
#include "delivery/agent.hpp"

#include <gtest/gtest.h>

#include "base/log.hpp"
#include "net/delivery/agent_fixture.hpp"

namespace posthorn::delivery {
namespace {

queue::StoreError broken() { return {queue::StoreFault::io_error, "the disk is gone"}; }

TEST_F(AgentTest, DeliversFromMemory) {
    start();
    submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    EXPECT_EQ(sink_.delivered(), std::vector<std::string>{"bob@dest.test"});
    EXPECT_EQ(agent_->figures().hot_octets, 0U);
}

// DESIGN decision 4: delivery pauses while outcomes cannot be recorded, and what was delivered is recorded, not sent again.
TEST_F(AgentTest, RecordsLaterWhatTheStoreRefused) {
    start();
    sink_.stall(".");
    submit("first@dest.test");
    submit("second@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    store_.fail_with(broken());
    sink_.go_on();
    ASSERT_TRUE(until([&] { return agent_->figures().delivered == 1; }));
    // Longer than a settlement waits before it is tried again.
    until([] { return false; }, 1500ms);
    EXPECT_EQ(sink_.delivered(), std::vector<std::string>{"first@dest.test"});
    EXPECT_EQ(waiting(), 2U);

    store_.fail_with(std::nullopt);
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    EXPECT_EQ(sink_.delivered(), (std::vector<std::string>{"first@dest.test", "second@dest.test"}));
    EXPECT_EQ(agent_->figures().hot_octets, 0U);
}

// The delivery is decided already when the disk fails: it is given back before the peer hears of it, and found again.
TEST_F(AgentTest, GivesBackWhatItCannotRecord) {
    start(false);
    submit("bob@dest.test");
    EXPECT_TRUE(unclaimed().empty());
    store_.fail_with(broken());
    ASSERT_TRUE(until([&] { return !unclaimed().empty(); }));
    EXPECT_EQ(sink_.connections(), 0);
    EXPECT_EQ(agent_->figures().deliveries, 0U);
    store_.fail_with(std::nullopt);
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    EXPECT_EQ(sink_.delivered().size(), 1U);
}

TEST_F(AgentTest, StopDoesNotWaitForAConnectionBeingMade) {
    settings_.delivery.shutdown_grace = 20s;
    start();
    sink_.stall("connect");
    submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    EXPECT_LT(stop(), 5s);
    EXPECT_EQ(unclaimed(), std::set<std::string>{"dest.test"});
    EXPECT_EQ(agent_->figures().deferred, 0U);   // it says nothing of the peer
}

TEST_F(AgentTest, StopWaitsForADeliveryAndThenCutsIt) {
    settings_.delivery.shutdown_grace = 300ms;
    start();
    sink_.stall(".");
    const QueueId id = submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    const auto took = stop();
    EXPECT_GE(took, 290ms);
    EXPECT_LT(took, 3s);
    ASSERT_EQ(rows(id).size(), 1U);   // nobody knows whether the peer has it: it stays
    EXPECT_EQ(rows(id).front().last_class, "connection");
}

// A second signal ends what is left at once, also the goodbye to a peer that does not answer it.
TEST_F(AgentTest, AbortDoesNotWaitForAGoodbye) {
    settings_.delivery.idle_connection = 60s;
    settings_.delivery.timeouts.quit = 120s;
    start();
    submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return waiting() == 0 && agent_->figures().connections == 1 && agent_->figures().deliveries == 0; }));
    sink_.stall("QUIT");
    bool ended = false;
    net::asio::co_spawn(context_, agent_->stop(), [&](std::exception_ptr) { ended = true; });
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    agent_->abort();
    EXPECT_TRUE(until([&] { return ended; }, 60s));
    EXPECT_EQ(agent_->unfinished(), 0U);   // stop() gives up on a goodbye that goes on, and leaves it
    sink_.go_on();
}

TEST_F(AgentTest, StopLetsADeliveryFinish) {
    start();
    sink_.stall(".");
    submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    bool ended = false;
    net::asio::co_spawn(context_, agent_->stop(), [&](std::exception_ptr) { ended = true; });
    until([&] { return ended; }, 100ms);
    EXPECT_FALSE(ended);
    sink_.go_on();
    ASSERT_TRUE(until([&] { return ended; }, 5s));
    EXPECT_EQ(waiting(), 0U);
    EXPECT_EQ(sink_.delivered().size(), 1U);
}

// Class local: a mistake of ours, here no key for the From domain. A reload that repairs it sends the mail.
TEST_F(AgentTest, ReloadTriesWhatWasHeldForAKey) {
    settings_.dkim.unknown_domain = auth::UnsignedPolicy::hold;
    start();
    const QueueId id = submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return agent_->figures().deferred == 1 && rows(id).front().last_class == "local"; }));
    EXPECT_EQ(rows(id).front().attempts, 0U);
    EXPECT_EQ(sink_.connections(), 0);
    settings_.dkim.unknown_domain = auth::UnsignedPolicy::send_unsigned;
    agent_->reload(settings());
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    EXPECT_EQ(sink_.delivered().size(), 1U);
}

// A reload comes while the record of such a wait is on its way to the disk, where the reload does not find it yet.
TEST_F(AgentTest, ReloadTriesWhatIsJustBeingHeldForAKey) {
    settings_.dkim.unknown_domain = auth::UnsignedPolicy::hold;
    start();
    store_.holds = true;
    submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return store_.held.size() == 1; }));
    settings_.dkim.unknown_domain = auth::UnsignedPolicy::send_unsigned;
    agent_->reload(settings());
    until([] { return false; }, 50ms);   // it has asked what is held
    store_.let_go();
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    EXPECT_EQ(sink_.delivered().size(), 1U);
}

// An attempt that began before a reload signs by the rules it began with, and leaves that signature to nobody else: the selector
// may be gone from DNS when the next attempt is made.
TEST_F(AgentTest, ASignatureOfBeforeTheReloadIsNotUsedAfterIt) {
    settings_.queue.hot_memory = 0;   // each attempt reads the message
    signs_ = {{"example.test", {{"old", "key"}}, auth::UnsignedPolicy::hold}};
    start();
    store_.holds_messages = true;
    sink_.reply(".", "450 4.2.0 later");
    queue::NewMessage added = message("bob@dest.test");
    queue::NewRecipient carol = added.recipients.front();
    carol.recipient.address = "carol@other.test";
    carol.domain = "other.test";
    added.recipients.push_back(carol);
    Admission admission = agent_->admit(added);
    store_.add(std::move(added), SteadyTime::max(), [&](auto result) { agent_->on_added(std::move(admission), *result); });
    ASSERT_TRUE(until([&] { return store_.asked.size() == 1; }));
    signs_.front().keys.front().selector = "new";
    agent_->reload(settings());
    store_.let_messages_go();
    ASSERT_TRUE(until([&] { return agent_->figures().deferred == 2; }));
    std::vector<std::string> selectors;
    for (const std::string& line : sink_.lines())
        for (const char* selector : {"old", "new"})
            if (line.find(std::string("s=") + selector + ";") != std::string::npos) selectors.emplace_back(selector);
    EXPECT_EQ(selectors, (std::vector<std::string>{"old", "new"}));
}

// "The session was refused before MAIL: back off the whole site" (queue/scheduler.hpp): one message learns it, not each.
TEST_F(AgentTest, AHostThatPutsOffEverybodyIsLeftAlone) {
    start();
    sink_.reply("connect", "450 4.3.2 not now");
    for (int i = 0; i < 10; ++i) submit("bob" + std::to_string(i) + (i % 2 == 0 ? "@dest.test" : "@other.test"));
    ASSERT_TRUE(until([&] { return agent_->figures().deferred > 0; }));
    until([] { return false; }, 300ms);
    EXPECT_EQ(sink_.connections(), 1);
    EXPECT_EQ(agent_->figures().deferred, 1U);
    EXPECT_EQ(agent_->figures().hot_octets, 0U);
    EXPECT_EQ(waiting(), 10U);
}

// A refusal of RSET is about the transaction before; the message that comes next has done nothing.
TEST_F(AgentTest, ARefusedResetDoesNotReturnTheNextMessage) {
    start();
    sink_.reply("RCPT", "450 4.2.1 mailbox busy");
    submit("busy@dest.test");
    ASSERT_TRUE(until([&] { return agent_->figures().deferred == 1 && agent_->figures().connections == 1; }));
    sink_.reply("RCPT", "");
    sink_.reply("RSET", "554 5.5.0 too many errors");
    submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return agent_->figures().delivered + agent_->figures().failed > 0; }));
    EXPECT_EQ(agent_->figures().failed, 0U);
    EXPECT_EQ(sink_.delivered(), std::vector<std::string>{"bob@dest.test"});
    EXPECT_EQ(sink_.connections(), 2);
}

// A message that the peer cannot take leaves its connection idle before any transaction; that it is closed meanwhile is nobody's
// fault either (EXT-8, PR-19).
TEST_F(AgentTest, AConnectionThatWasNeverUsedMayBeClosedWhileItWaits) {
    settings_.delivery.idle_connection = 60s;
    start();
    queue::NewMessage signed_mail = message("carol@dest.test");
    auto changed = std::make_shared<mail::Message>(*signed_mail.message);
    changed->header += "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n";
    changed->body.bytes = std::make_shared<const std::string>("--b\r\n\r\nJ\xC3\xB6rg\r\n--b--\r\n");
    changed->body.facts.size = changed->body.bytes->size();
    changed->body.facts.has_8bit = true;
    signed_mail.message = changed;
    Admission admission = agent_->admit(signed_mail);
    store_.add(std::move(signed_mail), SteadyTime::max(), [&](auto result) { agent_->on_added(std::move(admission), *result); });
    // (The report about it has nowhere to go.)
    ASSERT_TRUE(until([&] { return agent_->figures().failed >= 1 && agent_->figures().deliveries == 0; }));
    ASSERT_EQ(sink_.connections(), 1);
    sink_.hang_up();
    submit("bob@dest.test");
    ASSERT_TRUE(until([&] { return agent_->figures().delivered + agent_->figures().deferred > 0; }));
    EXPECT_EQ(agent_->figures().deferred, 0U);
    EXPECT_EQ(sink_.delivered(), std::vector<std::string>{"bob@dest.test"});
    EXPECT_EQ(sink_.connections(), 2);
}

// AUTH-9: claimed before its user was suspended, or accepted at that very moment; nobody else looks any more.
// RFC 5321 s3.8, PR-19: 421 in place of an answer to MAIL, over a connection that carried mail before, is about the connection.
TEST_F(AgentTest, AFullConnectionIsReplacedAtMail) {
    settings_.delivery.idle_connection = 60s;
    settings_.retry.first = 1h;
    start();
    submit("first@dest.test");
    ASSERT_TRUE(until([&] { return waiting() == 0 && agent_->figures().deliveries == 0; }));
    sink_.reply("MAIL", "421 4.7.0 enough for this connection");
    sink_.stall("connect");
    submit("second@dest.test");
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    sink_.reply("MAIL", "");
    sink_.go_on();
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    EXPECT_EQ(agent_->figures().deferred, 0U);
    EXPECT_EQ(sink_.connections(), 2);
}

// RFC 5321 s5.1 lets a client limit the addresses it tries: no domain with many dead hosts keeps a delivery for long.
TEST_F(AgentTest, AnAttemptAsksSoManyHosts) {
    for (const char* host : {"a.many.test", "b.many.test", "c.many.test"})
        dns_.mx("many.test", 10, host).a(host, "127.0.0.1");
    settings_.delivery.hosts_per_attempt = 2;
    start();
    sink_.reply("connect", "421 4.3.2 later");
    submit("bob@many.test");
    ASSERT_TRUE(until([&] { return agent_->figures().deferred == 1; }));
    EXPECT_EQ(sink_.connections(), 2);
}

TEST_F(AgentTest, MailOfASuspendedUserIsStoppedBeforeItIsSent) {
    suspensions_.add("alice", {wall_now(), "hacked"});
    start();
    const QueueId id = submit("bob@dest.test");
    ASSERT_TRUE(until([&] {
        const auto found = rows(id);
        return !found.empty() && found.front().state == queue::RecipientState::suspended;
    }));
    until([] { return false; }, 100ms);
    EXPECT_EQ(sink_.connections(), 0);
    EXPECT_EQ(agent_->figures().attempts, 0U);
    EXPECT_EQ(agent_->figures().deliveries, 0U);   // its slot is free again

    suspensions_.remove("alice");
    store_.revise(id, queue::Revision::resume, wall_now(), [&](auto revised) {
        ASSERT_TRUE(revised);
        agent_->on_revised(revised->due);
    });
    ASSERT_TRUE(until([&] { return waiting() == 0; }));
    EXPECT_EQ(sink_.delivered(), std::vector<std::string>{"bob@dest.test"});
}

// The store refuses a settlement as a whole where the id of its report is taken already: the report gets another one.
TEST_F(AgentTest, AReportWhoseIdIsTakenGetsAnotherOne) {
    log::LogOptions options;
    options.to_stderr = true;
    log::configure(options);
    testing::internal::CaptureStderr();
    dns_.mx("example.test", 10, "mx.dest.test");
    start();
    sink_.reply(".", "554 5.6.0 not this");
    sink_.stall(".");
    submit("bob@dest.test");
    EXPECT_TRUE(until([&] { return sink_.waiting() == 1; }));
    store_.fail_with(queue::StoreError{queue::StoreFault::refused, "there is a message of that id"});
    sink_.go_on();
    EXPECT_TRUE(until([&] { return agent_->figures().failed == 1; }));
    sink_.reply(".", "");
    store_.fail_with(std::nullopt);
    EXPECT_TRUE(until([&] { return waiting() == 0 && agent_->figures().delivered == 1; }));
    log::flush();
    const std::string said = testing::internal::GetCapturedStderr();
    log::configure({});
    const auto after = [&](const std::string& words) {
        const std::size_t at = said.find(words);
        return at == std::string::npos ? std::string() : said.substr(at + words.size(), 13);
    };
    EXPECT_EQ(sink_.delivered(), std::vector<std::string>{"alice@example.test"}) << said;
    EXPECT_NE(after(" dsn="), "") << said;
    EXPECT_NE(after(" delivered id="), "") << said;
    EXPECT_EQ(after(" dsn="), after(" delivered id=")) << said;   // the log names it by the id that it got
    EXPECT_EQ(agent_->figures().bounced, 1U);
}

TEST_F(AgentTest, ExpiredMailIsReturnedWithoutAnAttempt) {
    dns_.mx("example.test", 10, "mx.dest.test");
    store_.add(message("bob@dest.test", -1s), SteadyTime::max(), [](auto) {});
    start();
    ASSERT_TRUE(until([&] { return waiting() == 0 && !sink_.delivered().empty(); }));
    EXPECT_EQ(sink_.delivered(), std::vector<std::string>{"alice@example.test"});
}

}  // namespace
}  // namespace posthorn::delivery
