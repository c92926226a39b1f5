// The DATA codec: what ends a message, what is undone, and what is noticed.
#include "smtp/protocol/data_codec.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace posthorn::smtp::protocol {
namespace {

struct Decoded {
    bool ended = false;
    std::string content, rest;
    DataFacts facts;
};

bool operator==(const DataFacts& a, const DataFacts& b) {
    return a.size == b.size && a.longest_line == b.longest_line && a.bare_cr == b.bare_cr &&
           a.bare_lf == b.bare_lf && a.nul == b.nul && a.has_8bit == b.has_8bit &&
           a.has_leading_dot == b.has_leading_dot;
}
bool operator==(const Decoded& a, const Decoded& b) {
    return a.ended == b.ended && a.content == b.content && a.rest == b.rest && a.facts == b.facts;
}

template <class Next>
Decoded decode(std::string_view wire, Next next) {
    DataDecoder decoder;
    Decoded out;
    while (!wire.empty() && !out.ended) {
        std::string_view piece = wire.substr(0, next());
        wire.remove_prefix(piece.size());
        out.ended = decoder.feed(piece, out.content);
        if (out.ended) out.rest = std::string(piece) + std::string(wire);
    }
    out.facts = decoder.facts();
    return out;
}

Decoded decode_lawfully(std::string_view wire) {
    const Decoded whole = decode(wire, [&] { return wire.size(); });
    for (std::size_t n = 1; n < 12; ++n)
        EXPECT_TRUE(decode(wire, [n] { return n; }) == whole) << "pieces of " << n;
    for (std::size_t cut = 1; cut < wire.size(); ++cut) {
        bool first = true;
        const auto at = [&] { return std::exchange(first, false) ? cut : wire.size(); };
        EXPECT_TRUE(decode(wire, at) == whole) << "cut at " << cut;
    }
    return whole;
}

TEST(DataDecoder, EndAndUnstuffing_SMTP_6) {
    const struct {
        const char* wire;
        const char* content;
        const char* rest;
    } kTable[] = {
        {".\r\n", "", ""},
        {"a\r\n.\r\n", "a\r\n", ""},
        {"a\r\n.\r\nQUIT\r\n", "a\r\n", "QUIT\r\n"},
        {"..\r\n.\r\n", ".\r\n", ""},
        {"...\r\n.\r\n", "..\r\n", ""},
        {".a\r\n.\r\n", "a\r\n", ""},
        {"a.\r\n.\r\n", "a.\r\n", ""},
        {"\r\n.\r\n", "\r\n", ""},
        {"\r\n\r\n..\r\n\r\n.\r\n.\r\n", "\r\n\r\n.\r\n\r\n", ".\r\n"},
    };
    for (const auto& row : kTable) {
        SCOPED_TRACE(row.wire);
        const Decoded out = decode_lawfully(row.wire);
        EXPECT_TRUE(out.ended);
        EXPECT_EQ(out.content, row.content);
        EXPECT_EQ(out.rest, row.rest);
        EXPECT_EQ(out.facts.size, out.content.size());
        EXPECT_FALSE(out.facts.bare_cr || out.facts.bare_lf || out.facts.nul || out.facts.has_8bit);
    }
}

// RFC 5321 s4.1.1.4: none of these is an end.
TEST(DataDecoder, OnlyCrlfDotCrlfEnds_SMTP_36) {
    for (const char* wire :
         {"a\n.\n", "a\n.\r\n", "a\r.\r", "a\r.\r\n", "a\r\n.\n", "a\r\n.\r", "a\r\n.\rb", "a\r\n\n.\r\n",
          "a\n\r.\r\n", "\n.\r\n", "\r.\r\n", ".\n", ".\r", ".\r\r\n", " .\r\n", ". \r\n"}) {
        SCOPED_TRACE(::testing::PrintToString(std::string(wire)));
        EXPECT_FALSE(decode_lawfully(wire).ended);
    }
}

TEST(DataDecoder, Facts) {
    EXPECT_TRUE(decode_lawfully("a\nb\r\n.\r\n").facts.bare_lf);
    EXPECT_TRUE(decode_lawfully("a\rb\r\n.\r\n").facts.bare_cr);
    EXPECT_TRUE(decode_lawfully("a\r\r\n.\r\n").facts.bare_cr);
    EXPECT_FALSE(decode_lawfully("a\r\r\n.\r\n").facts.bare_lf);
    EXPECT_TRUE(decode_lawfully(std::string_view("a\0\r\n.\r\n", 7)).facts.nul);
    EXPECT_TRUE(decode_lawfully(std::string(40, 'a') + "\xe4\r\n.\r\n").facts.has_8bit);
    EXPECT_TRUE(decode_lawfully("\x80" + std::string(70, 'a') + "\r\n.\r\n").facts.has_8bit);
    EXPECT_TRUE(decode_lawfully("..\r\n.\r\n").facts.has_leading_dot);
    EXPECT_FALSE(decode_lawfully(".a\r\n.\r\n").facts.has_leading_dot);
    EXPECT_EQ(decode_lawfully("abc\r\n..defg\r\nx\r\n.\r\n").facts.longest_line, 5U);
    EXPECT_EQ(decode_lawfully("\r\n.\r\n").facts.longest_line, 0U);
}

// Random mixtures of the octets that matter.
TEST(DataDecoder, SlicingLaw) {
    std::mt19937 random(7);
    const std::string_view kOctets = "\r\r\r\n\n\n..a";
    for (int round = 0; round < 3000; ++round) {
        std::string wire;
        for (unsigned i = random() % 24; i > 0; --i) {
            if (random() % 3 == 0) {
                wire += "\r\n";
            } else {
                wire += kOctets[random() % kOctets.size()];
            }
        }
        decode_lawfully(wire);
        if (HasFailure()) FAIL() << ::testing::PrintToString(wire);
    }
}

TEST(DataEncoder, Stuffs_SMTP_6) {
    const struct {
        const char* body;
        const char* wire;
    } kTable[] = {
        {"", ".\r\n"},        {"a\r\n", "a\r\n.\r\n"},  {"a", "a\r\n.\r\n"},
        {".", "..\r\n.\r\n"}, {".\r\n", "..\r\n.\r\n"}, {"..\r\na.\r\n.b\r\n", "...\r\na.\r\n..b\r\n.\r\n"},
    };
    for (const auto& row : kTable) {
        std::string whole;
        append_stuffed(whole, row.body);
        EXPECT_EQ(whole, row.wire);
        std::string pieces;
        DataEncoder encoder;
        for (const char* p = row.body; *p != '\0'; ++p) encoder.feed(std::string_view(p, 1), pieces);
        encoder.finish(pieces);
        EXPECT_EQ(pieces, row.wire);
    }
    std::string fast;
    append_stuffed(fast, "a\r\nb", false);
    EXPECT_EQ(fast, "a\r\nb\r\n.\r\n");
    fast.clear();
    append_stuffed(fast, "", false);
    EXPECT_EQ(fast, ".\r\n");
}

TEST(DataCodec, RoundTrip) {
    std::mt19937 random(11);
    for (int round = 0; round < 2000; ++round) {
        std::string body;
        for (unsigned line = random() % 6; line > 0; --line) {
            for (unsigned i = random() % 5; i > 0; --i) body += "..ab"[random() % 4];
            body += "\r\n";
        }
        std::string wire;
        append_stuffed(wire, body);
        const Decoded out = decode(wire, [&] { return 1 + random() % 9; });
        ASSERT_TRUE(out.ended);
        ASSERT_EQ(out.content, body);
        ASSERT_EQ(out.rest, "");
        if (!out.facts.has_leading_dot) {
            std::string fast;
            append_stuffed(fast, body, false);
            ASSERT_EQ(fast, wire);
        }
    }
}

}  // namespace
}  // namespace posthorn::smtp::protocol
