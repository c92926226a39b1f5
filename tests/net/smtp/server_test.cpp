// The submission server over real sockets: what it takes, what it refuses, what becomes of it, and how it ends.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "auth/dkim/canonical.hpp"
#include "server_harness.hpp"
#include "smtp/server/users_authenticator.hpp"

namespace posthorn::test {
namespace {

using smtp::server::ListenerAuth;
using smtp::server::ListenerTls;

const std::string kMail = "MAIL FROM:<shop@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n";
const std::string kContent = "From: shop@example.com\r\nSubject: hello\r\n\r\nHello\r\n..dot\r\n.\r\n";
const std::string kLine =
    "one hundred octets of a body that goes on and on, so that it does not fit where it has to fit in .....\r\n";

QueueId queued_as(const std::string& reply) {
    const std::string before = "queued as ";
    const auto at = reply.find(before);
    EXPECT_NE(at, std::string::npos) << reply;
    return at == std::string::npos ? QueueId() : QueueId::parse(reply.substr(at + before.size(), 13)).value_or(QueueId());
}

// Waits until the server has no session, since a client cannot see when the server has noticed its end.
bool eventually_empty(ServerHarness& harness) {
    for (int i = 0; i < 500; ++i) {
        if (harness.figures().sessions == 0) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

TEST(SmtpServer, StoresAMessageBeforeIt250s) {
    ServerHarness harness;
    harness.start();
    SmtpClient client = harness.greeted();
    client.send(kMail);   // pipelined, RFC 2920
    EXPECT_EQ(client.reply().substr(0, 3), "250");
    EXPECT_EQ(client.reply().substr(0, 3), "250");
    EXPECT_EQ(client.reply().substr(0, 3), "354");
    client.send(kContent);
    const std::string reply = client.reply();
    EXPECT_EQ(reply.substr(0, 10), "250 2.0.0 ") << reply;
    const QueueId id = queued_as(reply);

    const auto entries = harness.stored();
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].id, id);
    EXPECT_EQ(entries[0].reverse_path, "shop@example.com");
    EXPECT_EQ(entries[0].source, "ip=127.0.0.1");
    ASSERT_EQ(entries[0].recipients.size(), 1U);
    EXPECT_EQ(entries[0].recipients[0].address, "bob@example.org");
    const mail::MessagePtr message = harness.message(id);
    EXPECT_EQ(*message->body.bytes, "Hello\r\n.dot\r\n");
    EXPECT_TRUE(message->header.starts_with("Received: from client.example.com")) << message->header;
    EXPECT_NE(message->header.find("with ESMTP"), std::string::npos);
    EXPECT_EQ(client.say("QUIT").substr(0, 3), "221");
    EXPECT_TRUE(client.at_end());
}

TEST(SmtpServer, TakesSeveralMessagesOfOneSegment) {
    ServerHarness harness;
    harness.start();
    SmtpClient client = harness.greeted();
    std::string all;
    for (int i = 0; i < 5; ++i) all += kMail + kContent;
    client.send(all);
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(client.reply().substr(0, 3), "250");
        EXPECT_EQ(client.reply().substr(0, 3), "250");
        EXPECT_EQ(client.reply().substr(0, 3), "354");
        EXPECT_EQ(client.reply().substr(0, 3), "250");
    }
    EXPECT_EQ(harness.stored().size(), 5U);
}

TEST(SmtpServer, AuthenticatesUnderStarttlsOnly) {  // RFC 4954 s4, RFC 3207
    ServerHarness harness;
    harness.runtime.relay.trusted_networks.clear();
    harness.start();
    SmtpClient client = harness.connect();
    (void)client.reply();
    const std::string clear = client.say("EHLO client.example.com");
    EXPECT_NE(clear.find("STARTTLS"), std::string::npos) << clear;
    EXPECT_EQ(clear.find("AUTH"), std::string::npos) << clear;
    EXPECT_EQ(client.say("MAIL FROM:<shop@example.com>").substr(0, 3), "530");
    EXPECT_EQ(client.say("STARTTLS").substr(0, 3), "220");
    ASSERT_TRUE(client.start_tls());
    const std::string secure = client.say("EHLO client.example.com");
    EXPECT_NE(secure.find("AUTH PLAIN LOGIN"), std::string::npos) << secure;
    EXPECT_EQ(secure.find("STARTTLS"), std::string::npos) << secure;
    EXPECT_EQ(client.say("MAIL FROM:<shop@example.com>").substr(0, 3), "530");
    EXPECT_EQ(client.say("AUTH PLAIN " + plain("shop", "wrong")).substr(0, 3), "535");
    EXPECT_EQ(client.say("AUTH PLAIN " + plain("nobody", "correct horse")).substr(0, 3), "535");
    EXPECT_EQ(client.say("AUTH PLAIN " + plain("shop", "correct horse")).substr(0, 3), "235");
    client.send(kMail);
    for (int i = 0; i < 3; ++i) (void)client.reply();
    client.send(kContent);
    const QueueId id = queued_as(client.reply());
    const mail::MessagePtr message = harness.message(id);
    EXPECT_EQ(message->source, "user=shop");
    EXPECT_NE(message->header.find("with ESMTPSA"), std::string::npos) << message->header;
    EXPECT_EQ(harness.figures().auth_failures, 2U);
    EXPECT_EQ(client.say("QUIT").substr(0, 3), "221");
}

TEST(SmtpServer, SpeaksTlsFromTheFirstOctetWhereThatIsTheListenersWay) {  // RFC 8314 s3.3
    ServerHarness harness;
    harness.listener.tls = ListenerTls::implicit;
    harness.listener.auth = ListenerAuth::required;
    harness.start();
    SmtpClient client = harness.connect();
    ASSERT_TRUE(client.start_tls());
    EXPECT_EQ(client.reply().substr(0, 4), "220 ");
    EXPECT_NE(client.say("EHLO c").find("AUTH"), std::string::npos);
    EXPECT_EQ(client.say("MAIL FROM:<shop@example.com>").substr(0, 3), "530");   // although loopback is trusted
    EXPECT_EQ(client.say("AUTH LOGIN").substr(0, 3), "334");
    EXPECT_EQ(client.say(base64_encode("shop")).substr(0, 3), "334");
    EXPECT_EQ(client.say(base64_encode("correct horse")).substr(0, 3), "235");
    EXPECT_EQ(client.say("MAIL FROM:<shop@example.com>").substr(0, 3), "250");
}

TEST(SmtpServer, ClosesWhenOctetsFollowStarttls) {  // RFC 3207 s6, CVE-2011-0411 and its kin
    ServerHarness harness;
    harness.start();
    SmtpClient client = harness.greeted();
    client.send("STARTTLS\r\nMAIL FROM:<evil@example.com>\r\n");
    EXPECT_EQ(client.reply().substr(0, 1), "5");
    EXPECT_TRUE(client.at_end());
    EXPECT_TRUE(eventually_empty(harness));
}

TEST(SmtpServer, RelaysForNobodyElse) {
    ServerHarness harness;
    harness.runtime.relay.trusted_networks.clear();
    harness.listener.auth = ListenerAuth::none;
    harness.start();
    SmtpClient client = harness.greeted();
    EXPECT_EQ(client.say("MAIL FROM:<shop@example.com>").substr(0, 3), "550");
    EXPECT_EQ(client.say("RCPT TO:<bob@example.org>").substr(0, 3), "503");
}

TEST(SmtpServer, UnixSocketIsTrustedAndTellsTheUser) {
    ServerHarness harness;
    harness.listener.address = Endpoint::parse("unix:" + harness.files.file("submit.sock")).value();
    harness.listener.tls = ListenerTls::none;
    harness.start();
    SmtpClient client = harness.greeted();
    client.send(kMail);
    for (int i = 0; i < 3; ++i) (void)client.reply();
    client.send(kContent);
    const mail::MessagePtr message = harness.message(queued_as(client.reply()));
    EXPECT_EQ(message->source, "uid=" + std::to_string(::getuid()));
}

TEST(SmtpServer, RefusesABrokenHeaderAndGoesOn) {
    ServerHarness harness;
    harness.start();
    SmtpClient client = harness.greeted();
    client.send(kMail);
    for (int i = 0; i < 3; ++i) (void)client.reply();
    client.send("From: a@example.com\r\nnonsense\r\n\r\nx\r\n.\r\n");
    const std::string reply = client.reply();
    EXPECT_EQ(reply.substr(0, 9), "554 5.6.0") << reply;
    EXPECT_NE(reply.find("line 2"), std::string::npos) << reply;
    EXPECT_TRUE(harness.stored().empty());
    client.send(kMail);
    for (int i = 0; i < 3; ++i) (void)client.reply();
    client.send(kContent);
    EXPECT_EQ(client.reply().substr(0, 3), "250");
    EXPECT_EQ(harness.stored().size(), 1U);
}

TEST(SmtpServer, RefusesAnUnqualifiedRecipientAndPostmasterWithoutAddress) {  // SMTP-18, RFC 6409 s4.2, RFC 5321 s4.5.1
    ServerHarness harness;
    harness.start();
    SmtpClient client = harness.greeted();
    (void)client.say("MAIL FROM:<shop@example.com>");
    EXPECT_EQ(client.say("RCPT TO:<bob@intranet>").substr(0, 9), "554 5.1.2");
    EXPECT_EQ(client.say("RCPT TO:<postmaster>").substr(0, 9), "550 5.1.1");
    EXPECT_EQ(client.say("RCPT TO:<bob@[192.0.2.1]>").substr(0, 3), "250");
}

TEST(SmtpServer, Says452WhenTheDiskDoesNotTakeIt) {
    ServerHarness harness;
    harness.start();
    SmtpClient client = harness.greeted();
    client.send(kMail);
    for (int i = 0; i < 3; ++i) (void)client.reply();
    harness.store.fail_with(queue::StoreError{queue::StoreFault::disk_full, "no space left on device"});
    client.send(kContent);
    const std::string reply = client.reply();
    EXPECT_EQ(reply.substr(0, 9), "452 4.3.1") << reply;
    EXPECT_EQ(reply.find("device"), std::string::npos) << "the stranger needs not know why";
    EXPECT_EQ(client.say("MAIL FROM:<shop@example.com>").substr(0, 9), "452 4.3.1");
    harness.store.fail_with(std::nullopt);
    client.send(kMail);
    for (int i = 0; i < 3; ++i) (void)client.reply();
    client.send(kContent);
    EXPECT_EQ(client.reply().substr(0, 3), "250");
}

TEST(SmtpServer, LargeBodiesGoThroughASpoolFile) {
    ServerHarness harness;
    harness.start();
    SmtpClient client = harness.greeted();
    client.send(kMail);
    for (int i = 0; i < 3; ++i) (void)client.reply();
    std::string body;
    for (int i = 0; body.size() < 1'000'000; ++i) body += "line " + std::to_string(i) + " of a large body\r\n";
    client.send("From: shop@example.com\r\n\r\n" + body + ".\r\n");
    const mail::MessagePtr message = harness.message(queued_as(client.reply()));
    EXPECT_EQ(message->body.bytes, nullptr);
    EXPECT_EQ(message->body.facts.size, body.size());
    std::ifstream file(harness.spool.path() + "/" + message->body.spool_file, std::ios::binary);
    std::stringstream content;
    content << file.rdbuf();
    EXPECT_TRUE(content.str() == body);
    EXPECT_EQ(message->relaxed_body_hash, auth::dkim::hash_body(body, auth::Canonical::relaxed));
    EXPECT_EQ(harness.figures().intake_octets, 0U);
}

TEST(SmtpServer, LeavesNoSpoolFileOfAMessageThatWasNotStored) {
    ServerHarness harness;
    harness.start();
    SmtpClient client = harness.greeted();
    client.send(kMail);
    for (int i = 0; i < 3; ++i) (void)client.reply();
    harness.store.fail_with(queue::StoreError{queue::StoreFault::io_error, "I/O error"});
    client.send("From: shop@example.com\r\n\r\n");
    for (int i = 0; i < 2000; ++i) client.send(kLine);
    client.send(".\r\n");
    EXPECT_EQ(client.reply().substr(0, 3), "452");
    harness.disk.join();   // the removal is posted there
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(harness.spool.path())) {
        files += entry.is_regular_file() ? 1 : 0;
    }
    EXPECT_EQ(files, 0U);
}

TEST(SmtpServer, MessagesUnderWayAreBoundInMemory) {
    ServerHarness harness;
    harness.runtime.limits.max_intake_memory = 20'000;
    harness.start();
    SmtpClient client = harness.greeted();
    client.send(kMail);
    for (int i = 0; i < 3; ++i) (void)client.reply();
    client.send("From: shop@example.com\r\n\r\n");
    for (int i = 0; i < 500; ++i) client.send(kLine);
    client.send(".\r\n");
    EXPECT_EQ(client.reply().substr(0, 9), "452 4.3.1");
    EXPECT_EQ(client.say("MAIL FROM:<shop@example.com> SIZE=50000").substr(0, 3), "250");
    EXPECT_EQ(client.say("RCPT TO:<bob@example.org>").substr(0, 3), "250");
    EXPECT_EQ(client.say("DATA").substr(0, 9), "452 4.3.1");
    (void)client.say("RSET");
    (void)client.say("NOOP");
    EXPECT_EQ(harness.figures().intake_octets, 0U);
    client.send(kMail);
    for (int i = 0; i < 3; ++i) (void)client.reply();
    client.send(kContent);
    EXPECT_EQ(client.reply().substr(0, 3), "250");
}

TEST(SmtpServer, BareLineFeedsAreReadToTheTrueEndAndRefused) {  // RFC 5321 s4.1.1.4, CVE-2023-51764
    ServerHarness harness;
    harness.start();
    SmtpClient client = harness.greeted();
    client.send(kMail);
    for (int i = 0; i < 3; ++i) (void)client.reply();
    client.send("From: a@example.com\r\n\r\nx\n.\nMAIL FROM:<evil@example.com>\r\n.\r\n");
    EXPECT_EQ(client.reply().substr(0, 1), "5");
    EXPECT_TRUE(client.at_end());
    EXPECT_TRUE(harness.stored().empty());
}

TEST(SmtpServer, ConnectionsAreBound) {
    ServerHarness harness;
    harness.runtime.limits.max_connections = 2;
    harness.start();
    SmtpClient one = harness.greeted();
    {
        SmtpClient two = harness.greeted();
        SmtpClient three = harness.connect();
        EXPECT_EQ(three.reply().substr(0, 9), "421 4.7.0");
        EXPECT_TRUE(three.at_end());
        EXPECT_EQ(two.say("QUIT").substr(0, 3), "221");
        EXPECT_TRUE(two.at_end());
    }
    for (int i = 0; i < 500 && harness.figures().sessions > 1; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    SmtpClient four = harness.connect();
    EXPECT_EQ(four.reply().substr(0, 3), "220");
    EXPECT_EQ(harness.figures().connections_refused, 1U);
}

// Slowloris: who says nothing does not keep others out; who is known keeps the place.
TEST(SmtpServer, WhenEveryPlaceIsTakenTheStrangerLongestHereMakesRoom) {
    ServerHarness harness;
    harness.runtime.relay.trusted_networks.clear();
    harness.runtime.limits.max_connections = 3;
    harness.listener.tls = ListenerTls::implicit;
    harness.start();
    SmtpClient known = harness.connect();
    ASSERT_TRUE(known.start_tls());
    EXPECT_EQ(known.reply().substr(0, 3), "220");
    (void)known.say("EHLO client.example.com");
    EXPECT_EQ(known.say("AUTH PLAIN " + plain("shop", "correct horse")).substr(0, 3), "235");
    SmtpClient silent = harness.connect();  // never says hello to TLS
    SmtpClient slow = harness.connect();
    ASSERT_TRUE(slow.start_tls());
    EXPECT_EQ(slow.reply().substr(0, 3), "220");

    SmtpClient fourth = harness.connect();
    EXPECT_TRUE(silent.at_end());  // nothing can be said to it
    ASSERT_TRUE(fourth.start_tls());
    EXPECT_EQ(fourth.reply().substr(0, 3), "220");
    SmtpClient fifth = harness.connect();
    EXPECT_EQ(slow.reply().substr(0, 9), "421 4.4.2");
    EXPECT_TRUE(slow.at_end());
    ASSERT_TRUE(fifth.start_tls());
    EXPECT_EQ(fifth.reply().substr(0, 3), "220");
    EXPECT_EQ(known.say("NOOP").substr(0, 3), "250");
    EXPECT_EQ(harness.figures().connections_displaced, 2U);
    EXPECT_EQ(harness.figures().connections_refused, 0U);
}

// What one client can make us hold before DATA: recipients with all that RFC 3461 lets them carry.
TEST(SmtpServer, RecipientsCountAsMemoryToo) {
    ServerHarness harness;
    harness.runtime.limits.max_intake_memory = 20'000;
    harness.start();
    const std::string recipient = "RCPT TO:<bob@example.org> ORCPT=rfc822;" + std::string(400, 'x') + "@example.org";
    SmtpClient client = harness.greeted();
    EXPECT_EQ(client.say("MAIL FROM:<shop@example.com>").substr(0, 3), "250");
    int accepted = 0;
    while (accepted < 100 && client.say(recipient).substr(0, 3) == "250") ++accepted;
    EXPECT_GT(accepted, 20);
    EXPECT_LT(accepted, 50);
    EXPECT_LE(harness.figures().intake_octets, 20'000U);
    EXPECT_EQ(client.say(recipient).substr(0, 9), "452 4.3.1");

    SmtpClient other = harness.greeted();  // the bound is that of all sessions together
    EXPECT_EQ(other.say("MAIL FROM:<shop@example.com>").substr(0, 3), "250");
    EXPECT_EQ(other.say(recipient).substr(0, 9), "452 4.3.1");

    EXPECT_EQ(client.say("RSET").substr(0, 3), "250");
    EXPECT_EQ(client.say("NOOP").substr(0, 3), "250");
    EXPECT_EQ(harness.figures().intake_octets, 0U);
    EXPECT_EQ(other.say(recipient).substr(0, 3), "250");
}

TEST(SmtpServer, IdleClientsAreToldTheTimeIsOver) {  // SMTP-1, RFC 5321 s4.5.3.2.7
    ServerHarness harness;
    harness.runtime.timeouts.command = std::chrono::milliseconds(100);
    harness.start();
    SmtpClient client = harness.connect();
    EXPECT_EQ(client.reply().substr(0, 3), "220");
    EXPECT_EQ(client.reply().substr(0, 9), "421 4.4.2");
    EXPECT_TRUE(client.at_end());
    EXPECT_TRUE(eventually_empty(harness));
}

TEST(SmtpServer, AClientThatVanishesInDataLeavesNothing) {  // RFC 5321 s4.1.1.10: as if it had said RSET
    ServerHarness harness;
    harness.start();
    {
        SmtpClient client = harness.greeted();
        client.send(kMail);
        for (int i = 0; i < 3; ++i) (void)client.reply();
        client.send("From: shop@example.com\r\n\r\nhalf");
    }
    EXPECT_TRUE(eventually_empty(harness));
    EXPECT_TRUE(harness.stored().empty());
    EXPECT_EQ(harness.figures().intake_octets, 0U);
}

TEST(SmtpServer, AtTheEndIdleOnesHear421AndAMessageUnderWayIsFinished) {
    ServerHarness harness;
    harness.start();
    SmtpClient idle = harness.greeted();
    SmtpClient busy = harness.greeted();
    busy.send(kMail);
    for (int i = 0; i < 3; ++i) (void)busy.reply();
    busy.send("From: shop@example.com\r\n\r\nhalf a line");

    std::future<void> stopped = harness.begin_stop();
    EXPECT_EQ(idle.reply().substr(0, 9), "421 4.3.2");
    EXPECT_TRUE(idle.at_end());
    EXPECT_EQ(stopped.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
    busy.send(", and the rest\r\n.\r\n");
    const std::string reply = busy.reply();
    EXPECT_EQ(reply.substr(0, 3), "250") << reply;
    EXPECT_EQ(busy.reply().substr(0, 9), "421 4.3.2");
    EXPECT_EQ(stopped.wait_for(std::chrono::seconds(10)), std::future_status::ready);
    EXPECT_EQ(harness.stored().size(), 1U);
}

// A crowd of guessers from many addresses must not put a user off for minutes.
TEST(SmtpServer, OnlySoManyPasswordsWait) {
    ServerHarness harness;
    harness.listener.auth = ListenerAuth::required;
    harness.listener.auth_without_tls = true;
    harness.start();
    std::promise<void> pool_is_free;
    net::asio::post(harness.crypto, [freed = pool_is_free.get_future().share()] { freed.wait(); });
    std::vector<SmtpClient> crowd;
    for (std::size_t i = 0; i < smtp::server::UsersAuthenticator::kMaxWaiting; ++i) {
        crowd.push_back(harness.greeted());
        crowd.back().send("AUTH PLAIN " + plain("shop", "correct horse") + "\r\n");
    }
    SmtpClient late = harness.greeted();
    EXPECT_EQ(late.say("NOOP").substr(0, 3), "250");   // the shard has taken the crowd's AUTH by then
    EXPECT_EQ(late.say("AUTH PLAIN " + plain("shop", "correct horse")).substr(0, 9), "454 4.7.0");
    pool_is_free.set_value();
    for (SmtpClient& client : crowd) EXPECT_EQ(client.reply().substr(0, 3), "235");
    EXPECT_EQ(late.say("AUTH PLAIN " + plain("shop", "correct horse")).substr(0, 3), "235");
}

TEST(SmtpServer, PasswordsThatWaitDoNotHoldUpTheEnd) {  // AUTH-8: others are served meanwhile
    ServerHarness harness;
    harness.listener.auth = ListenerAuth::required;
    harness.listener.auth_without_tls = true;
    harness.start();
    std::promise<void> pool_is_free;
    net::asio::post(harness.crypto, [freed = pool_is_free.get_future().share()] { freed.wait(); });
    SmtpClient client = harness.greeted();
    client.send("AUTH PLAIN " + plain("shop", "correct horse") + "\r\n");
    // NOOP is answered by another session only after the shard has taken the AUTH.
    SmtpClient other = harness.greeted();
    EXPECT_EQ(other.say("NOOP").substr(0, 3), "250");
    std::future<void> stopped = harness.begin_stop();
    EXPECT_EQ(other.reply().substr(0, 9), "421 4.3.2");
    pool_is_free.set_value();
    EXPECT_EQ(client.reply().substr(0, 9), "454 4.7.0");   // not looked at, and not called wrong
    EXPECT_EQ(client.reply().substr(0, 9), "421 4.3.2");
    EXPECT_EQ(stopped.wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(SmtpServer, AHandshakeUnderWayDoesNotHoldUpTheEnd) {
    ServerHarness harness;
    harness.listener.tls = ListenerTls::implicit;
    harness.start();
    SmtpClient silent = harness.connect();
    for (int i = 0; i < 500 && harness.figures().sessions == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_EQ(harness.figures().sessions, 1U);
    // The grace is 20 s: a stranger must not make use of it.
    EXPECT_EQ(harness.begin_stop().wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

// Whose time is over is told so, but not waited for when his side takes nothing more.
TEST(SmtpServer, AClientWhoReadsNothingIsClosedAfterItsTime) {
    ServerHarness harness;
    harness.runtime.timeouts.command = std::chrono::milliseconds(700);
    harness.listener.address = Endpoint::parse("unix:" + harness.files.file("submit.sock")).value();
    harness.start();
    // Says NOOP until the server's answers no longer fit, at most `most` times; how many answers there were.
    const auto fill = [](SmtpClient& client, int most) {
        for (int answers = 0; answers < most; ++answers) {
            const int before = client.waiting();
            client.send("NOOP\r\n");
            bool answered = false;
            for (int i = 0; i < 300 && !answered; ++i) {
                answered = client.waiting() > before;
                if (!answered) std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
            if (!answered) return answers;
        }
        return most;
    };
    SmtpClient probe = harness.connect();
    while (probe.waiting() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const int room = fill(probe, 100000);
    ASSERT_LT(room, 100000);
    probe.close();

    SmtpClient client = harness.connect();
    while (client.waiting() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_EQ(fill(client, room), room);   // the server has said all this, and waits for more
    EXPECT_TRUE(eventually_empty(harness) || eventually_empty(harness));
}

TEST(SmtpServer, AtTheEndOfTheGraceConnectionsAreCut) {
    ServerHarness harness;
    harness.runtime.timeouts.shutdown_grace = std::chrono::milliseconds(50);
    harness.start();
    SmtpClient busy = harness.greeted();
    busy.send(kMail);
    for (int i = 0; i < 3; ++i) (void)busy.reply();
    busy.send("From: shop@example.com\r\n");
    EXPECT_EQ(harness.begin_stop().wait_for(std::chrono::seconds(10)), std::future_status::ready);
    EXPECT_TRUE(busy.at_end());
    EXPECT_TRUE(harness.stored().empty());
}

TEST(SmtpServer, AReloadConcernsNewSessionsOnly) {
    ServerHarness harness;
    harness.start();
    SmtpClient old = harness.greeted();
    auto changed = std::make_shared<smtp::server::Runtime>(harness.runtime);
    changed->relay.trusted_networks.clear();
    changed->hostname = "renamed.example.net";
    harness.on_shard([&] { harness.server->reload(changed); });
    EXPECT_EQ(old.say("MAIL FROM:<shop@example.com>").substr(0, 3), "250");
    SmtpClient fresh = harness.connect();
    EXPECT_NE(fresh.reply().find("renamed.example.net"), std::string::npos);
    (void)fresh.say("EHLO c");
    EXPECT_EQ(fresh.say("MAIL FROM:<shop@example.com>").substr(0, 3), "530");
}

}  // namespace
}  // namespace posthorn::test
