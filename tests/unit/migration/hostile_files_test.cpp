// Files of Postfix, OpenDKIM and Dovecot that would break a terminal, or take all memory, when they are read.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/text.hpp"
#include "config/config.hpp"
#include "migration/dovecot.hpp"
#include "migration/migration.hpp"
#include "migration/opendkim.hpp"
#include "migration/parameters.hpp"
#include "unit/migration/file_tree.hpp"

namespace posthorn::migration {
namespace {

// Octets of their files reach neither the terminal nor the text, whose comments may not have them.
TEST(HostileFiles, ControlsAreSpelledOut) {
    test::FileTree tree;
    tree.texts["/etc/postfix/main.cf"] =
        "myhostname = ma\x1b[31mil\xff.example.com\nsmtp_tls_CAfile = /etc/\x1b]0;x\x07.pem\nmyorigin = "
        "a\x1b.com\n"
        "smtp_sasl_password_maps = hash:/etc/\x1b[2J\nfoo_\x1b = 1\ntransport_maps = ldap:\xfe\x1b\n";
    tree.texts["/etc/postfix/master.cf"] = "smtp inet n - y - - smtpd\n";
    Sources sources;
    sources.machine = {"web3", false};
    const auto planned = plan(tree, sources);
    ASSERT_TRUE(planned);
    const Migration& made = *planned;
    EXPECT_EQ(made.toml.find('\x1b'), std::string::npos) << made.toml;
    EXPECT_TRUE(text::is_utf8(made.toml));
    EXPECT_TRUE(std::any_of(made.mistakes.begin(), made.mistakes.end(), [](const Note& note) {
        return note.words.find("\\x1b]0;x\\x07.pem does not exist") != std::string::npos;
    }));
    for (const auto* notes :
         {&made.carried, &made.not_carried, &made.not_needed, &made.mistakes, &made.to_do}) {
        for (const Note& note : *notes) {
            const std::string all = note.subject + note.words + note.origin.to_string();
            EXPECT_TRUE(text::is_utf8(all)) << note.subject;
            EXPECT_EQ(all.find_first_of("\x1b\x07"), std::string::npos) << note.subject << ": " << note.words;
        }
    }
}

// A quotation mark in a value does not end the string that it stands in.
TEST(HostileFiles, QuotesStayWithinTheirString) {
    test::FileTree tree;
    tree.texts["/etc/postfix/main.cf"] = "myhostname = mail.example.com\nmyorigin = /etc/m\"a\\il\n";
    tree.texts["/etc/postfix/master.cf"] = "smtp inet n - y - - smtpd\n";
    tree.texts["/etc/m\"a\\il"] = "example.com\n";
    const auto planned = plan(tree, Sources());
    ASSERT_TRUE(planned);
    EXPECT_TRUE(planned->blocked.empty()) << planned->toml;
    EXPECT_NE(planned->toml.find("mailname_file = \"/etc/m\\\"a\\\\il\""), std::string::npos)
        << planned->toml;
    EXPECT_EQ(
        config::parse(planned->toml, "/etc/posthorn/posthorn.toml", {}).config.intake.sender.mailname_file,
        "/etc/m\"a\\il");
}

// 2^39 names: no circle, and yet no value.
TEST(HostileFiles, ParametersThatDoubleEachOtherHaveABound) {
    std::string main_cf = "a0 = x\n";
    for (int i = 1; i < 40; ++i)
        main_cf +=
            "a" + std::to_string(i) + " = $a" + std::to_string(i - 1) + "$a" + std::to_string(i - 1) + "\n";
    const Parameters parameters(main_cf, "/etc/postfix/main.cf", {"web3", false});
    EXPECT_EQ(parameters.value("a10"), std::string(1024, 'x'));
    EXPECT_EQ(parameters.value("a39"), "$a38$a38");  // as what refers to itself
}

// Files that each include themselves thrice: 3^5 and 3^10 of them without a bound.
TEST(HostileFiles, FilesThatIncludeThemselvesHaveABound) {
    test::FileTree tree;
    tree.texts["/etc/dovecot/dovecot.conf"] =
        "x = y\n!include dovecot.conf\n!include dovecot.conf\n!include *.conf\n";
    const auto dovecot = read_dovecot("/etc/dovecot", tree);
    ASSERT_TRUE(dovecot);
    EXPECT_LT(dovecot->settings.size(), 2000U);
    std::string many = "Domain example.com\n";
    for (int i = 0; i < 8; ++i) many += "Include /etc/opendkim.conf\n";
    tree.texts["/etc/opendkim.conf"] = many;
    const auto opendkim = read_opendkim("/etc/opendkim.conf", tree);
    ASSERT_TRUE(opendkim);
    EXPECT_LT(opendkim->settings.size(), 2000U);
}

}  // namespace
}  // namespace posthorn::migration
