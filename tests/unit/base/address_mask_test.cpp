// Addresses in log lines: what is hidden, what stays, and that a hash is SipHash.
#include "base/address_mask.hpp"

#include <gtest/gtest.h>

namespace posthorn {
namespace {

constexpr MaskKey kKey{1, 2};

std::string masked(std::string_view text) {
    return mask_addresses(text, AddressForm::masked, kKey);
}
std::string hashed(std::string_view text) {
    return mask_addresses(text, AddressForm::hash, kKey);
}

TEST(AddressMask, TheLocalPartGoesAndTheDomainStays) {
    EXPECT_EQ(masked("alice@example.com"), "a***@example.com");
    EXPECT_EQ(masked("<alice@example.com>,<bob.b@sub.example.org>"),
              "<a***@example.com>,<b***@sub.example.org>");
    EXPECT_EQ(masked("a@example.com"), "***@example.com") << "one letter is all of it";
    EXPECT_EQ(masked("ärger@bücher.example"), "ä***@bücher.example");
    EXPECT_EQ(masked("x@[192.0.2.1]"), "***@[192.0.2.1]");
}

// What a peer says, what a program says: the address is somewhere in the middle.
TEST(AddressMask, WithinWords) {
    EXPECT_EQ(masked("550 5.1.1 The email account alice.b+tag@gmail.com does not exist"),
              "550 5.1.1 The email account a***@gmail.com does not exist");
    EXPECT_EQ(masked("rfc822;bob@example.com"), "rfc822;b***@example.com");
    EXPECT_EQ(masked("\"Éva K\"@example.com said"), "***@example.com said");
    EXPECT_EQ(masked("\"a \\\" b\"@example.com"), "***@example.com");
    EXPECT_EQ(masked("bounce+bob=example.org@list.example"), "b***@list.example")
        << "a VERP sender has the recipient in it";
    EXPECT_EQ(masked("alice@one.example@two.example"), "a***@o***@two.example") << "rather too much";
}

TEST(AddressMask, WhatIsNoAddressStays) {
    for (const char* text :
         {"", "@", "@example.com", "alice@", "alice @ example.com", "no address here", "<>"})
        EXPECT_EQ(masked(text), text);
    EXPECT_EQ(mask_addresses("alice@example.com", AddressForm::full, kKey), "alice@example.com");
}

TEST(AddressMask, AHashIsTheSameForTheSameAddressAndKey) {
    const std::string one = hashed("alice@example.com");
    EXPECT_EQ(one.size(), std::string("#0123456789abcdef@example.com").size());
    EXPECT_TRUE(one.starts_with("#") && one.ends_with("@example.com"));
    EXPECT_EQ(hashed("to <Alice@Example.COM>"), "to <" + one.substr(0, 17) + "@Example.COM>");
    EXPECT_NE(hashed("alicf@example.com").substr(0, 17), one.substr(0, 17));
    EXPECT_NE(hashed("alice@example.org").substr(0, 17), one.substr(0, 17));
    EXPECT_NE(mask_addresses("alice@example.com", AddressForm::hash, {1, 3}), one);
    EXPECT_NE(mask_key_of("one"), mask_key_of("two"));
}

// The paper's appendix A, and the first vectors of its reference program: key 00 01 .. 0f, octets 00 01 ...
TEST(AddressMask, SipHashIsThePapers) {
    const MaskKey key{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
    std::string octets;
    for (char c = 0; c < 15; ++c) octets += c;
    EXPECT_EQ(sip_hash(octets, key), 0xa129ca6149be45e5U);
    EXPECT_EQ(sip_hash("", key), 0x726fdb47dd0e0e31U);
    EXPECT_EQ(sip_hash(std::string(1, '\0'), key), 0x74f839c593dc67fdU);
}

}  // namespace
}  // namespace posthorn
