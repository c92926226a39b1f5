// Tests of app/sendmail/header_recipients.hpp: -t (SM-1).
#include "app/sendmail/header_recipients.hpp"

#include <gtest/gtest.h>

namespace posthorn::app::sendmail {
namespace {

using Addresses = std::vector<std::string>;

TEST(SendmailHeaderRecipients, ToCcBcc) {
    const HeaderRecipients taken = take_recipients(
        "Subject: x\r\nbcc: h@b,\r\n\ti@b\r\nTo: a@b, Anna <c@d>\r\nCC: grp: e@f;\r\nBcc : j@b\r\nFrom: me@b\r\nTo: root\r\n");
    EXPECT_EQ(taken.addresses, (Addresses{"a@b", "c@d", "root", "e@f", "h@b", "i@b", "j@b"}));
    EXPECT_EQ(taken.header, "Subject: x\r\nTo: a@b, Anna <c@d>\r\nCC: grp: e@f;\r\nFrom: me@b\r\nTo: root\r\n");
    EXPECT_TRUE(taken.unsound.empty());
}

// RFC 5322 s3.6.6: who sends it again sends it to the Resent- recipients.
TEST(SendmailHeaderRecipients, ResentOnesAlone) {
    const HeaderRecipients taken = take_recipients("Resent-To: a@b\r\nResent-Bcc: c@d\r\nTo: e@f\r\nBcc: g@h\r\n");
    EXPECT_EQ(taken.addresses, (Addresses{"a@b", "c@d"}));
    EXPECT_EQ(taken.header, "Resent-To: a@b\r\nTo: e@f\r\n");
}

TEST(SendmailHeaderRecipients, WhatIsNoAddressIsTold) {
    const HeaderRecipients taken = take_recipients("To: a@b, not an address, <c@d\r\nCc: undisclosed-recipients:;\r\n");
    EXPECT_EQ(taken.addresses, Addresses{"a@b"});
    EXPECT_EQ(taken.unsound.size(), 2U);
    EXPECT_TRUE(take_recipients("").addresses.empty());
}

TEST(SendmailHeaderRecipients, TheAuthor) {
    EXPECT_EQ(author_of("Subject: x\r\nFrom: WordPress <wordpress@example.com>\r\n"), "wordpress@example.com");
    EXPECT_EQ(author_of("From: ,\r\nSender: s@b\r\n"), "s@b");
    EXPECT_EQ(author_of("Subject: x\r\n"), "");
}

}  // namespace
}  // namespace posthorn::app::sendmail
