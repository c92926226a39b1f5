// The listing in Postfix's form (SM-6): columns, marks, reasons, and that nothing in it can make a line of its own.
#include "admin/mailq.hpp"

#include <gtest/gtest.h>
#include <time.h>

#include <cstdlib>

namespace posthorn::admin {
namespace {

constexpr TimePoint kThen = std::chrono::sys_days(std::chrono::year(2026) / 11 / 19) + std::chrono::hours(10) + std::chrono::seconds(7);

queue::QueueEntry entry(std::vector<std::string> recipients) {
    queue::QueueEntry made;
    made.id = QueueId(1);
    made.accepted_at = kThen;
    made.size = 1234;
    made.reverse_path = "shop@example.com";
    for (std::string& address : recipients) {
        queue::Recipient recipient;
        recipient.address = std::move(address);
        made.recipients.push_back(std::move(recipient));
    }
    made.recipient_count = made.recipients.size();
    return made;
}

class Mailq : public testing::Test {
protected:
    Mailq() {
        ::setenv("TZ", "UTC", 1);
        ::tzset();
    }
    MailqListing listing_;
};

TEST_F(Mailq, AnEmptyQueueSaysSo) { EXPECT_EQ(listing_.end(), "Mail queue is empty\n"); }

// The last line stays what scripts look for.
TEST_F(Mailq, TellsOfWhatIsNotInTheQueueYet) {
    EXPECT_TRUE(listing_.end(1).starts_with("(1 message in the sendmail program's spool is not in the queue yet"));
    EXPECT_TRUE(listing_.end(2).ends_with("pickup_)\nMail queue is empty\n"));
    (void)listing_.add(entry({"a@example.org"}));
    EXPECT_TRUE(listing_.end(2).ends_with(")\n-- 2 Kbytes in 1 Request.\n"));
}

TEST_F(Mailq, HasColumnsAndTotals) {
    EXPECT_EQ(listing_.add(entry({"a@example.org", "b@example.org"})),
              "-Queue ID-----  --Size-- ----Arrival Time---- -Sender/Recipient-------\n" + QueueId(1).to_string() +
                  "       1234 Thu Nov 19 10:00:07  shop@example.com\n" + std::string(42, ' ') + "a@example.org\n" +
                  std::string(42, ' ') + "b@example.org\n\n");
    const std::string second = listing_.add(entry({"c@example.org"}));
    EXPECT_TRUE(second.starts_with(QueueId(1).to_string())) << second;
    EXPECT_EQ(listing_.end(), "-- 3 Kbytes in 2 Requests.\n");
}

TEST_F(Mailq, MarksWhatIsActiveAndWhatIsHeld) {
    queue::QueueEntry one = entry({"a@example.org", "b@example.org"});
    one.recipients[1].claimed = true;
    EXPECT_NE(listing_.add(one).find("\n" + one.id.to_string() + "* "), std::string::npos);
    one.recipients[1].claimed = false;
    one.recipients[0].state = queue::RecipientState::held;
    EXPECT_TRUE(listing_.add(one).starts_with(one.id.to_string() + " "));
    one.recipients[1].state = queue::RecipientState::suspended;
    const std::string held = listing_.add(one);
    EXPECT_TRUE(held.starts_with(one.id.to_string() + "! ")) << held;
    EXPECT_NE(held.find("(held by the administrator)\n"), std::string::npos);
    EXPECT_NE(held.find("(its user is suspended by the administrator)\n"), std::string::npos);
}

TEST_F(Mailq, TellsAReasonOnceForAllItIsAbout) {
    queue::QueueEntry one = entry({"a@example.org", "b@example.org", "c@example.org"});
    for (auto& recipient : one.recipients) {
        recipient.last_reply = "451-4.7.1 Greylisted,\n451 4.7.1 come back";
        recipient.last_host = "mx.example.org[192.0.2.1]";
    }
    one.recipients[2].last_reply = "452 4.2.2 Full";
    const std::string text = listing_.add(one);
    EXPECT_EQ(text.find("(mx.example.org[192.0.2.1]: 451-4.7.1 Greylisted, 451 4.7.1 come back)"),
              text.rfind("Greylisted") - std::string("(mx.example.org[192.0.2.1]: 451-4.7.1 ").size());
    EXPECT_LT(text.find("b@example.org"), text.find("(mx.example.org[192.0.2.1]: 452 4.2.2 Full)"));
}

TEST_F(Mailq, NothingFromElsewhereMakesALine) {
    queue::QueueEntry one = entry({"a\n-- 0 Kbytes in 0 Requests.@example.org"});
    one.reverse_path = "x\r\n\x1b[2J@example.com";
    one.recipients[0].last_reply = "450 \x1b]0;title\x07\nMail queue is empty";
    const std::string text = listing_.add(one);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 5);  // heading, message, reason, recipient, end
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find("\nMail queue"), std::string::npos);
    EXPECT_EQ(text.find("\n--"), std::string::npos);
}

TEST_F(Mailq, TheNullSenderIsMailerDaemon) {
    queue::QueueEntry one = entry({"a@example.org"});
    one.reverse_path.clear();
    one.recipient_count = 150;
    const std::string text = listing_.add(one);
    EXPECT_NE(text.find("  MAILER-DAEMON\n"), std::string::npos);
    EXPECT_NE(text.find("... and 149 more\n"), std::string::npos);
}

}  // namespace
}  // namespace posthorn::admin
