// Whose files a command of root's leaves to the daemon's user.
#include "app/ownership.hpp"

#include <gtest/gtest.h>

namespace posthorn::app {
namespace {

TEST(Ownership, CertbotsFilesAreCopied) {
    const auto commands = certbot_commands("/etc/letsencrypt/live/mail.example.com/privkey.pem");
    ASSERT_EQ(commands.size(), 2U);
    EXPECT_EQ(commands[0], "certbot renew --cert-name mail.example.com --force-renewal --deploy-hook /usr/lib/posthorn/certbot-deploy-hook");
    EXPECT_EQ(commands[1], "posthorn setup --users --certificate /etc/posthorn/tls/mail.example.com/fullchain.pem");
    EXPECT_TRUE(certbot_commands("/etc/posthorn/tls/mail.example.com/privkey.pem").empty());
    EXPECT_TRUE(certbot_commands("privkey.pem").empty());
}

}  // namespace
}  // namespace posthorn::app
