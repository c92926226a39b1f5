// Which refusals put an address on the list (PR-54, PR-32, PR-33, providers.md 2.5), and whose mail the list stops.
#include "delivery/suppression.hpp"

#include <gtest/gtest.h>

#include "delivery/judgement.hpp"
#include "delivery/provider_rules.hpp"
#include "delivery/verdict.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::RecipientResult;
using smtp::protocol::Stage;
using std::chrono::hours;

const TimePoint kNow{Duration(1'764'000'000'000)};

queue::Recipient recipient(std::string address = "bob@b.test") {
    queue::Recipient out;
    out.id = 1;
    out.message = QueueId(7);
    out.address = std::move(address);
    return out;
}

Outcome refused(Class failure_class, std::uint32_t suppress_after, Disposition result = Disposition::failed) {
    Outcome outcome;
    outcome.result = result;
    outcome.failure_class = failure_class;
    outcome.reply.code = 550;
    outcome.reply.lines.push_back("5.1.1 User unknown");
    Judgement judgement;
    judgement.result = result;
    judgement.failure_class = failure_class;
    judgement.suppress_after = suppress_after;
    outcome.judgement = std::make_shared<const Judgement>(std::move(judgement));
    return outcome;
}

// What a provider's own words lead to, by the built-in rules.
Outcome said(Stage stage, const std::string& provider, std::uint16_t code, const std::string& text) {
    RecipientResult result;
    result.fate = smtp::protocol::Fate::refused;
    result.stage = stage;
    result.reply.code = code;
    result.reply.lines.push_back(text);
    if (const auto enhanced = smtp::protocol::EnhancedCode::parse(text)) result.reply.enhanced = *enhanced;
    Peer peer;
    peer.host = "mx[192.0.2.1]";
    peer.provider = provider;
    return judge({recipient()}, {std::move(result)}, peer).front().outcome;
}

TEST(Suppression, AddressesAreKnownInOneForm) {
    EXPECT_EQ(suppression_key("Bob@B.Test"), "bob@b.test");
    EXPECT_EQ(suppression_key("\"Bob @ home\"@B.test"), "\"bob @ home\"@b.test");
    EXPECT_EQ(suppression_key("bob"), "");
    EXPECT_EQ(suppression_key(""), "");
}

// PR-54: of each class, with whatever a rule may say by mistake.
TEST(Suppression, OnlyAMailboxThatIsNotThere) {
    for (const Class other : {Class::none, Class::temp, Class::grey, Class::throttle, Class::auth, Class::tlsreq, Class::rep, Class::content,
                              Class::rfc, Class::rcpt_full, Class::size, Class::split, Class::proto, Class::relay, Class::mbr, Class::local, Class::dns,
                              Class::connection, Class::expired, Class::suppressed, Class::permanent}) {
        EXPECT_EQ(refusals_needed(refused(other, 1)), 0U) << to_string(other);
        SuppressionList list;
        EXPECT_FALSE(list.heed(refused(other, 1), recipient(), kNow)) << to_string(other);
    }
    EXPECT_EQ(refusals_needed(refused(Class::rcpt_perm, 1)), 1U);
    EXPECT_EQ(refusals_needed(refused(Class::rcpt_perm, 0)), 0U) << "the rule says that it proves nothing";
    EXPECT_EQ(refusals_needed(refused(Class::rcpt_perm, 1, Disposition::deferred)), 0U) << "it is tried again";
    Outcome ours = own_outcome(Disposition::failed, Class::rcpt_perm, Scope::recipient, 550, {5, 1, 2}, "no such domain");
    EXPECT_EQ(refusals_needed(ours), 0U) << "our own finding, nobody's refusal";
}

TEST(Suppression, ARefusalIsKeptWithItsWords) {
    SuppressionList list;
    const auto entry = list.heed(refused(Class::rcpt_perm, 1), recipient("Bob@B.test"), kNow);
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->address, "bob@b.test");
    EXPECT_EQ(entry->since, kNow);
    EXPECT_EQ(entry->failure_class, "rcpt-perm");
    EXPECT_EQ(entry->message, QueueId(7));
    EXPECT_NE(entry->reply.find("User unknown"), std::string::npos);
    list.add(*entry);
    EXPECT_FALSE(list.heed(refused(Class::rcpt_perm, 1), recipient(), kNow)) << "it is there already";
    ASSERT_NE(list.find("BOB@b.TEST"), nullptr);
    EXPECT_TRUE(list.remove("bob@B.test"));
    EXPECT_FALSE(list.remove("bob@b.test"));
    EXPECT_EQ(list.find("bob@b.test"), nullptr);
}

// A server that refuses everybody with four kilobytes must not decide how much memory the list takes.
TEST(Suppression, LongWordsAreCut) {
    Outcome outcome = refused(Class::rcpt_perm, 1);
    for (int i = 0; i < 40; ++i) outcome.reply.lines.push_back(std::string(100, 'x'));
    SuppressionList list;
    const auto entry = list.heed(outcome, recipient(), kNow);
    ASSERT_TRUE(entry);
    EXPECT_LT(entry->reply.size(), 500U);
    EXPECT_TRUE(entry->reply.starts_with("550"));
}

TEST(Suppression, SomeRefusalsCountTwice) {   // 5.4.1 of Microsoft
    SuppressionList list;
    EXPECT_FALSE(list.heed(refused(Class::rcpt_perm, 2), recipient(), kNow));
    EXPECT_EQ(list.strikes("bob@b.test", kNow), 1U);
    EXPECT_FALSE(list.heed(refused(Class::rcpt_perm, 2), recipient("eve@b.test"), kNow));
    EXPECT_TRUE(list.heed(refused(Class::rcpt_perm, 2), recipient(), kNow + hours(24)));
    EXPECT_EQ(list.strikes("bob@b.test", kNow), 0U);

    SuppressionList slow;
    EXPECT_FALSE(slow.heed(refused(Class::rcpt_perm, 2), recipient(), kNow));
    EXPECT_FALSE(slow.heed(refused(Class::rcpt_perm, 2), recipient(), kNow + hours(24 * 31))) << "30 days lie between";
    Outcome taken;
    taken.result = Disposition::delivered;
    EXPECT_FALSE(slow.heed(taken, recipient(), kNow + hours(24 * 31)));
    EXPECT_EQ(slow.strikes("bob@b.test", kNow + hours(24 * 31)), 0U) << "somebody is there";

    SuppressionList restarted;
    restarted.restore_strikes("bob@b.test", 1, kNow + hours(1));
    EXPECT_TRUE(restarted.heed(refused(Class::rcpt_perm, 2), recipient(), kNow));
}

// PR-54 before the table of 2.5: somebody is there, however long his mailbox stays full.
TEST(Suppression, AFullMailboxIsNeverSuppressed) {
    queue::Recipient waited = recipient();
    waited.last_class = "rcpt-full";
    waited.last_reply = "452 4.2.2 inbox out of storage space";
    const Outcome expired = own_outcome(Disposition::failed, Class::expired, Scope::recipient, 554, {5, 2, 2}, "time is over");
    SuppressionList list;
    for (int i = 0; i < 50; ++i) {
        EXPECT_FALSE(list.heed(expired, waited, kNow));
        EXPECT_FALSE(list.heed(refused(Class::rcpt_full, 1), waited, kNow)) << "not even by a rule";
    }
    EXPECT_EQ(list.strikes("bob@b.test", kNow), 0U);
}

// Who answers 550 to everything puts all there that are written to: the list is in memory.
TEST(Suppression, RefusalsFillTheListUpToABound) {
    SuppressionList list;
    for (std::size_t i = 0; i < SuppressionList::kMostByRefusal; ++i) {
        queue::Suppression entry;
        entry.address = "r" + std::to_string(i) + "@b.test";
        list.add(std::move(entry));
    }
    EXPECT_FALSE(list.heed(refused(Class::rcpt_perm, 1), recipient("one-more@b.test"), kNow));
    EXPECT_EQ(list.missed(), 1U);
    EXPECT_FALSE(list.heed(refused(Class::rcpt_perm, 1), recipient("r7@b.test"), kNow)) << "known";
    EXPECT_FALSE(list.heed(refused(Class::mbr, 0), recipient("two-more@b.test"), kNow));
    EXPECT_EQ(list.missed(), 1U);
    EXPECT_TRUE(list.remove("r7@b.test"));
    EXPECT_TRUE(list.heed(refused(Class::rcpt_perm, 1), recipient("one-more@b.test"), kNow));
}

TEST(Suppression, StopsTheMailThatTheSettingNames) {
    SuppressionList list;
    list.add({"bob@b.test", kNow, "rcpt-perm", "550 5.1.1 User unknown", QueueId(7)});
    mail::Message letter, newsletter;
    newsletter.stream = "news";
    EXPECT_EQ(list.stops(letter, "bob@b.test", SuppressedMail::streams), nullptr);
    EXPECT_NE(list.stops(newsletter, "Bob@b.test", SuppressedMail::streams), nullptr);
    EXPECT_NE(list.stops(letter, "bob@b.test", SuppressedMail::all), nullptr);
    EXPECT_EQ(list.stops(newsletter, "bob@b.test", SuppressedMail::off), nullptr);
    EXPECT_EQ(list.stops(newsletter, "eve@b.test", SuppressedMail::all), nullptr);
}

TEST(Suppression, ItsOwnWords) {
    const Outcome outcome = suppressed_outcome({"bob@b.test", kNow, "rcpt-perm", "550-5.1.1 User\r\n550 5.1.1 unknown", QueueId(7)});
    EXPECT_EQ(outcome.result, Disposition::failed);
    EXPECT_EQ(outcome.failure_class, Class::suppressed);
    EXPECT_EQ(outcome.reply.lines.size(), 1U);
    EXPECT_NE(outcome.reply.lines[0].find("5.1.1 Not sent: this server's suppression list has the address since 2025-11-24"), std::string::npos)
        << outcome.reply.lines[0];
    EXPECT_EQ(outcome.reply.lines[0].find('\n'), std::string::npos);
    const Outcome by_hand = suppressed_outcome({"bob@b.test", kNow, std::string(kByOperator), "he asked for it", QueueId(0)});
    EXPECT_NE(by_hand.reply.lines[0].find("by its operator: he asked for it"), std::string::npos);
}

// The providers' own words, through the built-in rules.
TEST(Suppression, ByTheWordsOfProviders) {
    EXPECT_EQ(refusals_needed(said(Stage::rcpt, "google", 550, "5.1.1 The email account that you tried to reach does not exist. - gsmtp")), 1U);
    // Yahoo says 552 at the end of data of a mailbox that is not there.
    EXPECT_EQ(refusals_needed(said(Stage::end_of_data, "yahoo", 552, "1 Requested mail action aborted, mailbox not found")), 1U);
    EXPECT_EQ(refusals_needed(said(Stage::rcpt, "outlook", 550, "5.4.1 Recipient address rejected: Access denied. [x]")), 2U);
    // PR-32: docomo's "Unknown user" behind DATA is the recipient's own filter; PR-33: au's without an address.
    EXPECT_EQ(refusals_needed(said(Stage::rcpt, "docomo", 550, "Unknown user bob@docomo.ne.jp")), 1U);
    EXPECT_EQ(refusals_needed(said(Stage::end_of_data, "docomo", 550, "Unknown user bob@docomo.ne.jp")), 0U);
    EXPECT_EQ(refusals_needed(said(Stage::rcpt, "au", 550, "<bob@ezweb.ne.jp>: User unknown")), 1U);
    EXPECT_EQ(refusals_needed(said(Stage::rcpt, "au", 550, ": User unknown")), 0U);
    // PR-54 in their words: REP, AUTH, CONTENT, RFC, MBR.
    EXPECT_EQ(refusals_needed(said(Stage::mail, "yahoo", 553, "5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list")), 0U);
    EXPECT_EQ(refusals_needed(said(Stage::end_of_data, "google", 550, "5.7.26 Your email has been blocked because the sender is unauthenticated.")), 0U);
    EXPECT_EQ(refusals_needed(said(Stage::end_of_data, "google", 550, "5.7.1 likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked. - gsmtp")), 0U);
    EXPECT_EQ(refusals_needed(said(Stage::end_of_data, "outlook", 550, "5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant and include a valid From address")), 0U);
    EXPECT_EQ(refusals_needed(said(Stage::rcpt, "outlook", 550, "5.7.507 Access denied, rejected by recipient")), 0U);
}

}  // namespace
}  // namespace posthorn::delivery
