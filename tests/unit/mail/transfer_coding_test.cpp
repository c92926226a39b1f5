// Quoted-printable and base64 writers: short lines, the same content, in any slices (RFC 2045 s6).
#include "mail/transfer_coding.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::mail {
namespace {

std::string coded(TransferCoding coding, std::string_view text, std::size_t slice = 1 << 20) {
    TransferWriter writer(coding);
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += slice) writer.write(text.substr(at, slice), out);
    writer.finish(out);
    return out;
}

// RFC 2045 s6.7, read as strictly as it is written.
std::string decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '=') {
            out += text[i];
        } else if (text.substr(i, 3) == "=\r\n") {
            i += 2;
        } else {
            EXPECT_LT(i + 2, text.size());
            out += static_cast<char>(text::hex_value(text[i + 1]) * 16 + text::hex_value(text[i + 2]));
            i += 2;
        }
    }
    return out;
}

std::size_t longest(std::string_view text) {
    std::size_t most = 0;
    while (!text.empty()) {
        std::string_view line = text::take_field(text, '\n');
        if (line.ends_with('\r')) line.remove_suffix(1);
        most = std::max(most, line.size());
    }
    return most;
}

std::string random_text(std::mt19937& random, std::size_t size) {
    static const std::string kAlphabet = "ab =-.\t\xc3\xa4" "F";
    std::string text;
    while (text.size() < size) {
        if (random() % 40 == 0) text += "\r\n";
        else text += kAlphabet[random() % kAlphabet.size()];
        if (random() % 100 == 0) text.append(random() % 300, "x -."[random() % 4]);
    }
    return text;
}

TEST(TransferCoding, QuotedPrintable) {  // s6.7 (1) to (5)
    EXPECT_EQ(coded(TransferCoding::quoted_printable, "a=b \r\nc\t"), "a=3Db=20\r\nc=09");
    EXPECT_EQ(coded(TransferCoding::quoted_printable, "-- \r\n.x"), "=2D-=20\r\n=2Ex");
    EXPECT_EQ(coded(TransferCoding::quoted_printable, std::string(76, 'x')), std::string(75, 'x') + "=\r\nx");
    EXPECT_EQ(coded(TransferCoding::quoted_printable, "\rx"), "=0Dx");
}

TEST(TransferCoding, AnyTextComesBack) {
    std::mt19937 random(1);
    for (int round = 0; round < 300; ++round) {
        const std::string text = random_text(random, random() % 600);
        const std::string once = coded(TransferCoding::quoted_printable, text);
        EXPECT_EQ(decoded(once), text);
        EXPECT_LE(longest(once), 76U);
        EXPECT_TRUE(text::is_ascii(once));
        EXPECT_EQ(once.find("\n-"), std::string::npos);
        EXPECT_EQ(once.find(" \r\n"), std::string::npos);
        EXPECT_EQ(coded(TransferCoding::quoted_printable, text, 1 + round % 7), once);
        const std::string binary = coded(TransferCoding::base64, text);
        EXPECT_EQ(base64_decode_folded(binary).value(), text);
        EXPECT_LE(longest(binary), 76U);
        EXPECT_EQ(coded(TransferCoding::base64, text, 1 + round % 70), binary);
    }
}

TEST(TransferCoding, AgainChangesLinesOnly) {
    std::mt19937 random(2);
    for (int round = 0; round < 300; ++round) {
        const std::string text = random_text(random, random() % 600);
        std::string unbroken;   // quoted-printable by somebody who knows of no lines
        for (const char c : text) {
            if (c == '=' || text::is_8bit(c)) {
                char digits[4];
                std::snprintf(digits, sizeof digits, "=%02X", static_cast<unsigned char>(c));
                unbroken += digits;
            } else {
                unbroken += c;
            }
        }
        const std::string again = coded(TransferCoding::quoted_printable_again, unbroken);
        EXPECT_EQ(decoded(again), text);
        EXPECT_LE(longest(again), 76U);
        EXPECT_EQ(coded(TransferCoding::quoted_printable_again, unbroken, 1 + round % 5), again);
        const std::string endless = base64_encode(text);
        const std::string cut = coded(TransferCoding::base64_again, endless, 1 + round % 50);
        EXPECT_EQ(base64_decode_folded(cut).value(), text);
        EXPECT_LE(longest(cut), 76U);
    }
}

TEST(TransferCoding, NoNewLineLooksLikeADelimiter) {  // RFC 2046 s5.1.1
    const std::string text = std::string(73, 'x') + "--boundary--";
    EXPECT_EQ(coded(TransferCoding::quoted_printable_again, text + "--boundary").find("\n-"), std::string::npos);
    for (std::size_t i = 60; i < 90; ++i) {
        const std::string line = std::string(i, 'x') + "--boundary";
        EXPECT_EQ(coded(TransferCoding::quoted_printable, line).find("\n-"), std::string::npos);
        EXPECT_EQ(coded(TransferCoding::quoted_printable_again, line).find("\n-"), std::string::npos);
    }
}

}  // namespace
}  // namespace posthorn::mail
