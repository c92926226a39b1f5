// The answers of why: what keeps mail back, who set its next attempt, and the words, to the letter.
#include "delivery/why.hpp"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>

#include "delivery/diagnosis.hpp"
#include "delivery/provider_rules.hpp"
#include "delivery/why_words.hpp"

namespace posthorn::delivery {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 22) + std::chrono::hours(10);

class Why : public testing::Test {
protected:
    Why() {
        facts.now = kNow;
        facts.rules = ProviderRules::built_in();
        facts.asked = QueueId(0x6000000000001).to_string();
        queue::QueueEntry entry;
        entry.id = QueueId(0x6000000000001);
        entry.accepted_at = kNow - 2h;
        entry.expires_at = kNow + 118h;
        entry.reverse_path = "alice@example.com";
        entry.source = "user=alice";
        entry.recipient_count = 1;
        queue::Recipient recipient;
        recipient.id = 1;
        recipient.message = entry.id;
        recipient.address = "bob@dest.test";
        recipient.lane = "example.com user=alice";
        recipient.due_at = kNow;
        recipient.expires_at = entry.expires_at;
        entry.recipients.push_back(recipient);
        facts.entries.push_back(entry);
        WayNow way;
        way.domain = "dest.test";
        way.lane = recipient.lane;
        way.group = "mx.dest.test";
        facts.ways.push_back(way);
    }
    queue::Recipient& recipient() { return facts.entries[0].recipients[0]; }
    WayNow& way() { return facts.ways[0]; }
    std::vector<Obstacle> obstacles() { return obstacles_of(facts.entries[0], recipient(), &way(), facts); }
    NextAttempt next() { return next_attempt_of(facts.entries[0], recipient(), obstacles(), facts); }
    std::string text() { return why_text(why_json(facts)); }
    std::string first_line() {
        const std::string all = text();
        return all.substr(0, all.find('\n'));
    }
    void defer(const std::string& failure_class, const std::string& reply, Duration wait) {
        recipient().attempts = 1;
        recipient().last_class = failure_class;
        recipient().last_reply = reply;
        recipient().last_host = "mx.dest.test[192.0.2.1]";
        recipient().last_attempt = kNow - 1min;
        recipient().due_at = recipient().last_attempt + wait;
    }
    static SuspendedPair pair() {
        SuspendedPair pair;
        pair.key = "sender|example.com|google";
        pair.sender = "example.com";
        pair.group = "google";
        pair.since = kNow - 1h;
        pair.causes.add(Cause::spf);
        pair.causes.add(Cause::dkim);
        pair.reply = "550 5.7.26 blocked";
        pair.next_poll = kNow + 10min;
        pair.advice = "Publish the key";
        return pair;
    }

    WhyFacts facts;
};

TEST_F(Why, WhatSeveralObstaclesWantIsSaidOnce) {
    defer("auth", "550 5.7.26 blocked", 1h);
    way().pairs.push_back(pair());
    way().pairs.push_back(pair());
    way().pairs.back().key = "machine|google";
    const std::string told = text();
    const std::size_t first = told.find("  to do       ");
    ASSERT_NE(first, std::string::npos) << told;
    const std::string line = told.substr(first, told.find('\n', first) - first + 1);
    EXPECT_EQ(told.find(line, first + 1), std::string::npos) << told;
}

TEST_F(Why, MailThatWasPutOffByGreylisting) {
    defer("grey", "451-4.7.1 Greylisted\n451 4.7.1 please come \x1b[2Jback in 300 seconds", 5min);
    queue::JournalEntry entry;
    entry.message = facts.entries[0].id;
    entry.at = kNow - 1min;
    entry.event = "deferred";
    entry.to = "bob@dest.test";
    entry.failure_class = "grey";
    entry.transcript = "     0.001 *  connected to mx.dest.test[192.0.2.1] port 25\n     0.004 S: 451 \\x1b[2J\n";
    facts.journal.push_back(entry);
    EXPECT_EQ(text(),
              "Message 001g000000001 waits: it was put off (grey): greylisting: they ask senders they do not know to come back a little later; next try in 4 "
              "minutes (2026-11-22T10:04:00Z): they asked to wait 5 minutes.\n"
              "\n"
              "  from        <alice@example.com>\n"
              "  handed in   user=alice\n"
              "  accepted    2026-11-22T08:00:00Z\n"
              "  given up    2026-11-27T08:00:00Z\n"
              "\n"
              "bob@dest.test: waits: it was put off (grey): greylisting: they ask senders they do not know to come back a little later; next try in 4 minutes "
              "(2026-11-22T10:04:00Z): they asked to wait 5 minutes\n"
              "  attempts    1, the last at 2026-11-22T09:59:00Z\n"
              "  they said   451-4.7.1 Greylisted\n"
              "              451 4.7.1 please come \\x1b[2Jback in 300 seconds\n"
              "  host        mx.dest.test[192.0.2.1]\n"
              "  class       grey: greylisting: they ask senders they do not know to come back a little later\n"
              "  in the way  It was put off (grey): greylisting: they ask senders they do not know to come back a little later.\n"
              "              ends: in 4 minutes (2026-11-22T10:04:00Z): they asked to wait 5 minutes\n"
              "  next try    in 4 minutes (2026-11-22T10:04:00Z): they asked to wait 5 minutes\n"
              "\n"
              "The last session that did not go well, at 2026-11-22T09:59:00Z:\n"
              "       0.001 *  connected to mx.dest.test[192.0.2.1] port 25\n"
              "       0.004 S: 451 \\x1b[2J\n");
}

TEST_F(Why, WhoSetTheNextAttempt) {
    defer("temp", "451 4.3.0 later", 75s);
    EXPECT_EQ(next().by, "retry-schedule");
    defer("grey", "451 4.7.1 greylisted", 5min);
    EXPECT_EQ(next().by, "greylisting");
    defer("grey", "451 4.7.1 greylisted, try again in 10 minutes", 10min);
    EXPECT_EQ(next().by, "peer");
    defer("local", "451 4.7.5 no key", 10min);
    EXPECT_EQ(next().by, "local-interval");
    defer("temp", "451 4.3.0 later", 200h);
    EXPECT_EQ(next().by, "expiry");
    recipient().claimed = true;
    EXPECT_EQ(next().by, "under-way");
}

TEST_F(Why, AHoldEndsByAnOperatorOnly) {
    recipient().state = queue::RecipientState::held;
    EXPECT_EQ(first_line(), "Message 001g000000001 waits: an operator holds it.");
    EXPECT_EQ(next().by, "operator");
    EXPECT_FALSE(next().at);
    EXPECT_NE(obstacles()[0].advice.find("posthorn queue release 001g000000001"), std::string::npos);
}

TEST_F(Why, ASuspendedUsersMail) {
    recipient().state = queue::RecipientState::suspended;
    auth::Suspension suspension;
    suspension.since = kNow - 3h;
    suspension.reason = "spam from his site";
    facts.suspended_users.emplace("user=alice", suspension);
    EXPECT_EQ(first_line(), "Message 001g000000001 waits: its user (user=alice) is suspended: spam from his site.");
    EXPECT_EQ(next().by, "user-suspension");
}

// PR-45, PR-55: the pair, its cause, what ends it, and the next look at DNS; what is due now waits all the same.
TEST_F(Why, ASuspendedPairIsTheAnswer) {
    defer("auth", "550 5.7.26 blocked", Duration(0));
    way().pairs.push_back(pair());
    EXPECT_EQ(first_line(), "Message 001g000000001 waits: google refuses mail of example.com until its SPF or DKIM is repaired.");
    ASSERT_EQ(obstacles().size(), 1U);
    EXPECT_EQ(obstacles()[0].kind, "suspension");
    EXPECT_EQ(obstacles()[0].until, kNow + 10min);
    EXPECT_NE(obstacles()[0].advice.find("`posthorn resume example.com google`"), std::string::npos);
    EXPECT_EQ(next().by, "suspension");
    EXPECT_EQ(next().at, kNow + 10min);
    way().pairs[0].next_poll.reset();
    way().pairs[0].until_resumed = true;
    EXPECT_EQ(next().by, "operator");
    EXPECT_FALSE(next().at);
}

// PR-48: what authentication holds back is given up before the message's own time; a refusal that was not counted is no "not tried".
TEST_F(Why, HeldMailSaysWhenItIsGivenUp) {
    defer("auth", "550 5.7.26 blocked", Duration(0));
    recipient().attempts = 0;
    recipient().due_at = recipient().last_attempt;
    way().pairs.push_back(pair());
    facts.auth_lifetime = 72h;
    EXPECT_NE(text().find("  attempts    none that counts; the last at 2026-11-22T09:59:00Z\n"
                          "  given up    2026-11-25T09:59:00Z, if it is not repaired by then (retry.auth_lifetime)\n"),
              std::string::npos)
        << text();
    way().pairs[0].reason = SuspensionReason::by_operator;
    EXPECT_EQ(text().find("retry.auth_lifetime"), std::string::npos) << "that has the message's own time";
}

// PR-46: once the repair is seen nobody is told to repair.
TEST_F(Why, ARepairThatIsSeenIsNotAskedForAgain) {
    defer("auth", "550 5.7.26 blocked", Duration(0));
    auto diagnosis = std::make_shared<Diagnosis>();
    for (const FactKind kind : {FactKind::spf, FactKind::dkim}) {
        Fact fact;
        fact.kind = kind;
        fact.result = FactResult::fail;
        diagnosis->facts.push_back(fact);
    }
    SuspendedPair refused = pair();
    refused.diagnosis = diagnosis;
    way().pairs.push_back(refused);
    EXPECT_EQ(first_line(), "Message 001g000000001 waits: google refuses mail of example.com until its SPF or DKIM is repaired.");
    auto repaired = std::make_shared<Diagnosis>(*diagnosis);
    repaired->facts[1].result = FactResult::pass;
    way().pairs[0].diagnosis = repaired;
    EXPECT_FALSE(way().pairs[0].repair_seen()) << "not before the probe is planned";
    way().pairs[0].next_probe = kNow + 1min;
    EXPECT_EQ(first_line(),
              "Message 001g000000001 waits: google refused mail of example.com for its SPF or DKIM; DNS is in order now, and one message "
              "goes ahead as a probe.");
    EXPECT_EQ(text().find("Publish the key"), std::string::npos) << text();
}

// PR-51: what could not be asked is not called in order.
TEST_F(Why, WhatDnsDidNotAnswerIsNotCalledInOrder) {
    defer("auth", "550 5.7.26 blocked", Duration(0));
    SuspendedPair refused = pair();
    refused.unexplained = true;
    way().pairs.push_back(refused);
    EXPECT_NE(first_line().find("though DNS shows nothing wrong"), std::string::npos);
    auto open = std::make_shared<Diagnosis>();
    open->facts.emplace_back();
    open->facts[0].kind = FactKind::spf;
    open->facts[0].result = FactResult::unknown;
    way().pairs[0].diagnosis = open;
    EXPECT_EQ(first_line(),
              "Message 001g000000001 waits: google refuses mail of example.com for its SPF or DKIM, and whether DNS is the cause is not known; "
              "one message probes now and then.");
}

// docs/SUPPRESSION.md: by default the list stops list mail alone, and letters go on.
TEST_F(Why, ASuppressedAddressSaysWhichMailIsStopped) {
    facts.kind = WhyFacts::Kind::recipient;
    facts.asked = "gone@dest.test";
    facts.entries.clear();
    queue::Suppression entry;
    entry.since = kNow - 3h;
    entry.failure_class = "rcpt-perm";
    facts.suppressed = entry;
    EXPECT_EQ(first_line(),
              "List mail to gone@dest.test is not sent: the address has been on the suppression list for 3 hours (there is no such mailbox); "
              "letters are, as [suppression] mail is \"streams\".");
    facts.suppressed_mail = SuppressedMail::all;
    EXPECT_EQ(first_line(),
              "No mail is sent to gone@dest.test: the address has been on the suppression list for 3 hours (there is no such mailbox).");
    facts.suppressed_mail = SuppressedMail::off;
    EXPECT_EQ(first_line().substr(0, 35), "Mail to gone@dest.test is sent, as ");
}

TEST_F(Why, AThrottledGateIsToldOnce) {
    ThrottleView throttle;
    throttle.key = "ip|192.0.2.9|google";
    throttle.group = "google";
    throttle.what = "mail from the address 192.0.2.9 to google";
    throttle.since = kNow - 5min;
    throttle.until = kNow + 5min;
    throttle.meaning = "too many messages.";
    throttle.next = "one connection tries then";
    way().throttles.push_back(throttle);
    queue::GateFigures gate;
    gate.key = throttle.key;
    gate.settings.allowance = 0;
    gate.open = false;
    way().gates.push_back(gate);
    ASSERT_EQ(obstacles().size(), 1U);
    EXPECT_EQ(first_line(),
              "Message 001g000000001 waits: mail from the address 192.0.2.9 to google is paused, as they asked for less (too many messages).");
    EXPECT_EQ(next().by, "provider-pause");
    EXPECT_EQ(next().at, kNow + 5min);
}

TEST_F(Why, HostsThatDoNotAnswerAndTheirBackOff) {
    defer("connection", "connecting failed: Connection refused", 75s);
    queue::DestinationFigures schedule;
    schedule.backoff_until = kNow + 8min;
    schedule.backoffs = 3;
    way().schedule = schedule;
    ExplainedHost host;
    host.name = "mx.dest.test";
    host.addresses.push_back({*IpAddress::parse("192.0.2.1"), "left out for 30 s: Connection refused"});
    way().hosts.push_back(host);
    const auto all = obstacles();
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].kind, "site-back-off");
    EXPECT_EQ(all[0].words, "the hosts of dest.test are left alone for a while, as deliveries there failed (for the 3. time in a row)");
    EXPECT_EQ(all[1].kind, "hosts");
    EXPECT_EQ(all[2].kind, "schedule");
    EXPECT_EQ(next().by, "site-back-off");
    EXPECT_EQ(next().at, kNow + 8min);
}

TEST_F(Why, AStoreThatCannotBeWrittenComesFirst) {
    facts.health.healthy = false;
    facts.health.reason = "disk I/O error";
    recipient().state = queue::RecipientState::held;
    EXPECT_EQ(obstacles()[0].kind, "store");
    EXPECT_EQ(next().by, "store");
}

TEST_F(Why, NothingInTheWay) {
    EXPECT_EQ(first_line(), "Message 001g000000001 waits for its turn, and nothing is in its way.");
    EXPECT_EQ(next().by, "now");
}

TEST_F(Why, WhatBecameOfMailThatHasLeft) {
    facts.entries.clear();
    queue::JournalEntry entry;
    entry.message = QueueId(0x6000000000001);
    entry.at = kNow - 3min;
    entry.event = "delivered";
    entry.from = "alice@example.com";
    entry.to = "bob@dest.test";
    entry.host = "mx.dest.test[192.0.2.1]";
    entry.failure_class = "none";
    entry.reply = "250 2.0.0 Ok";
    entry.delay = 2s;
    facts.journal.push_back(entry);
    EXPECT_EQ(first_line(),
              "Message 001g000000001 to bob@dest.test was delivered 3 minutes ago (2026-11-22T09:57:00Z); mx.dest.test[192.0.2.1] said: 250 2.0.0 Ok.");
    facts.journal[0].event = "failed";
    facts.journal[0].failure_class = "rcpt-perm";
    facts.journal[0].reply = "550 5.1.1 unknown";
    EXPECT_EQ(first_line(), "Message 001g000000001 to bob@dest.test failed 3 minutes ago (2026-11-22T09:57:00Z): there is no such mailbox; "
                            "mx.dest.test[192.0.2.1] said: 550 5.1.1 unknown.");
    const auto answer = why_json(facts);
    EXPECT_EQ(answer.at("recipients").as_array()[0].as_object().at("state").as_string(), "failed");
    EXPECT_EQ(text().find("diagnosis"), std::string::npos);
    facts.journal[0].diagnosis = R"({"text":"the key m1 is not published\npublish it"})";
    EXPECT_NE(text().find("  diagnosis   the key m1 is not published\n              publish it\n"), std::string::npos) << text();
}

TEST_F(Why, AFamilyIsItsMembers) {   // PR-29
    facts.entries.clear();
    facts.kind = WhyFacts::Kind::provider;
    facts.asked = "microsoft";
    EXPECT_TRUE(is_asked_about(facts, "outlook"));
    EXPECT_TRUE(is_asked_about(facts, "m365"));
    EXPECT_FALSE(is_asked_about(facts, "google"));
    EXPECT_FALSE(is_asked_about(facts, "mx.dest.test"));
    facts.known_provider = true;
    facts.domains["outlook.com"] = 2;
    EXPECT_EQ(first_line(), "microsoft (outlook, m365): 2 recipients wait; no delivery in the last hour.");
    facts.asked = "outlook";
    EXPECT_FALSE(is_asked_about(facts, "m365"));
    EXPECT_EQ(first_line(), "outlook: 2 recipients wait; no delivery in the last hour.");
}

TEST_F(Why, NothingIsKnownSaysWhatWasSearched) {
    facts.entries.clear();
    EXPECT_EQ(text(), "Nothing is known of message 001g000000001: it is not in the queue, and the journal is empty.\n");
    facts.journal_from = kNow - 24h;
    EXPECT_EQ(text(), "Nothing is known of message 001g000000001: it is not in the queue, and the journal, which goes back to 2026-11-21T10:00:00Z, has "
                      "nothing of it.\n");
    EXPECT_FALSE(why_json(facts).at("known").as_bool());
    for (const auto kind : {WhyFacts::Kind::recipient, WhyFacts::Kind::domain, WhyFacts::Kind::provider}) {
        facts.kind = kind;
        facts.asked = "nowhere.test";
        EXPECT_FALSE(why_json(facts).at("known").as_bool());
        EXPECT_TRUE(first_line().starts_with("Nothing is known of nowhere.test: ")) << first_line();
    }
}

TEST_F(Why, ADomainOfOursWithASuspendedPair) {
    facts.kind = WhyFacts::Kind::domain;
    facts.asked = "example.com";
    facts.own_domain = true;
    facts.entries.clear();
    facts.pairs.push_back(pair());
    queue::LookedUp sent;
    sent.recipients = 7;
    sent.by_class["auth"] = 7;
    facts.sent_from = sent;
    EXPECT_EQ(first_line(), "example.com is one of our domains, and google refuses mail of example.com until its SPF or DKIM is repaired; 7 recipients of its mail wait.");
    EXPECT_NE(text().find("  from it     7 recipients (7 auth)"), std::string::npos) << text();
}

TEST(WhyWords, Spans) {
    EXPECT_EQ(span_words(1s), "1 second");
    EXPECT_EQ(span_words(89s), "89 seconds");
    EXPECT_EQ(span_words(90s), "1 minute");
    EXPECT_EQ(span_words(89min), "89 minutes");
    EXPECT_EQ(span_words(130min), "2 hours 10 minutes");
    EXPECT_EQ(span_words(47h), "47 hours");
    EXPECT_EQ(span_words(72h), "3 days");
    EXPECT_EQ(span_words(-5s), "0 seconds");
}

TEST(WhyWords, WhoseMailIsHeld) {
    EXPECT_EQ(held_words(0, false), "");
    EXPECT_EQ(held_words(1, false), "mail of 1 sender of ours");
    EXPECT_EQ(held_words(0, true), "this machine's mail");
    EXPECT_EQ(held_words(2, true), "this machine's mail and mail of 2 senders of ours");
}

// Every class has its words: a new one without them is a mistake.
TEST(WhyWords, EveryClassMeansSomething) {
    for (int number = 1; number <= static_cast<int>(Class::permanent); ++number) {
        const auto word = to_string(static_cast<Class>(number));
        EXPECT_NE(class_meaning(word), class_meaning("no such class")) << word;
    }
}

}  // namespace
}  // namespace posthorn::delivery
