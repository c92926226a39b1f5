// Tests of base/text.hpp.
#include "base/text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace posthorn::text {
namespace {

using namespace std::string_literals;

TEST(Text, ComparesAsciiWithoutCaseAndOtherOctetsExactly) {
    EXPECT_TRUE(iequals("Content-Type", "content-TYPE"));
    EXPECT_FALSE(iequals("a", "ab"));
    EXPECT_FALSE(iequals("\xc3\x84", "\xc3\xa4"));  // A and a with diaeresis: not ASCII, so not equal
    EXPECT_FALSE(iequals("[", "{"));                // 0x5b and 0x7b differ in the case bit only
    EXPECT_FALSE(iequals("@", "`"));
    EXPECT_TRUE(istarts_with("IPv6:::1", "ipv6:"));
    EXPECT_FALSE(istarts_with("IP", "ipv6:"));
    EXPECT_TRUE(iends_with("mail.EXAMPLE.com", ".example.COM"));
    EXPECT_TRUE(icontains("Authentication-Results", "RESULT"));
    EXPECT_TRUE(icontains("abc", ""));
    EXPECT_FALSE(icontains("ab", "abc"));
}

TEST(Text, Trims) {
    EXPECT_EQ(trim(" \t\r\n a b \r\n"), "a b");
    EXPECT_EQ(trim(" \r\n "), "");
    EXPECT_EQ(trim_left("  a "), "a ");
    EXPECT_EQ(trim_right(" a  "), " a");
}

TEST(Text, SplitsKeepingEmptyFields) {
    EXPECT_EQ(split("a,,b", ','), (std::vector<std::string_view>{"a", "", "b"}));
    EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
    EXPECT_EQ(split(",", ','), (std::vector<std::string_view>{"", ""}));
    std::string_view rest = "a;b";
    EXPECT_EQ(take_field(rest, ';'), "a");
    EXPECT_EQ(take_field(rest, ';'), "b");
    EXPECT_EQ(take_field(rest, ';'), "");
    EXPECT_TRUE(rest.empty());
}

TEST(Text, ParsesUnsignedAtItsLimits) {
    EXPECT_EQ(parse_unsigned("0"), 0U);
    EXPECT_EQ(parse_unsigned("18446744073709551615"), UINT64_MAX);
    EXPECT_EQ(parse_unsigned("18446744073709551616"), std::nullopt);
    EXPECT_EQ(parse_unsigned("99999999999999999999999999"), std::nullopt);
    EXPECT_EQ(parse_unsigned("65535", 65535), 65535U);
    EXPECT_EQ(parse_unsigned("65536", 65535), std::nullopt);
    EXPECT_EQ(parse_unsigned("7", 5), std::nullopt);
    for (const char* bad : {"", "-1", "+1", " 1", "1 ", "0x1", "1.5"})
        EXPECT_EQ(parse_unsigned(bad), std::nullopt) << bad;
}

TEST(Text, KnowsUtf8) {
    EXPECT_TRUE(is_utf8(""));
    EXPECT_TRUE(is_utf8("Gr\xc3\xbc\xc3\x9f"));
    EXPECT_TRUE(is_utf8("\xe2\x82\xac \xf0\x9f\x93\xa8"));
    for (const char* bad : {"\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff",
                            "\x80", "\xf0\x9f\x93", "\xf8\x88\x80\x80\x80"})
        EXPECT_FALSE(is_utf8(bad));
    EXPECT_FALSE(is_utf8("Gr\xfc\xdf"));  // Latin-1
}

TEST(Text, AsciiCheckFindsAnOctetAtEveryPlace) {
    for (std::size_t length = 0; length < 40; ++length) {
        std::string text(length, 'a');
        EXPECT_TRUE(is_ascii(text));
        for (std::size_t at = 0; at < length; ++at) {
            text[at] = '\x80';
            EXPECT_FALSE(is_ascii(text)) << length << " " << at;
            text[at] = 'a';
        }
    }
}

TEST(Text, SafeForLogIsOneLineThatCannotDeceive) {
    EXPECT_EQ(safe_for_log("plain text"), "plain text");
    EXPECT_EQ(safe_for_log("a\r\nb\0c\x1b[31m"s), "a\\x0d\\x0ab\\x00c\\x1b[31m");
    EXPECT_EQ(safe_for_log("back\\slash"), "back\\\\slash");
    EXPECT_EQ(safe_for_log("Gr\xc3\xbc\xc3\x9f"), "Gr\xc3\xbc\xc3\x9f");
    EXPECT_EQ(safe_for_log("\xfc"), "\\xfc");
    EXPECT_EQ(safe_for_log("\xc2\x9b"), "\\xc2\\x9b");  // C1 CSI: an escape sequence on some terminals
    EXPECT_EQ(safe_for_log("a\xe2\x80\xae"
                           "b"),
              "a\\xe2\\x80\\xae"
              "b");  // RIGHT-TO-LEFT OVERRIDE
    EXPECT_EQ(safe_for_log("\xe2\x80\x8f\xd8\x9c"), "\\xe2\\x80\\x8f\\xd8\\x9c");  // RIGHT-TO-LEFT MARK, ARABIC LETTER MARK
    EXPECT_EQ(safe_for_log("abcdef", 3), "abc...");
    EXPECT_EQ(safe_for_log("abc", 3), "abc");
}

TEST(Text, SafeJsonHasTheSameValuesAndCannotDeceive) {
    const std::string plain = "{\"a\":[1,null,\"Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xa8 \\\" \\\\ \\u001b\"]}\n";
    EXPECT_EQ(safe_json(plain), plain);
    EXPECT_EQ(safe_json("\"\xc2\x9b"
                        "31m\x7f\x1b\r\t\"\n"),
              "\"\\u009b31m\\u007f\\u001b\\u000d\\u0009\"\n");
    // Embeddings, overrides, isolates and marks of direction, LINE SEPARATOR, the byte order mark; and their neighbours, which are harmless.
    EXPECT_EQ(safe_json("\xe2\x80\xaa\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xa9\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c\xe2\x80\xa8\xef\xbb\xbf"),
              "\\u202a\\u202e\\u2066\\u2069\\u200e\\u200f\\u061c\\u2028\\ufeff");
    for (const char* harmless : {"\xc2\xa0", "\xd8\x9b", "\xe2\x80\x8d", "\xe2\x80\x90", "\xe2\x80\xa7", "\xe2\x80\xaf", "\xe2\x81\xa5", "\xe2\x81\xaa", "\xef\xbb\xbe"})
        EXPECT_EQ(safe_json(harmless), harmless);
    EXPECT_EQ(safe_json("\"\xfc\xe2\x80\""), "\"\\ufffd\\ufffd\\ufffd\"");  // no UTF-8
    EXPECT_EQ(safe_json(""), "");
}

}  // namespace
}  // namespace posthorn::text
