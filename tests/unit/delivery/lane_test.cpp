// Lanes: whose mail it is and whether it is bulk, and a text form that takes whatever a sender writes.
#include "delivery/lane.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "queue/store.hpp"

namespace posthorn::delivery {
namespace {

mail::Message letter(std::string reverse_path, std::string source = "user=alice") {
    mail::Message message;
    message.reverse_path = std::move(reverse_path);
    message.source = std::move(source);
    message.header = "From: Alice <alice@from.example>\r\nSubject: hello\r\n";
    return message;
}

TEST(Lane, IsTheSenderDomainAndWhoSubmitted) {
    const Lane lane = lane_of(letter("alice@Example.ORG"), 1);
    EXPECT_EQ(lane.sender_domain, "example.org");
    EXPECT_EQ(lane.flow, "user=alice");
    EXPECT_FALSE(lane.bulk);
    EXPECT_FALSE(lane == lane_of(letter("alice@example.org", "user=bob"), 1)) << "another submitter";
    EXPECT_FALSE(lane == lane_of(letter("alice@example.com"), 1)) << "another sender domain";
}

TEST(Lane, OfADsnIsThatOfItsFrom) {  // RFC 5321 s4.5.5: the null reverse-path names nobody
    const Lane lane = lane_of(letter("", "dsn for=4F2A"), 1);
    EXPECT_EQ(lane.sender_domain, "from.example");
    EXPECT_EQ(lane.flow, "dsn") << "not which message it is about";
}

// VERP gives each message a reverse-path of its own: they are one lane all the same.
TEST(Lane, VerpAndClientAddressesMakeNoLanesOfTheirOwn) {
    const Lane first = lane_of(letter("bounce+1=bob=example.net@lists.example", "ip=192.0.2.1"), 1);
    const Lane second = lane_of(letter("bounce+2=eve=example.com@lists.example", "ip=2001:db8::77"), 1);
    EXPECT_EQ(first, second);
    EXPECT_EQ(first.flow, "");
}

TEST(Lane, ListMailAndMailingsAreBulk) {
    EXPECT_FALSE(lane_of(letter("a@example.org"), kLetterRecipients).bulk);
    EXPECT_TRUE(lane_of(letter("a@example.org"), kLetterRecipients + 1).bulk);
    mail::Message streamed = letter("a@example.org");
    streamed.stream = "news";
    EXPECT_TRUE(lane_of(streamed, 1).bulk);
    EXPECT_EQ(lane_of(streamed, 1).flow, "stream=news");
    for (const char* field : {"List-Id: <news.example.org>\r\n", "List-Unsubscribe: <mailto:u@example.org>\r\n",
                              "Precedence: bulk\r\n", "precedence:  List \r\n"}) {
        mail::Message listed = letter("a@example.org");
        listed.header += field;
        EXPECT_TRUE(lane_of(listed, 1).bulk) << field;
    }
    mail::Message urgent = letter("a@example.org");
    urgent.header += "Precedence: special-delivery\r\n";
    EXPECT_FALSE(lane_of(urgent, 1).bulk);
}

TEST(Lane, TextTakesAnythingAndStaysShort) {
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    Lane lane{all.substr(0, 255), all.substr(0, 64), true};
    const std::string text = to_text(lane);
    EXPECT_LE(text.size(), kMaxLaneText);
    EXPECT_TRUE(queue::is_bulk(text));
    for (const char c : text) EXPECT_TRUE(c >= ' ' && c <= '~' && c != '"' && c != '\'') << static_cast<int>(c);
    EXPECT_EQ(lane_from(text), lane);
    const Lane plain{"example.org", "", false};
    EXPECT_EQ(to_text(plain), "example.org");
    EXPECT_EQ(lane_from("example.org"), plain);
    EXPECT_EQ(lane_from(""), Lane{}) << "mail queued before there were lanes";
    // A domain cannot pass for the mark of bulk mail, nor a flow for a domain.
    EXPECT_FALSE(queue::is_bulk(to_text(Lane{"~x", "", false})));
    EXPECT_EQ(lane_from(to_text(Lane{"a b", "c d", false})), (Lane{"a b", "c d", false}));
    for (const char* odd : {"%", "%4", "%zz", "~", "~ ", " ", "a %41"}) (void)lane_from(odd);
    EXPECT_EQ(lane_from("a %41").flow, "A");
}

TEST(Lane, ALongFlowIsItsHash) {
    Lane lane{"example.org", "user=" + std::string(300, 'u'), false};
    Lane other{"example.org", "user=" + std::string(301, 'u'), false};
    EXPECT_LE(to_text(lane).size(), kMaxLaneText);
    EXPECT_NE(to_text(lane), to_text(other));
    EXPECT_EQ(lane_from(to_text(lane)).sender_domain, "example.org");
    lane.sender_domain = std::string(1000, 'd');
    EXPECT_LE(to_text(lane).size(), kMaxLaneText);
    EXPECT_LE(to_text(lane_of(letter("a@" + std::string(400, 'd'), "user=" + std::string(4000, 'x')), 99)).size(), kMaxLaneText);
}

// Shaping tells senders apart by From (docs/THROTTLING.md), which the envelope need not name.
TEST(Lane, KnowsTheDomainOfFromWhereItIsAnother) {
    const Lane lane = lane_of(letter("bounces@mailer.example"), 1);
    EXPECT_EQ(lane.sender_domain, "mailer.example");
    EXPECT_EQ(lane.author_domain, "from.example");
    EXPECT_EQ(lane_of(letter("alice@from.example"), 1).author_domain, "") << "the same";
    EXPECT_EQ(lane_of(letter(""), 1).author_domain, "") << "sender_domain is From's already";
    EXPECT_EQ(to_text(lane), "mailer.example/from.example user=alice");
    EXPECT_EQ(lane_from(to_text(lane)), lane);
    EXPECT_EQ(queue::submitter_of(to_text(lane)), " user=alice") << "turns are the user's, whatever From says";
    // What a sender writes into an address cannot pass for the author.
    EXPECT_EQ(lane_from(to_text(Lane{"a/b", "", false})), (Lane{"a/b", "", false}));
    Lane odd{"a", "", true};
    odd.author_domain = "b/c d";
    EXPECT_EQ(lane_from(to_text(odd)), odd);
}

}  // namespace
}  // namespace posthorn::delivery
