// Canonical forms: the examples of RFC 6376 s3.4, a plain second reading, and the law that slicing changes
// nothing.
#include <gtest/gtest.h>

#include <random>

#include "auth/dkim/canonical.hpp"
#include "base/base64.hpp"
#include "naive_dkim.hpp"

namespace posthorn::auth::dkim {
namespace {

using testing::naive_body;
using testing::naive_field;

std::string field(std::string_view text, Canonical form) {
    std::string out;
    append_canonical_field(out, text, form);
    return out;
}

// RFC 6376 s3.4.5, examples 1 to 3: "A: <SP> X <CRLF> B <SP> : <SP> Y <HTAB><CRLF> <HTAB> Z <SP><SP><CRLF>
// <CRLF> <SP> C <SP><CRLF> D <SP><HTAB><SP> E <CRLF> <CRLF> <CRLF>".
TEST(CanonicalExamples, OfTheRfc) {
    const auto a = "A: X\r\n", b = "B : Y\t\r\n\tZ  \r\n", body = " C \r\nD \t E\r\n\r\n\r\n";
    EXPECT_EQ(field(a, Canonical::relaxed), "a:X\r\n");
    EXPECT_EQ(field(b, Canonical::relaxed), "b:Y Z\r\n");
    EXPECT_EQ(canonical_body(body, Canonical::relaxed), " C\r\nD E\r\n");
    EXPECT_EQ(field(a, Canonical::simple), a);
    EXPECT_EQ(field(b, Canonical::simple), b);
    EXPECT_EQ(canonical_body(body, Canonical::simple), " C \r\nD \t E\r\n");
}

TEST(CanonicalField, Relaxed) {
    EXPECT_EQ(field("SUBJect: AbC\r\n", Canonical::relaxed), "subject:AbC\r\n");  // s3.4.2's own example
    EXPECT_EQ(field("Subject:\r\n", Canonical::relaxed), "subject:\r\n");
    EXPECT_EQ(field("Subject: \t \r\n", Canonical::relaxed), "subject:\r\n");
    EXPECT_EQ(field("Subject:\r\n a\r\n", Canonical::relaxed), "subject:a\r\n");
    EXPECT_EQ(field("Subject:a\r\n \r\n b\r\n", Canonical::relaxed), "subject:a b\r\n");
    EXPECT_EQ(field("X: a:b : c\r\n", Canonical::relaxed), "x:a:b : c\r\n");
    EXPECT_EQ(field("X: \xc3\x84 \xff\r\n", Canonical::relaxed), "x:\xc3\x84 \xff\r\n");
}

// s3.4.3 and s3.4.4 state these hashes of the empty body.
TEST(CanonicalBody, Empty) {
    EXPECT_EQ(base64_encode(hash_body("", Canonical::simple)),
              "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
    EXPECT_EQ(base64_encode(hash_body("", Canonical::relaxed)),
              "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    for (const auto empty : {"", "\r\n", "\r\n\r\n\r\n"}) {
        EXPECT_EQ(canonical_body(empty, Canonical::simple), "\r\n");
        EXPECT_EQ(canonical_body(empty, Canonical::relaxed), "");
    }
    for (const auto blank : {" ", " \t\r\n", "\t\r\n \r\n\r\n"})
        EXPECT_EQ(canonical_body(blank, Canonical::relaxed), "");
    EXPECT_EQ(canonical_body(" \r\n\r\n", Canonical::simple), " \r\n");
}

TEST(CanonicalBody, TheLastLineGetsItsEnd) {
    for (const auto form : {Canonical::simple, Canonical::relaxed}) {
        EXPECT_EQ(canonical_body("a", form), "a\r\n");
        EXPECT_EQ(canonical_body("a\r\n\r\nb", form), "a\r\n\r\nb\r\n");
        EXPECT_EQ(canonical_body("a\r\n\r\n\r\n", form), "a\r\n");
    }
    EXPECT_EQ(canonical_body("a \t", Canonical::relaxed), "a\r\n");
}

// Intake refuses these; should one come through, all forms must still treat them as octets and lose none.
TEST(CanonicalBody, BareLineEndOctetsAreOctets) {
    for (const auto form : {Canonical::simple, Canonical::relaxed}) {
        EXPECT_EQ(canonical_body("a\nb\r\n", form), "a\nb\r\n");
        EXPECT_EQ(canonical_body("a\r\r\nb\rc", form), "a\r\r\nb\rc\r\n");
        EXPECT_EQ(canonical_body("a\r", form), "a\r\r\n");
        EXPECT_EQ(canonical_body("\r\n\r", form), "\r\n\r\r\n");
    }
    EXPECT_EQ(canonical_body("a  \r b\r\n", Canonical::relaxed), "a \r b\r\n");
}

TEST(CanonicalBody, TheMessageOfRfc8463) {
    const auto body = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
    EXPECT_EQ(base64_encode(hash_body(body, Canonical::relaxed)),
              "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

const std::vector<std::string>& samples() {
    static const std::vector<std::string> all = {
        "",
        "\r\n",
        "a",
        " C \r\nD \t E\r\n\r\n\r\n",
        "\r\n\r\nx\r\n \r\n\t\t\r\n y  z\r\n\r\n",
        "word " + std::string(40, ' ') + "word\r\nexactly sixteen.\r\n" + std::string(33, 'x') + " \r\n",
        "The quick brown fox jumps over the lazy dog and goes on for more than one line of text.\r\n"
        "Another line that ends with a blank \r\nand one\twith a tab, and the end without line end ",
        "a\r\r\nb\rc\r\r\r\n\n\r",
    };
    return all;
}

TEST(CanonicalBody, AgreesWithThePlainReading) {
    for (const auto form : {Canonical::simple, Canonical::relaxed}) {
        for (const auto& body : samples())
            EXPECT_EQ(canonical_body(body, form), naive_body(body, form)) << body;
    }
}

TEST(CanonicalBody, EveryCutInTwoGivesTheSame) {
    for (const auto form : {Canonical::simple, Canonical::relaxed}) {
        for (const auto& body : samples()) {
            const auto whole = canonical_body(body, form);
            for (std::size_t cut = 0; cut <= body.size(); ++cut) {
                BodyCanonicalizer canonicalizer(form);
                std::string out;
                canonicalizer.write(std::string_view(body).substr(0, cut), out);
                canonicalizer.write(std::string_view(body).substr(cut), out);
                canonicalizer.finish(out);
                ASSERT_EQ(out, whole) << body << " cut at " << cut;
            }
        }
    }
}

// Bodies of the octets that matter, long enough for the vector path, in pieces of any size.
TEST(CanonicalBody, AnyBodyInAnyPiecesAgreesWithThePlainReading) {
    std::mt19937 random(20260501);
    const std::vector<std::string> bricks = {" ",    "\t",    "\r\n",   "\r\n",  "\r",
                                             "\n",   "a",     "word",   ".",     "sixteen octets!!",
                                             " one", "  two", "\t\r\n", " \r\n", "\xc3\xa4"};
    for (int round = 0; round < 3000; ++round) {
        std::string body;
        for (auto n = random() % 40; n > 0; --n) body += bricks[random() % bricks.size()];
        for (const auto form : {Canonical::simple, Canonical::relaxed}) {
            BodyCanonicalizer canonicalizer(form);
            BodyHasher hasher(form);
            std::string out;
            for (std::string_view rest = body; !rest.empty();) {
                const auto piece = rest.substr(0, 1 + random() % 24);
                canonicalizer.write(piece, out);
                hasher.write(piece);
                rest.remove_prefix(piece.size());
            }
            canonicalizer.finish(out);
            ASSERT_EQ(out, naive_body(body, form)) << ::testing::PrintToString(body);
            const auto hash = hasher.finish();
            ASSERT_EQ(std::string(hash.begin(), hash.end()), testing::sha256(out));
        }
    }
}

TEST(CanonicalField, AgreesWithThePlainReading) {
    std::mt19937 random(7);
    const std::vector<std::string> bricks = {" ", "\t",   "\r\n ",    "\r\n\t",       ":",
                                             "a", "Word", "\xc3\xa4", "=?utf-8?q?x?="};
    for (int round = 0; round < 2000; ++round) {
        std::string text = random() % 2 != 0 ? "Subject:" : "X-Odd \t:";
        for (auto n = random() % 12; n > 0; --n) text += bricks[random() % bricks.size()];
        text += "\r\n";
        ASSERT_EQ(field(text, Canonical::relaxed), naive_field(text, Canonical::relaxed)) << text;
        ASSERT_EQ(field(text, Canonical::simple), text);
    }
}

TEST(BodyHasher, HoldsManyLineEndsBackInLittleMemory) {
    BodyHasher hasher(Canonical::relaxed);
    std::string expected = "a\r\n";
    const std::string ends = "\r\n\r\n\r\n\r\n";
    hasher.write("a\r\n");
    for (int i = 0; i < 100000; ++i) {
        hasher.write(ends);
        expected += ends;
    }
    hasher.write("b");
    expected += "b\r\n";
    const auto hash = hasher.finish();
    EXPECT_EQ(std::string(hash.begin(), hash.end()), testing::sha256(expected));
}

TEST(BodyHasher, BeginsAnewAfterFinish) {
    BodyHasher hasher(Canonical::simple);
    hasher.write("one\r\n\r\n");
    const auto first = hasher.finish();
    hasher.write("one");
    EXPECT_EQ(hasher.finish(), first);
    EXPECT_EQ(hasher.finish(), hash_body("", Canonical::simple));
}

}  // namespace
}  // namespace posthorn::auth::dkim
