// Tests of mail/handoff.hpp: a spool record comes back as it was written, in any slicing, and no damage passes.
#include "mail/handoff.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace posthorn::mail {
namespace {

Handoff full_handoff() {
    Handoff handoff;
    handoff.uid = 33;
    handoff.user = "www-data";
    handoff.pid = 812;
    handoff.command = "php-fpm: pool www\n+=\x01 \xc3\xbc";
    handoff.directory = "/srv/my shop";
    handoff.name = "Anna \"B\" Blume";
    handoff.sender_asked = true;
    handoff.envelope.reverse_path = "\"a b\"@example.com";
    handoff.envelope.body = BodyType::eight_bit_mime;
    handoff.envelope.smtputf8 = true;
    handoff.envelope.require_tls = true;
    handoff.envelope.ret = DsnReturn::headers;
    handoff.envelope.envid = "QQ 314=159";
    handoff.envelope.recipients = {{"root", "", Notify::unset},
                                   {"b\xc3\xbc@example.org", "rfc822;b+c@example.org", Notify::success | Notify::delay},
                                   {"-c@example.org", "", Notify::never}};
    return handoff;
}

std::string record(const Handoff& handoff, std::string_view body) {
    HandoffWriter writer;
    std::string text = writer.head(handoff);
    writer.body(body.substr(0, body.size() / 3));
    writer.body(body.substr(body.size() / 3));
    text += body;
    return text + writer.end();
}

struct Read {
    Handoff handoff;
    std::string body;
    HandoffFault fault = HandoffFault::none;
};
// most: the longest piece; 0 is one piece.
Read read(std::string_view text, std::mt19937& random, std::size_t most) {
    HandoffReader reader;
    Read result;
    while (!text.empty()) {
        const std::size_t length = most == 0 ? text.size() : std::min<std::size_t>(text.size(), random() % (most + 1));
        const auto part = reader.feed(text.substr(0, length));
        result.body += part.held;
        result.body += part.fresh;
        text.remove_prefix(length);
    }
    result.fault = reader.finish();
    EXPECT_EQ(result.fault, reader.fault());
    if (result.fault == HandoffFault::none) {
        EXPECT_EQ(reader.body_octets(), result.body.size());
    }
    result.handoff = reader.handoff();
    return result;
}
HandoffFault fault_of(std::string_view text) {
    std::mt19937 random(1);
    return read(text, random, 0).fault;
}

TEST(Handoff, ComesBackAsItWasWritten) {
    std::mt19937 random(7);
    const Handoff handoff = full_handoff();
    for (const std::string& body :
         {std::string(), std::string("x"), std::string("Subject: a\r\n\r\nb\r\n"), std::string(300, '\n'),
          std::string("\0\xff\r\n\nposthorn-end 00000000000000000000 00000000\n", 47), std::string(100000, 'q')}) {
        const std::string text = record(handoff, body);
        for (const std::size_t most : {0U, 1U, 3U, 43U, 44U, 45U, 46U, 200U}) {
            const Read back = read(text, random, most);
            EXPECT_EQ(back.fault, HandoffFault::none) << to_string(back.fault) << " " << most;
            EXPECT_EQ(back.handoff, handoff);
            EXPECT_EQ(back.body, body) << most;
        }
    }
}

TEST(Handoff, TheSenderIsDefaultNullOrAnAddress) {
    std::mt19937 random(7);
    Handoff handoff;
    handoff.envelope.recipients = {{"root", "", 0}};
    Read back = read(record(handoff, "x"), random, 0);
    EXPECT_EQ(back.fault, HandoffFault::none);
    EXPECT_FALSE(back.handoff.sender_asked);
    handoff.sender_asked = true;  // -f '<>' (SM-3)
    back = read(record(handoff, "x"), random, 0);
    EXPECT_EQ(back.fault, HandoffFault::none);
    EXPECT_TRUE(back.handoff.sender_asked);
    EXPECT_EQ(back.handoff.envelope.reverse_path, "");
    EXPECT_EQ(back.handoff, handoff);
}

// Whatever a crash or a full disk leaves, the reader sees that it is not whole.
TEST(Handoff, NoPrefixIsWhole) {
    std::mt19937 random(3);
    const std::string text = record(full_handoff(), "Subject: a\r\n\r\nposthorn-end\r\n");
    for (std::size_t length = 0; length < text.size(); ++length)
        EXPECT_NE(read(text.substr(0, length), random, length % 50).fault, HandoffFault::none) << length;
}

TEST(Handoff, NoChangedOctetPasses) {
    std::mt19937 random(5);
    const std::string text = record(full_handoff(), "Subject: a\r\n\r\nHello\r\n");
    for (std::size_t at = 0; at < text.size(); ++at)
        for (const int change : {1, 0x20, 0x80}) {
            std::string other = text;
            other[at] = static_cast<char>(other[at] ^ change);
            EXPECT_NE(read(other, random, 60).fault, HandoffFault::none) << at << " " << change;
        }
    EXPECT_EQ(fault_of(text + "\n"), HandoffFault::no_end);
    std::string longer = text;
    longer.insert(text.size() - kHandoffEndOctets, "more");
    EXPECT_EQ(fault_of(longer), HandoffFault::wrong_length);
}

// GUARANTEE of the header: the fault, too, does not depend on the slicing.
TEST(Handoff, AnySlicingOfAnyOctetsGivesTheSame) {
    std::mt19937 random(11);
    const std::string text = record(full_handoff(), "Subject: a\r\n\r\nHello\r\n");
    for (int round = 0; round < 3000; ++round) {
        std::string other = text;
        const int edits = static_cast<int>(random() % 3);
        for (int edit = 0; edit < edits; ++edit) {
            const std::size_t at = random() % other.size();
            switch (random() % 4) {
                case 0: other[at] = static_cast<char>(random()); break;
                case 1: other.erase(at, random() % 9); break;
                case 2: other.insert(at, "\n"); break;
                default: other.insert(at, other.substr(at / 2, random() % 40));
            }
        }
        const Read whole = read(other, random, 0);
        const Read pieces = read(other, random, 1 + random() % 90);
        EXPECT_EQ(whole.fault, pieces.fault) << other;
        EXPECT_EQ(whole.body, pieces.body) << other;
        if (whole.fault == HandoffFault::none) {
            EXPECT_EQ(whole.handoff, pieces.handoff);
        }
    }
}

TEST(Handoff, FaultsHaveTheirNames) {
    EXPECT_EQ(fault_of(""), HandoffFault::no_end);
    EXPECT_EQ(fault_of("From: a\n\n"), HandoffFault::not_a_record);
    EXPECT_EQ(fault_of("posthorn-handoff 2\n"), HandoffFault::other_version);
    EXPECT_EQ(fault_of("posthorn-handoff 17\n"), HandoffFault::other_version);
    EXPECT_EQ(fault_of("posthorn-handoff 1\nuser: 1 a\n\nbody"), HandoffFault::no_recipients);
    for (const char* line : {"no colon", ":", "user: x a", "user: 4294967296 a", "user:1 a", "process: 1 a b", "sender: a@b",
                             "sender: <a b>", "sender: <", "body: BINARYMIME", "return: x", "envid: +4", "recipient: ",
                             "recipient: a", "recipient: a 16 -", "recipient: a 1 ", "recipient: a 1 x=y", "name: a\rb"})
        EXPECT_EQ(fault_of("posthorn-handoff 1\n" + std::string(line) + "\nrecipient: a 0 -\n\n"), HandoffFault::bad_line) << line;
    std::string endless(kHandoffMagic);
    endless.append(kMaxHandoffHead, 'a');
    EXPECT_EQ(fault_of(endless), HandoffFault::head_too_long);
}

// A newer program may say more.
TEST(Handoff, UnknownLinesAreSkipped) {
    std::string text = "posthorn-handoff 1\nweather: fine\nrecipient: a 0 -\n\n";
    Crc32 crc;
    crc.update(text);
    HandoffReader reader;
    EXPECT_EQ(reader.feed(text).fresh, "");
    EXPECT_TRUE(reader.has_head());
    EXPECT_EQ(reader.handoff().envelope.recipients.at(0).address, "a");
}

TEST(Handoff, TheChecksumIsThatOfGzip) {
    Crc32 crc;
    crc.update("123456789");
    EXPECT_EQ(crc.value(), 0xcbf43926U);
    Crc32 pieces;
    pieces.update("1234");
    pieces.update("");
    pieces.update("56789");
    EXPECT_EQ(pieces.value(), 0xcbf43926U);
}

TEST(Handoff, Names) {
    const std::string name = handoff_name(1763796840123456, 812, 0x9f86d081884c7d65);
    EXPECT_EQ(name, "00064429f41c8c40.812.9f86d081884c7d65");
    EXPECT_TRUE(is_handoff_name(name));
    EXPECT_TRUE(is_handoff_name(handoff_name(UINT64_MAX, UINT32_MAX, UINT64_MAX)));
    EXPECT_LT(handoff_name(999, 812, 5), handoff_name(1000, 1, 4));
    for (const char* bad : {"", ".", "..", "a/b", "A", "a b", ".a", "a\n", "\xc3\xbc"}) EXPECT_FALSE(is_handoff_name(bad)) << bad;
    EXPECT_FALSE(is_handoff_name(std::string(kMaxHandoffName + 1, 'a')));
    EXPECT_EQ(handoff_key(33, name), "33/" + name);
}

}  // namespace
}  // namespace posthorn::mail
