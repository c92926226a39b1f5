// Tests of mail/mailbox.hpp: address lists as real mail has them (RFC 5322 s3.4, s4.4, appendix A).
#include "mail/mailbox.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace posthorn::mail {
namespace {

// "display|local|domain" joined by " + ", with "!" in front when the list was not clean.
std::string parsed(std::string_view value) {
    const MailboxList list = parse_mailboxes(value);
    std::string text = list.clean ? "" : "!";
    for (std::size_t i = 0; i < list.mailboxes.size(); ++i) {
        const Mailbox& box = list.mailboxes[i];
        text += (i > 0 ? " + " : "") + box.display + "|" + box.local + "|" + box.domain;
    }
    return text;
}

TEST(Mailboxes, Plain) {
    EXPECT_EQ(parsed("user@example.com"), "|user|example.com");
    EXPECT_EQ(parsed("<user@example.com>"), "|user|example.com");
    EXPECT_EQ(parsed("User Name <user@example.com>"), "User Name|user|example.com");
    EXPECT_EQ(parsed(" =?utf-8?Q?J=C3=BCrgen?= <j@Example.COM>\r\n"),
              "=?utf-8?Q?J=C3=BCrgen?=|j|Example.COM");
    EXPECT_EQ(parsed("J\xc3\xbcrgen <j\xc3\xbc@b\xc3\xbc"
                     "cher.example>"),
              "J\xc3\xbcrgen|j\xc3\xbc|b\xc3\xbc"
              "cher.example");
    EXPECT_EQ(parsed("a@a.example, B <b@b.example>,\r\n c@c.example"),
              "|a|a.example + B|b|b.example + |c|c.example");
    EXPECT_EQ(parsed("u@[192.0.2.1]"), "|u|[192.0.2.1]");
    EXPECT_EQ(parsed("u@[IPv6:2001:db8::1]"), "|u|[IPv6:2001:db8::1]");
    EXPECT_EQ(parsed("[EXTERNAL] [list of] A <a@example.com>"), "[EXTERNAL] [list of] A|a|example.com");
    EXPECT_EQ(parsed(""), "");
}

// Appendix A.1.2, A.1.3, A.5, A.6.1 of RFC 5322.
TEST(Mailboxes, OfTheStandardsExamples) {
    EXPECT_EQ(parsed("\"Joe Q. Public\" <john.q.public@example.com>"),
              "Joe Q. Public|john.q.public|example.com");
    EXPECT_EQ(parsed("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>"),
              "Mary Smith|mary|x.test + |jdoe|example.org + Who?|one|y.test");
    EXPECT_EQ(parsed("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>"),
              "|boss|nil.test + Giant; \"Big\" Box|sysservices|example.net");
    EXPECT_EQ(parsed("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;"),
              "Ed Jones|c|a.test + |joe|where.test + John|jdoe|one.test");
    EXPECT_EQ(parsed("Undisclosed recipients:;"), "");
    EXPECT_EQ(parsed("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"),
              "Pete|pete|silly.test");
    EXPECT_EQ(parsed("A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n  "
                     "joe@example.org,\r\n"
                     "  John <jdoe@one.test> (my dear friend); (the end of the group)"),
              "Chris Jones|c|public.example + |joe|example.org + John|jdoe|one.test");
    EXPECT_EQ(parsed("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;"), "");
    EXPECT_EQ(parsed("Joe Q. Public <john.q.public@example.com>"), "Joe Q. Public|john.q.public|example.com");
    EXPECT_EQ(parsed("Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example"),
              "Mary Smith|mary|example.net + |jdoe|test.example");
}

// The domain that signs is chosen from this: an "@" that is not the address must not be taken for it.
TEST(Mailboxes, AnAtElsewhereIsNotTheAddress) {
    EXPECT_EQ(parsed("\"ceo@bank.example\" <u@evil.example>"), "ceo@bank.example|u|evil.example");
    EXPECT_EQ(parsed("ceo@bank.example <u@evil.example>"), "ceo@bank.example|u|evil.example");
    EXPECT_EQ(parsed("(x@y.example) u@evil.example"), "|u|evil.example");
    EXPECT_EQ(parsed("u@evil.example (x@y.example)"), "|u|evil.example");
    EXPECT_EQ(parsed("\"a@b\"@evil.example"), "|\"a@b\"|evil.example");
    EXPECT_EQ(parsed("\"<u@bank.example>\" <u@evil.example>"), "<u@bank.example>|u|evil.example");
    EXPECT_EQ(parsed("\"x\\\" <u@bank.example>\" <u@evil.example>"), "x\" <u@bank.example>|u|evil.example");
    EXPECT_EQ(parsed("a@bank.example@evil.example"), "!|\"a@bank.example\"|evil.example");
}

TEST(Mailboxes, LocalPartsAreQuotedWhereTheyMustBe) {
    EXPECT_EQ(parsed("\"user\"@example.com"), "|user|example.com");
    EXPECT_EQ(parsed("\"john doe\"@example.com"), "|\"john doe\"|example.com");
    EXPECT_EQ(parsed("\"a\\\"b\"@example.com"), "|\"a\\\"b\"|example.com");
    EXPECT_EQ(parsed("\"\"@example.com"), "|\"\"|example.com");
    EXPECT_EQ(parsed("john . q @ example . com"), "|john.q|example.com");
}

TEST(Mailboxes, SloppyOnes) {
    EXPECT_EQ(parsed("Doe, John <j@example.com>"), "!John|j|example.com");
    EXPECT_EQ(parsed("<j@example.com"), "!|j|example.com");
    EXPECT_EQ(parsed("J <j@example.com, k@example.com"), "!J|j|example.com + |k|example.com");
    EXPECT_EQ(parsed("j@example.com>"), "!|j|example.com");
    EXPECT_EQ(parsed("a@x.example; b@y.example"), "|a|x.example + |b|y.example");
    EXPECT_EQ(parsed("A <a@x.example> B <b@y.example>"), "A|a|x.example + B|b|y.example");
    EXPECT_EQ(parsed("root"), "!");
    EXPECT_EQ(parsed("<>"), "!");
    EXPECT_EQ(parsed("\"open <a@x.example>"), "!");
    EXPECT_EQ(parsed("(open a@x.example"), "!");
    EXPECT_EQ(parsed("user@example.com trailing words"), "!|user|example.com");
    EXPECT_EQ(parsed("two words@example.com"), "!|\"two words\"|example.com");
    EXPECT_EQ(parsed("mailto:u@example.com"), "|u|example.com");
    EXPECT_EQ(parsed(",,;,"), "");
    EXPECT_EQ(parsed("a@"), "!");
    EXPECT_EQ(parsed("@example.com"), "!");
    EXPECT_EQ(parsed("u@[192.0.2.1"), "!|u|[192.0.2.1");
}

TEST(Mailboxes, AnyOctetsAreSurvived) {
    std::mt19937 random(822);
    const std::string alphabet = "ab@@<>,:;\"\\()[]. \r\n\t\0\xc3=";
    for (int round = 0; round < 100000; ++round) {
        std::string value(random() % 20, 'a');
        for (char& c : value) c = alphabet[random() % alphabet.size()];
        for (const Mailbox& box : parse_mailboxes(value).mailboxes) {
            EXPECT_FALSE(box.local.empty()) << value;
            EXPECT_FALSE(box.domain.empty()) << value;
            EXPECT_EQ(box.domain.find_first_of("@<>,; \r\n"), std::string::npos)
                << value << " -> " << box.domain;
        }
    }
}

TEST(Mailboxes, LongValuesTakeLinearTime) {
    for (const char* piece : {"@", "(", "\"", "<", "a@b,", ":", ". ", "\\", "[", "a "}) {
        std::string value;
        while (value.size() < 1'000'000) value += piece;
        EXPECT_LE(parse_mailboxes(value).mailboxes.size(), kMaxMailboxes);
    }
}

}  // namespace
}  // namespace posthorn::mail
