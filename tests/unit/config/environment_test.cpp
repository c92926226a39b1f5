// A configuration out of the environment alone (DO-16), and its tables beside those of a file.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "config/config.hpp"
#include "config/environment_tables.hpp"
#include "config/reference.hpp"

namespace posthorn::config {
namespace {

using Variables = std::vector<std::pair<std::string, std::string>>;
using smtp::server::ListenerAuth;
using smtp::server::ListenerTls;

const Variables kLeast = {{"POSTHORN_HOSTNAME", "mail.example.com"},
                          {"POSTHORN_DOMAINS", "example.com  Example.ORG"}};

Variables with(Variables more) {
    more.insert(more.begin(), kLeast.begin(), kLeast.end());
    return more;
}

Config good(const Variables& environment) {
    Loaded loaded = parse_environment(environment);
    for (const Mistake& mistake : loaded.mistakes) ADD_FAILURE() << mistake.to_string();
    for (const Mistake& warning : loaded.warnings) ADD_FAILURE() << warning.to_string();
    return loaded.config;
}

std::vector<std::string> mistakes_of(const Loaded& loaded) {
    std::vector<std::string> all;
    for (const Mistake& mistake : loaded.mistakes) all.push_back(mistake.to_string());
    return all;
}

TEST(Environment, TwoVariablesAreEnough) {
    const Config config = good(kLeast);
    EXPECT_EQ(config.hostname, "mail.example.com");
    ASSERT_EQ(config.auth.domains.size(), 2U);
    EXPECT_EQ(config.auth.domains[0].name, "example.com");
    EXPECT_EQ(config.auth.domains[0].key_directory, "/var/lib/posthorn/keys/example.com");
    EXPECT_EQ(config.auth.domains[1].name, "example.org");
    EXPECT_TRUE(config.auth.dkim.autogenerate);
    // DO-2: what is there unless something else is said trusts nobody but loopback.
    ASSERT_EQ(config.server.listeners.size(), 1U);
    EXPECT_EQ(config.server.listeners[0].name, "internal");
    EXPECT_EQ(config.server.listeners[0].address.to_string(), "0.0.0.0:2525");
    EXPECT_EQ(config.server.listeners[0].tls, ListenerTls::none);
    EXPECT_EQ(config.server.listeners[0].auth, ListenerAuth::none);
    EXPECT_EQ(config.server.relay.trusted_networks.size(), 2U);
}

TEST(Environment, WhatIsRequiredIsToldByTheNameOfItsVariable) {
    const auto mistakes = mistakes_of(parse_environment({}));
    ASSERT_EQ(mistakes.size(), 2U);
    EXPECT_EQ(mistakes[0],
              "environment variable POSTHORN_DOMAINS: not set; allowed: the domains that send, such as "
              "\"example.com example.org\": "
              "their mail is signed, and no other leaves");
    EXPECT_EQ(mistakes[1],
              "environment variable POSTHORN_HOSTNAME: hostname is missing; allowed: this server's name in "
              "DNS, fully qualified, such as "
              "\"mail.example.com\"");
    EXPECT_EQ(mistakes_of(parse_environment({{"POSTHORN_HOSTNAME", ""}, {"POSTHORN_DOMAINS", " "}})).size(),
              2U)
        << "compose writes ${NAME:-} as empty";
}

// One that was not meant to run without a file does not by chance: a daemon without these has no file to
// stand for.
TEST(Environment, StandsForAFileWhereItSaysWhoWeAre) {
    EXPECT_FALSE(stands_for_a_file({}));
    EXPECT_FALSE(stands_for_a_file({{"POSTHORN_LOG_LEVEL", "debug"}, {"POSTHORN_CONFIG", "x"}}));
    EXPECT_TRUE(stands_for_a_file({{"POSTHORN_HOSTNAME", ""}}));
    EXPECT_TRUE(stands_for_a_file({{"POSTHORN_DOMAINS_FILE", "/run/secrets/domains"}}));
}

// DO-2, DO-8: one port that may trust a network, two that never do.
TEST(Environment, ListenersByTheirNames) {
    const Config config = good(with({{"POSTHORN_LISTENERS", "internal, submission submissions"},
                                     {"POSTHORN_TLS_SELF_SIGNED", "true"},
                                     {"POSTHORN_AUTH_USERS_FILE", "/run/secrets/users"}}));
    ASSERT_EQ(config.server.listeners.size(), 3U);
    EXPECT_EQ(config.server.listeners[1].address.to_string(), "0.0.0.0:2587");
    EXPECT_EQ(config.server.listeners[1].tls, ListenerTls::starttls);
    EXPECT_EQ(config.server.listeners[1].auth, ListenerAuth::required);
    EXPECT_EQ(config.server.listeners[2].address.to_string(), "0.0.0.0:2465");
    EXPECT_EQ(config.server.listeners[2].tls, ListenerTls::implicit);
    EXPECT_EQ(config.server.listeners[2].auth, ListenerAuth::required);
    EXPECT_EQ(config.auth.credentials.users_file, "/run/secrets/users");

    EXPECT_TRUE(good(with({{"POSTHORN_LISTENERS", "none"}})).server.listeners.empty());
    const auto mistakes = mistakes_of(parse_environment(with({{"POSTHORN_LISTENERS", "submission"}})));
    ASSERT_EQ(mistakes.size(), 1U);
    EXPECT_TRUE(
        mistakes[0].starts_with("environment variable POSTHORN_LISTENERS: the listener 0.0.0.0:2587 offers "
                                "TLS (starttls), but there is no "
                                "certificate"))
        << mistakes[0];
    const auto slips = mistakes_of(parse_environment(with({{"POSTHORN_LISTENERS", "smtp"}})));
    ASSERT_EQ(slips.size(), 1U);
    EXPECT_TRUE(
        slips[0].starts_with("environment variable POSTHORN_LISTENERS: has \"smtp\"; allowed: \"internal\""))
        << slips[0];
    const auto both = mistakes_of(parse_environment(with({{"POSTHORN_LISTENERS", "none internal"}})));
    ASSERT_EQ(both.size(), 1U) << "no port is opened beside a none";
    EXPECT_TRUE(both[0].starts_with("environment variable POSTHORN_LISTENERS: has \"none\"; allowed: "))
        << both[0];
}

// DO-9: one directory each, so that what is mounted into a container says which site it is.
TEST(Environment, SitesHaveDirectoriesOfTheirOwn) {
    const Config config =
        good(with({{"POSTHORN_LOCAL_SOCKET", "/run/posthorn/submission.sock"},
                   {"POSTHORN_ADMIN_SOCKET", "/var/lib/posthorn/admin.sock"},
                   {"POSTHORN_SITES", "shop=shop.example.com blog=example.org,www.example.com"}}));
    ASSERT_EQ(config.intake.sites.size(), 2U);
    EXPECT_EQ(config.intake.sites[0].name, "shop");
    EXPECT_EQ(config.intake.sites[0].socket, "/run/posthorn/shop/submission.sock");
    EXPECT_EQ(config.intake.sites[0].spool, "/run/posthorn/shop/spool");
    EXPECT_EQ(config.intake.sites[1].domains, (std::vector<std::string>{"example.org", "www.example.com"}));
    for (const char* wrong : {"shop", "shop=", "=example.com", "../x=example.com", ".=example.com"}) {
        const auto mistakes = mistakes_of(parse_environment(with({{"POSTHORN_SITES", wrong}})));
        ASSERT_EQ(mistakes.size(), 1U) << wrong;
        EXPECT_NE(mistakes[0].find("such as \"shop=shop.example.com blog=example.org,example.net\""),
                  std::string::npos)
            << mistakes[0];
    }
    for (const char* name : {"spool", "submission.sock", "admin.sock"}) {
        const auto taken =
            mistakes_of(parse_environment(with({{"POSTHORN_LOCAL_SOCKET", "/run/posthorn/submission.sock"},
                                                {"POSTHORN_LOCAL_SPOOL", "/run/posthorn/spool"},
                                                {"POSTHORN_ADMIN_SOCKET", "/run/posthorn/admin.sock"},
                                                {"POSTHORN_SITES", std::string(name) + "=example.com"}})));
        ASSERT_EQ(taken.size(), 1U) << name;
        EXPECT_NE(taken[0].find("which is not a site's"), std::string::npos) << taken[0];
    }
    const auto foreign = mistakes_of(parse_environment(with({{"POSTHORN_SITES", "shop=example.net"}})));
    ASSERT_EQ(foreign.size(), 1U);
    EXPECT_NE(foreign[0].find("POSTHORN_SITES: site.domains has \"example.net\", which no [[domain]] covers"),
              std::string::npos)
        << foreign[0];
}

TEST(Environment, ARelayTakesAllMail) {
    const std::string path = testing::TempDir() + "posthorn-relay-" + std::to_string(::getpid());
    std::ofstream(path) << "correct horse\n";
    const Config config = good(with({{"POSTHORN_RELAYHOST", "smtp.example.net:587"},
                                     {"POSTHORN_RELAYHOST_USER", "posthorn"},
                                     {"POSTHORN_RELAYHOST_PASSWORD_FILE", path}}));
    std::remove(path.c_str());
    ASSERT_EQ(config.delivery.relays.size(), 1U);
    EXPECT_EQ(config.delivery.relays[0].name, "relayhost");
    EXPECT_EQ(config.delivery.relays[0].hosts.at(0).name, "smtp.example.net");
    EXPECT_EQ(config.delivery.relays[0].hosts.at(0).port, 587);
    EXPECT_EQ(config.delivery.relays[0].user, "posthorn");
    EXPECT_EQ(config.delivery.relays[0].password, "correct horse");
    ASSERT_EQ(config.delivery.routes.size(), 1U);
    EXPECT_EQ(config.delivery.routes[0].recipients, std::vector<std::string>{"*"});
    EXPECT_EQ(config.delivery.routes[0].to, "relayhost");
    EXPECT_EQ(show(config).find("correct horse"), std::string::npos);
    EXPECT_TRUE(good(with({{"POSTHORN_RELAYHOST", ""}})).delivery.relays.empty());
    EXPECT_EQ(mistakes_of(parse_environment(with({{"POSTHORN_RELAYHOST", "smtp.example.net:x"}}))).size(),
              1U);
}

TEST(Environment, EveryTableMayComeByAFile) {
    const std::string path = testing::TempDir() + "posthorn-domains-" + std::to_string(::getpid());
    std::ofstream(path) << "example.com\nexample.org\n";
    const Config config = good({{"POSTHORN_HOSTNAME", "mail.example.com"}, {"POSTHORN_DOMAINS_FILE", path}});
    std::remove(path.c_str());
    EXPECT_EQ(config.auth.domains.size(), 2U);
    const auto mistakes = mistakes_of(
        parse_environment({{"POSTHORN_HOSTNAME", "mail.example.com"}, {"POSTHORN_DOMAINS_FILE", path}}));
    ASSERT_EQ(mistakes.size(), 1U);
    EXPECT_NE(mistakes[0].find("environment variable POSTHORN_DOMAINS_FILE: cannot read the file"),
              std::string::npos)
        << mistakes[0];
    for (const TableVariable& variable : table_variables()) {
        EXPECT_TRUE(is_table_variable(variable.name));
        EXPECT_TRUE(is_table_variable(std::string(variable.name) + "_FILE"));
        EXPECT_NE(reference_markdown().find("`" + std::string(variable.name) + "`"), std::string::npos)
            << variable.name;
    }
}

// DO-16: with both, the environment's listeners count, and domains of the file keep what the file says of
// them.
TEST(Environment, BesideAFile) {
    const std::string file = R"(
hostname = "mail.example.com"
[[listener]]
address = "127.0.0.1:25"
[[domain]]
name = "example.com"
dkim = [{ selector = "m1", key_file = "keys/m1.pem" }]
)";
    const Loaded plain =
        parse(file, "/etc/posthorn/posthorn.toml", {{"POSTHORN_DOMAINS", "example.com example.org"}});
    EXPECT_TRUE(mistakes_of(plain).empty());
    ASSERT_EQ(plain.config.auth.domains.size(), 2U);
    EXPECT_TRUE(plain.config.auth.domains[0].key_directory.empty());
    EXPECT_EQ(plain.config.auth.domains[0].keys.size(), 1U);
    EXPECT_EQ(plain.config.auth.domains[1].key_directory, "/var/lib/posthorn/keys/example.org");
    ASSERT_EQ(plain.config.server.listeners.size(), 1U);
    EXPECT_EQ(plain.config.server.listeners[0].address.port, 25);
    const Loaded other = parse(file, "/etc/posthorn/posthorn.toml", {{"POSTHORN_LISTENERS", "internal"}});
    EXPECT_TRUE(mistakes_of(other).empty());
    ASSERT_EQ(other.config.server.listeners.size(), 1U);
    EXPECT_EQ(other.config.server.listeners[0].address.port, 2525);
}

// The sendmail program in the same container has variables of its own.
TEST(Environment, SendmailsVariablesAreNoSlips) {
    good(with(
        {{"POSTHORN_ADMIN", "/var/lib/posthorn/admin.sock"}, {"POSTHORN_SPOOL", "/run/posthorn/spool"}}));
    const Loaded loaded = parse_environment(with({{"POSTHORN_DOMAIN", "example.com"}}));
    ASSERT_EQ(loaded.warnings.size(), 1U);
    EXPECT_NE(loaded.warnings[0].to_string().find("did you mean POSTHORN_DOMAINS?"), std::string::npos)
        << loaded.warnings[0].to_string();
}

}  // namespace
}  // namespace posthorn::config
