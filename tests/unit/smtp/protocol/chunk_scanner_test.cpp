// Content in chunks: the same facts in any slices, line ends across chunks, the CRLF at the end.
#include "smtp/protocol/chunk_scanner.hpp"

#include <gtest/gtest.h>

namespace posthorn::smtp::protocol {
namespace {

struct Seen {
    DataFacts facts;
    std::string added;
};

Seen scan(std::string_view content, std::size_t piece) {
    ChunkScanner scanner;
    for (std::size_t at = 0; at < content.size(); at += piece) scanner.feed(content.substr(at, piece));
    Seen seen;
    scanner.finish(seen.added);
    seen.facts = scanner.facts();
    return seen;
}

TEST(ChunkScanner, FactsInAnySlices_EXT_6) {
    const struct {
        std::string content;
        bool bare_cr, bare_lf, dot, nul, eight;
        std::uint64_t longest;
        const char* added;
    } kTable[] = {
        {"", false, false, false, false, false, 0, ""},
        {"a\r\nbcd\r\n", false, false, false, false, false, 3, ""},
        {"a\r\nbcd", false, false, false, false, false, 3, "\r\n"},
        {"\r\n", false, false, false, false, false, 0, ""},
        {"a\r", true, false, false, false, false, 1, "\r\n"},
        {"\r", true, false, false, false, false, 0, "\r\n"},
        {"a\n", false, true, false, false, false, 2, "\r\n"},
        {"a\n.\r\nb\r\n", false, true, false, false, false, 3, ""},
        {"a\rb\r\n", true, false, false, false, false, 3, ""},
        {"a\r\r\n", true, false, false, false, false, 2, ""},
        {"\r\n.\r\n", false, false, true, false, false, 1, ""},
        {".", false, false, true, false, false, 1, "\r\n"},
        {std::string("a\0\r\n", 4), false, false, false, true, false, 2, ""},
        {"\xc3\xa4\r\n", false, false, false, false, true, 2, ""},
    };
    for (const auto& row : kTable) {
        for (std::size_t piece = 1; piece <= row.content.size() + 1; ++piece) {
            SCOPED_TRACE(row.content + " in pieces of " + std::to_string(piece));
            const Seen seen = scan(row.content, piece);
            EXPECT_EQ(seen.facts.bare_cr, row.bare_cr);
            EXPECT_EQ(seen.facts.bare_lf, row.bare_lf);
            EXPECT_EQ(seen.facts.has_leading_dot, row.dot);
            EXPECT_EQ(seen.facts.nul, row.nul);
            EXPECT_EQ(seen.facts.has_8bit, row.eight);
            EXPECT_EQ(seen.facts.longest_line, row.longest);
            EXPECT_EQ(seen.added, row.added);
            EXPECT_EQ(seen.facts.size, row.content.size() + seen.added.size());
        }
    }
}

}  // namespace
}  // namespace posthorn::smtp::protocol
