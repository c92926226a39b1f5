// Tests of mail/organisational_domain.hpp.
#include "mail/organisational_domain.hpp"

#include <gtest/gtest.h>

namespace posthorn::mail {
namespace {

TEST(OrganisationalDomain, IsWhatLiesOneLabelBelowAPublicSuffix) {  // RFC 7489 s3.2
    EXPECT_EQ(organisational_domain("example.com"), "example.com");
    EXPECT_EQ(organisational_domain("a.b.news.example.com"), "example.com");
    EXPECT_EQ(organisational_domain("mail.example.co.uk"), "example.co.uk");
    EXPECT_EQ(organisational_domain("shop.example.co.jp"), "example.co.jp");
    EXPECT_EQ(organisational_domain("www.xn--bcher-kva.de"), "xn--bcher-kva.de");
}

// A top level that the list does not know counts as a public suffix (its rule "*").
TEST(OrganisationalDomain, UnknownTopLevels) { EXPECT_EQ(organisational_domain("mx.gone.test"), "gone.test"); }

TEST(OrganisationalDomain, WhatHasNoneIsItself) {
    EXPECT_EQ(organisational_domain("co.uk"), "co.uk");
    EXPECT_EQ(organisational_domain("localhost"), "localhost");
    EXPECT_EQ(organisational_domain("[192.0.2.1]"), "[192.0.2.1]");
    EXPECT_EQ(organisational_domain(""), "");
}

}  // namespace
}  // namespace posthorn::mail
