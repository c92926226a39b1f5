// Organisational domains by the Public Suffix List.
#include "auth/organizational_domain.hpp"

#include <gtest/gtest.h>

namespace posthorn::auth {
namespace {

// RFC 7489 s3.2.
TEST(OrganizationalDomain, IsThePublicSuffixAndOneLabelMore) {
    EXPECT_EQ(organizational_domain("a.b.example.com"), "example.com");
    EXPECT_EQ(organizational_domain("example.com"), "example.com");
    EXPECT_EQ(organizational_domain("mail.example.co.uk"), "example.co.uk");
    EXPECT_EQ(organizational_domain("news.example.co.jp"), "example.co.jp");
    EXPECT_EQ(organizational_domain("a.city.kawasaki.jp"), "city.kawasaki.jp");   // an exception of the list
    EXPECT_EQ(organizational_domain("a.b.example.test"), "example.test");         // a suffix that is not listed has one label
}

TEST(OrganizationalDomain, TakesAnySpelling) {
    EXPECT_EQ(organizational_domain("News.Example.COM."), "example.com");
    EXPECT_EQ(organizational_domain("www.xn--bcher-kva.example"), "xn--bcher-kva.example");
}

TEST(OrganizationalDomain, WhatHasNoneIsItsOwn) {
    EXPECT_EQ(organizational_domain("co.uk"), "co.uk");
    EXPECT_EQ(organizational_domain("localhost"), "localhost");
    EXPECT_EQ(organizational_domain(""), "");
}

TEST(OrganizationalDomain, TellsWhoBelongsTogether) {
    EXPECT_TRUE(same_organization("bounce.example.com", "EXAMPLE.com"));
    EXPECT_FALSE(same_organization("a.co.uk", "b.co.uk"));
    EXPECT_FALSE(same_organization("", ""));
}

}  // namespace
}  // namespace posthorn::auth
