// Tests of mail/body_scanner.hpp: the facts, and that slicing does not matter.
#include "mail/body_scanner.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace posthorn::mail {
namespace {

BodyFacts scan(std::string_view body) {
    BodyScanner scanner;
    scanner.feed(body);
    return scanner.facts();
}

void expect_equal(const BodyFacts& a, const BodyFacts& b, const std::string& what) {
    EXPECT_EQ(a.size, b.size) << what;
    EXPECT_EQ(a.longest_line, b.longest_line) << what;
    EXPECT_EQ(a.has_8bit, b.has_8bit) << what;
    EXPECT_EQ(a.has_leading_dot, b.has_leading_dot) << what;
    EXPECT_EQ(a.ends_with_crlf, b.ends_with_crlf) << what;
}

TEST(BodyScanner, EmptyBody) {
    const BodyFacts facts = scan("");
    EXPECT_EQ(facts.size, 0U);
    EXPECT_EQ(facts.longest_line, 0U);
    EXPECT_FALSE(facts.has_leading_dot);
    EXPECT_TRUE(facts.ends_with_crlf);
}

TEST(BodyScanner, Facts) {
    EXPECT_EQ(scan("abc\r\nde\r\n").longest_line, 3U);
    EXPECT_EQ(scan("abc\r\ndefgh").longest_line, 5U);
    EXPECT_FALSE(scan("abc").ends_with_crlf);
    EXPECT_FALSE(scan("abc\n").ends_with_crlf);
    EXPECT_FALSE(scan("abc\r").ends_with_crlf);
    EXPECT_TRUE(scan("\r\n").ends_with_crlf);
    EXPECT_TRUE(scan(".").has_leading_dot);  // SMTP-6: needs stuffing
    EXPECT_TRUE(scan("a\r\n.b\r\n").has_leading_dot);
    EXPECT_FALSE(scan("a.\r\nb.c\r\n").has_leading_dot);
    EXPECT_FALSE(scan("a\n.b\r\n").has_leading_dot);  // a bare LF ends no line (SMTP-5)
    EXPECT_FALSE(scan("a\r.b\r\n").has_leading_dot);
    EXPECT_TRUE(scan("aaaaaaaaaaaaaaaa\xc3").has_8bit);
    EXPECT_FALSE(scan("plain\r\n").has_8bit);
}

TEST(BodyScanner, AnySlicingGivesTheSameFacts) {
    std::mt19937 random(5321);
    const std::string alphabet = "\r\n\r\n..a\xc3";
    for (int round = 0; round < 3000; ++round) {
        std::string body(random() % 24, 'a');
        for (char& c : body) c = alphabet[random() % alphabet.size()];
        BodyScanner scanner;
        std::string_view rest = body;
        std::string cuts;
        while (!rest.empty()) {
            const std::size_t length = random() % (rest.size() + 1);
            scanner.feed(rest.substr(0, length));
            rest.remove_prefix(length);
            cuts += std::to_string(length) + " ";
        }
        expect_equal(scanner.facts(), scan(body), body + " cut " + cuts);
    }
}

}  // namespace
}  // namespace posthorn::mail
