// What the import makes of relays, transports, tables, users and limits: one case for each rule.
#include <gtest/gtest.h>

#include <algorithm>

#include "config/config.hpp"
#include "migration/dovecot.hpp"
#include "migration/drain.hpp"
#include "migration/lookup_table.hpp"
#include "migration/master_cf.hpp"
#include "migration/migration.hpp"
#include "migration/opendkim.hpp"
#include "unit/migration/file_tree.hpp"

namespace posthorn::migration {
namespace {

constexpr const char* kBase =
    "compatibility_level = 3.6\nmyhostname = mail.example.com\nmydomain = example.com\nmyorigin = "
    "$mydomain\nsmtp_tls_security_level = may\n";

struct Import {
    test::FileTree tree;
    Migration made;
    config::Config config;
};

Import import(const std::string& main_cf, std::map<std::string, std::string> files = {},
              const std::string& opendkim = "") {
    Import result;
    result.tree.texts = std::move(files);
    result.tree.texts["/etc/postfix/main.cf"] = kBase + main_cf;
    result.tree.texts.try_emplace("/etc/postfix/master.cf", "smtp inet n - y - - smtpd\n");
    if (!opendkim.empty()) result.tree.texts["/etc/opendkim.conf"] = opendkim;
    Sources sources;
    sources.machine = {"web3", false};
    const auto made = plan(result.tree, sources);
    EXPECT_TRUE(made) << (made ? "" : made.error().what);
    if (!made) return result;
    result.made = *made;
    const config::Loaded loaded = config::parse(result.made.toml, "/etc/posthorn/posthorn.toml", {});
    EXPECT_TRUE(loaded.mistakes.empty())
        << result.made.toml << (loaded.mistakes.empty() ? "" : loaded.mistakes.front().to_string());
    result.config = loaded.config;
    return result;
}

bool says(const std::vector<Note>& notes, const std::string& subject, const std::string& words = "") {
    return std::any_of(notes.begin(), notes.end(), [&](const Note& n) {
        return n.subject == subject && n.words.find(words) != std::string::npos;
    });
}

TEST(Ways, RelayhostWithLogin) {
    const auto [tree, made, config] = import(
        "relayhost = [smtp.example.net]:587\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = "
        "hash:/etc/postfix/sasl_passwd\nsmtp_sasl_security_options = noanonymous\n",
        {{"/etc/postfix/sasl_passwd",
          "# who\n[smtp.example.net]:587 me@example.com:pass:word\n[other.example.net]:25  "
          "nobody:secret\n"}});
    ASSERT_EQ(config.delivery.relays.size(), 1U) << made.toml;
    const auto& relay = config.delivery.relays[0];
    EXPECT_EQ(relay.user, "me@example.com");
    EXPECT_EQ(relay.password_file, "/etc/posthorn/secrets/smtp.example.net.password");
    EXPECT_FALSE(relay.mx);
    EXPECT_NE(made.toml.find("/etc/postfix/sasl_passwd:2 smtp_sasl_password_maps"), std::string::npos)
        << made.toml;
    ASSERT_EQ(made.secrets.size(), 1U);
    EXPECT_EQ(made.secrets[0].content, "pass:word\n");
    EXPECT_EQ(made.toml.find("pass:word"), std::string::npos);
    ASSERT_EQ(config.delivery.routes.size(), 1U);
    EXPECT_TRUE(says(made.mistakes, "smtp_sasl_password_maps", "[other.example.net]:25"));
    EXPECT_NE(made.toml.find("tls = \"verified\""), std::string::npos)
        << made.toml;  // a password only for who proves his name
    EXPECT_TRUE(says(made.to_do, "relay", "certificate of smtp.example.net"));
    EXPECT_FALSE(says(made.not_carried, "smtp_sasl_security_options"));
}

TEST(Ways, RelayhostWithoutBracketsIsAnMxName) {
    const auto [tree, made, config] = import("relayhost = example.net\n");
    ASSERT_EQ(config.delivery.relays.size(), 1U);
    EXPECT_TRUE(config.delivery.relays[0].mx);
    EXPECT_NE(made.toml.find("host = \"example.net:25\""), std::string::npos) << made.toml;
    EXPECT_NE(made.toml.find("tls = \"opportunistic\""), std::string::npos);
}

TEST(Ways, TransportsBySpecificity) {
    const auto [tree, made, config] =
        import("transport_maps = hash:/etc/postfix/transport\n",
               {{"/etc/postfix/transport",
                 "* smtp:[out.example.net]\n.example.org smtp:[inner.example.org]:2525\nexample.org "
                 "relay:[mx.example.org]\n"
                 "direct.example :\nold.example error:5.1.1 gone\nbob@example.org "
                 "smtp:[x.example]\nlist.example mailman:\n"}});
    const auto& routes = config.delivery.routes;
    ASSERT_EQ(routes.size(), 4U) << made.toml;
    EXPECT_NE(made.toml.find("recipients = [\"example.org\"]"), std::string::npos);
    EXPECT_LT(made.toml.find("recipients = [\"example.org\"]"),
              made.toml.find("recipients = [\"*.example.org\"]"));
    EXPECT_LT(made.toml.find("recipients = [\"*.example.org\"]"), made.toml.find("recipients = [\"*\"]"));
    EXPECT_NE(made.toml.find("host = \"inner.example.org:2525\""), std::string::npos);
    EXPECT_TRUE(says(made.not_carried, "transport_maps", "old.example"));
    EXPECT_TRUE(says(made.not_carried, "transport_maps", "bob@example.org"));
    EXPECT_TRUE(says(made.not_carried, "transport_maps", "mailman"));
}

// transport(5): a null transport with a null next hop changes nothing, a transport alone goes to the recipient's MX hosts.
TEST(Ways, ANullTransportIsTheUsualWay) {
    const auto [tree, made, config] = import("relayhost = [out.example.net]\ntransport_maps = hash:/etc/postfix/transport\n",
                                             {{"/etc/postfix/transport", "usual.example :\nown.example smtp:\n* smtp:[other.example.net]\n"}});
    const auto way_of = [&](const std::string& domain) {
        for (const auto& route : config.delivery.routes)
            if (route.recipients == std::vector<std::string>{domain}) return route.to;
        return std::string("none");
    };
    EXPECT_EQ(way_of("usual.example"), "out.example.net") << made.toml;
    EXPECT_EQ(way_of("own.example"), "direct");
    EXPECT_EQ(way_of("*"), "other.example.net");
}

TEST(Ways, ACopyOfSmtpInMasterCfIsSmtp) {
    const auto [tree, made, config] =
        import("relayhost = [out.example.net]\ntransport_maps = hash:/etc/postfix/transport\n",
               {{"/etc/postfix/transport", "slow.example slow:\n"},
                {"/etc/postfix/master.cf",
                 "smtp inet n - y - - smtpd\nrelay unix - - y - - smtp -o syslog_name=postfix/$service_name\n"
                 "slow unix - - n - 1 smtp -o smtp_bind_address=192.0.2.9\n"}});
    EXPECT_FALSE(says(made.not_carried, "transport_maps", "slow"));
    EXPECT_NE(made.toml.find("recipients = [\"slow.example\"]"), std::string::npos) << made.toml;
    EXPECT_TRUE(says(made.not_carried, "master.cf", "slow: -o smtp_bind_address=192.0.2.9"));
    EXPECT_FALSE(says(made.not_carried, "master.cf", "syslog_name"));
}

// mime_header_checks is $header_checks where nobody sets it.
TEST(Values, ARowOfHeaderChecksIsToldOnce) {
    const auto [tree, made, config] =
        import("header_checks = regexp:/etc/postfix/header_checks\n", {{"/etc/postfix/header_checks", "/^Subject: x/ REJECT\n"}});
    EXPECT_TRUE(says(made.not_carried, "header_checks", "REJECT"));
    EXPECT_FALSE(says(made.not_carried, "mime_header_checks"));
}

TEST(Values, TheNameInEhloIsSmtpHeloName) {
    const auto [tree, made, config] = import("smtp_helo_name = out.example.com\n");
    EXPECT_EQ(config.hostname, "out.example.com");
    EXPECT_FALSE(says(made.not_carried, "alias_maps")) << "nobody set it";
    EXPECT_EQ(import("smtp_helo_name = $myhostname\n").config.hostname, "mail.example.com");
}

TEST(Ways, SenderDependentRelays) {
    const auto [tree, made, config] = import(
        "sender_dependent_relayhost_maps = inline:{ @example.com=[a.example.net]:587, "
        "alice@example.com=[b.example.net] }\n");
    EXPECT_NE(made.toml.find("senders = [\"example.com\"]"), std::string::npos) << made.toml;
    EXPECT_TRUE(says(made.not_carried, "sender_dependent_relayhost_maps", "alice@example.com"));
}

TEST(Ways, TlsPolicyOfADomainBecomesItsOwnRelay) {
    const auto [tree, made, config] = import("smtp_tls_policy_maps = texthash:/etc/postfix/tls_policy\n",
                                             {{"/etc/postfix/tls_policy",
                                               "partner.example encrypt\nbank.example secure "
                                               "match=nexthop\nany.example may\n.sub.example encrypt\n"}});
    EXPECT_NE(made.toml.find("host = \"partner.example:25\""), std::string::npos) << made.toml;
    EXPECT_NE(made.toml.find("tls = \"required\""), std::string::npos);
    EXPECT_NE(made.toml.find("recipients = [\"bank.example\"]"), std::string::npos);
    EXPECT_TRUE(says(made.not_needed, "smtp_tls_policy_maps", "any.example"));
    EXPECT_TRUE(says(made.not_carried, "smtp_tls_policy_maps", ".sub.example"));
}

TEST(Senders, SystemUsersBecomeSites) {
    const auto [tree, made, config] = import(
        "sender_canonical_maps = hash:/etc/postfix/sender_canonical\nsmtp_generic_maps = "
        "regexp:/etc/postfix/generic\n",
        {{"/etc/postfix/sender_canonical",
          "www-data wordpress@example.com\nhttpd@web3.localdomain wordpress@example.com\n@web3.localdomain "
          "@example.com\nalice@example.com a.smith@example.com\n"},
         {"/etc/postfix/generic", "/^(.*)@old\\.example$/ ${1}@example.com\n"}});
    ASSERT_EQ(config.intake.sites.size(), 1U) << made.toml;
    EXPECT_EQ(config.intake.sites[0].users, (std::vector<std::string>{"www-data", "httpd"}));
    EXPECT_TRUE(says(made.not_carried, "sender_canonical_maps", "alice@example.com"));
    EXPECT_TRUE(says(made.not_carried, "smtp_generic_maps", "old"));
    const auto& names = config.intake.local_domains;
    EXPECT_NE(std::find(names.begin(), names.end(), "web3.localdomain"), names.end());
    EXPECT_EQ(config.intake.qualify_domain, "example.com");
}

TEST(Senders, AliasesThatRunPrograms) {
    const auto [tree, made, config] =
        import("alias_maps = hash:/etc/mail/aliases\n",
               {{"/etc/mail/aliases", "root: admin@example.com\nlist: \"|/usr/bin/mailman post\"\n"}});
    EXPECT_TRUE(says(made.not_carried, "aliases", "list")) << made.toml;
    EXPECT_FALSE(says(made.to_do, "root"));
    EXPECT_NE(made.toml.find("aliases_file = \"/etc/mail/aliases\""), std::string::npos);
}

TEST(Doors, TrustedNetworksOpenPort25) {
    const auto [tree, made, config] = import(
        "inet_interfaces = all\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8 [::1]/128 192.0.2.16/29 "
        "10.0.0.0/8 hash:/etc/postfix/clients\n");
    ASSERT_EQ(config.server.relay.trusted_networks.size(), 3U) << made.toml;
    EXPECT_EQ(config.server.listeners.at(0).address.to_string(), "0.0.0.0:25");
    EXPECT_TRUE(says(made.mistakes, "mynetworks", "10.0.0.0/8"));
    EXPECT_TRUE(says(made.not_carried, "mynetworks", "hash:/etc/postfix/clients"));
}

TEST(Doors, SubmissionServicesAndTheirOverrides) {
    const auto [tree, made, config] = import(
        "smtpd_tls_cert_file = /etc/ssl/mail.pem\nsmtpd_tls_key_file = /etc/ssl/mail.key\nsmtpd_sasl_type = "
        "dovecot\nsmtpd_sasl_path = private/auth\nsmtpd_milters = inet:localhost:8891\n",
        {{"/etc/ssl/mail.pem", "x"},
         {"/etc/ssl/mail.key", "x"},
         {"/etc/postfix/master.cf",
          "smtp inet n - y - - smtpd\nsubmission inet n - y - - smtpd\n  -o smtpd_tls_security_level=encrypt "
          "-o smtpd_sasl_auth_enable=yes\n"
          "smtps inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes\n  -o smtpd_sasl_auth_enable=yes\n  -o "
          "smtpd_milters=\n127.0.0.1:10025 inet n - n - - smtpd\n  -o content_filter=none:\n"}});
    ASSERT_EQ(config.server.listeners.size(), 3U) << made.toml;
    EXPECT_EQ(config.server.listeners[1].address.port, 587);
    EXPECT_EQ(config.server.listeners[2].address.port, 465);
    EXPECT_EQ(config.server.listeners[2].tls, smtp::server::ListenerTls::implicit);
    EXPECT_TRUE(says(made.mistakes, "smtpd_milters", "smtps turns it off"));
    EXPECT_TRUE(says(made.not_carried, "master.cf", "content filter"));
}

// What spoke TLS alone does not become a port for plain text.
TEST(Doors, SmtpsWithoutACertificateIsLeftOut) {
    const std::string services = "smtp inet n - y - - smtpd\nsmtps inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes\n";
    const auto [tree, made, config] = import("", {{"/etc/postfix/master.cf", services}});
    ASSERT_EQ(config.server.listeners.size(), 1U) << made.toml;
    EXPECT_EQ(config.server.listeners[0].address.port, 25);
    for (const char* words : {"a certificate for mail.example.com", "  [tls]\n  certificate_file = ", "  [[listener]]\n  address = \"*:465\"\n  tls = \"implicit\"\n"})
        EXPECT_TRUE(says(made.to_do, "listener", words)) << words;
    const auto two = import("", {{"/etc/postfix/master.cf", services + "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"}});
    EXPECT_EQ(std::count_if(two.made.to_do.begin(), two.made.to_do.end(), [](const Note& n) { return n.words.find("  [tls]") != std::string::npos; }), 1);
    const auto with = import("smtpd_tls_cert_file = /etc/ssl/mail.pem\nsmtpd_tls_key_file = /etc/ssl/mail.key\n",
                             {{"/etc/ssl/mail.pem", "x"}, {"/etc/ssl/mail.key", "x"}, {"/etc/postfix/master.cf", services}});
    ASSERT_EQ(with.config.server.listeners.size(), 2U) << with.made.toml;
    EXPECT_EQ(with.config.server.listeners[1].tls, smtp::server::ListenerTls::implicit);
}

// SD-54: as setup writes it.
TEST(Values, TheEditionOfTheConfiguration) {
    EXPECT_NE(import("").made.toml.find("\nconfig_version = 1\n"), std::string::npos);
}

TEST(Doors, SenderLoginsBecomeUsers) {
    const auto [tree, made, config] =
        import("smtpd_sender_login_maps = texthash:/etc/postfix/logins\n",
               {{"/etc/postfix/logins", "alice@example.com alice\n@example.org alice, bob\n"}});
    ASSERT_EQ(config.auth.accounts.size(), 2U) << made.toml;
    EXPECT_EQ(config.auth.accounts[0].senders,
              (std::vector<std::string>{"alice@example.com", "@example.org"}));
    EXPECT_TRUE(says(made.mistakes, "smtpd_sender_login_maps", "reject_sender_login_mismatch"));
}

TEST(Values, TimesSizesAndBounds) {
    const auto [tree, made, config] = import(
        "message_size_limit = 0\nmaximal_queue_lifetime = 3\nbounce_queue_lifetime = "
        "12h\nminimal_backoff_time = 300s\nmaximal_backoff_time = 2w\ndelay_warning_time = 4\n"
        "smtpd_recipient_limit = 10\nsmtp_destination_concurrency_limit = 3\nheader_checks = "
        "regexp:/etc/postfix/header_checks\n",
        {{"/etc/postfix/header_checks",
          "/^X-Mailer:/ IGNORE\n/^Subject: viagra/ REJECT\n/^Received:/ IGNORE\n"}});
    EXPECT_EQ(config.server.limits.max_message_size, std::size_t(1) << 30);
    EXPECT_EQ(config.queue.lifetime, std::chrono::hours(72));
    EXPECT_EQ(config.queue.dsn_lifetime, std::chrono::hours(12));
    EXPECT_EQ(config.retry.first, std::chrono::seconds(300));
    EXPECT_EQ(config.retry.max, std::chrono::hours(24));
    EXPECT_EQ(config.server.limits.max_recipients, 100U);
    EXPECT_EQ(config.delivery.connections_per_site, 3U);
    const auto& fields = config.intake.remove_fields;
    EXPECT_NE(std::find(fields.begin(), fields.end(), "X-Mailer"), fields.end()) << made.toml;
    EXPECT_TRUE(says(made.not_carried, "header_checks", "viagra"));
}

TEST(Mistakes, UnknownParametersAndOpenRelays) {
    const auto [tree, made, config] = import(
        "smtpd_tls_cert_fil = /x\nmy_own = 1\nmail_name = $my_own\nsmtpd_relay_restrictions = "
        "permit\nsoft_bounce = yes\nno equals sign\n");
    EXPECT_TRUE(says(made.mistakes, "smtpd_tls_cert_fil", "smtpd_tls_cert_file is probably meant"));
    EXPECT_FALSE(says(made.mistakes, "my_own"));
    EXPECT_TRUE(says(made.mistakes, "smtpd_relay_restrictions", "open relay"));
    EXPECT_TRUE(says(made.mistakes, "soft_bounce"));
    EXPECT_TRUE(says(made.mistakes, "main.cf", "has no \"=\""));
}

TEST(Dkim, KeysThatAreNamedButAbsent) {
    const auto [tree, made, config] = import(
        "",
        {{"/etc/opendkim/KeyTable", "a example.com:a:/etc/opendkim/a.private\nlost example.com:lost:/x\n"},
         {"/etc/opendkim/SigningTable", "*@example.com a\n*@example.org nokey\n"}},
        "KeyTable /etc/opendkim/KeyTable\nSigningTable /etc/opendkim/SigningTable\nMode v\nSocket "
        "inet:8891@localhost\n");
    EXPECT_TRUE(says(made.mistakes, "KeyTable",
                     "/etc/opendkim/a.private, the key of a._domainkey.example.com, does not exist"));
    EXPECT_TRUE(says(made.mistakes, "SigningTable", "nokey"));
    EXPECT_TRUE(says(made.mistakes, "KeyTable", "The key lost is named by no row"));
    EXPECT_TRUE(says(made.mistakes, "SigningTable", "not named as refile:"));
    EXPECT_TRUE(says(made.mistakes, "Mode", "only verifies"));
    EXPECT_TRUE(says(made.mistakes, "smtpd_milters", "does not ask OpenDKIM"));
    EXPECT_TRUE(says(made.to_do, "dkim", "posthorn dkim genkey"));
}

// Whoever is not root sees nothing of /etc/opendkim/keys, which does not mean that nothing is there.
TEST(Dkim, AKeyThatMayNotBeSeenIsNotAbsent) {
    test::FileTree tree;
    tree.texts = {{"/etc/postfix/main.cf", kBase},
                  {"/etc/postfix/master.cf", "smtp inet n - y - - smtpd\n"},
                  {"/etc/opendkim.conf", "Domain example.com\nSelector m1\nKeyFile /etc/opendkim/keys/m1.private\nMode s\n"},
                  {"/etc/opendkim/keys/m1.private", "x"}};
    tree.hidden = {"/etc/opendkim/keys"};
    const auto made = plan(tree, Sources());
    ASSERT_TRUE(made);
    EXPECT_FALSE(says(made->mistakes, "KeyTable", "does not exist"));
    EXPECT_FALSE(says(made->to_do, "dkim", "genkey"));
    EXPECT_TRUE(says(made->to_do, "dkim", "/etc/opendkim/keys/m1.private, the key of m1._domainkey.example.com, may not be read by this user"));
    EXPECT_EQ(made->keys.size(), 1U);
}

TEST(Dkim, OneKeyForEveryDomain) {
    const auto [tree, made, config] =
        import("smtpd_milters = inet:localhost:8891\nnon_smtpd_milters = $smtpd_milters\n", {},
               "Domain example.com, example.org\nSelector s1 # the only one\nKeyFile "
               "/etc/dkim/s1.key\nSocket inet:8891@localhost\n");
    ASSERT_EQ(config.auth.domains.size(), 2U) << made.toml;
    EXPECT_EQ(config.auth.domains[1].name, "example.org");
    EXPECT_EQ(config.auth.domains[1].keys.at(0).selector, "s1");
    EXPECT_EQ(made.keys[0].from, made.keys[1].from);
    EXPECT_FALSE(says(made.mistakes, "smtpd_milters"));
}

TEST(Dkim, TablesOfManyForms) {
    test::FileTree tree;
    tree.texts["/etc/opendkim.conf"] =
        "KeyTable file:/etc/k\nSigningTable csl:*@a.example=ka,b.example=kb\nInternalHosts 127.0.0.1, "
        "192.0.2.0/24\nInclude /etc/more.conf\n";
    tree.texts["/etc/more.conf"] = "Canonicalization relaxed\n";
    tree.texts["/etc/k"] = "ka\t%:sel:/keys/%.pem # comment\nkb b.example:sel:MIIB\nbroken\n";
    const auto dkim = read_opendkim("/etc/opendkim", tree);
    ASSERT_TRUE(dkim);
    ASSERT_EQ(dkim->keys.size(), 2U);
    EXPECT_EQ(dkim->keys[0].domain, "%");
    EXPECT_EQ(dkim->keys[0].file, "/keys/%.pem");
    EXPECT_TRUE(dkim->keys[1].file.empty());
    ASSERT_EQ(dkim->rules.size(), 2U);
    EXPECT_EQ(dkim->rules[1].key, "kb");
    EXPECT_EQ(dkim->trusted.size(), 2U);
    EXPECT_EQ(dkim->value("canonicalization"), "relaxed");
    EXPECT_EQ(dkim->faults.size(), 1U);
}

TEST(Tables, TextOfEachKind) {
    test::FileTree tree;
    tree.texts["/t"] = "# comment\nkey  value\n  goes on\n\nother\tx y\n";
    tree.texts["/r"] = "if /a/\n/^x:\\/\\/ y/i  RESULT text\nendif\n";
    const auto tables = read_tables({"hash:/t", "proxy:pcre:/r", "inline:{a=b, {c = d e}}", "static:all",
                                     "mysql:/etc/x.cf", "hash:/none"},
                                    tree, {"/etc/postfix/main.cf", 7});
    ASSERT_EQ(tables.size(), 6U);
    EXPECT_EQ(tables[0].entries.at(0).value, "value  goes on");
    EXPECT_EQ(tables[0].entries.at(1).origin, (Origin{"/t", 5}));
    EXPECT_EQ(tables[1].entries.at(0).key, "/^x:\\/\\/ y/i");
    EXPECT_EQ(tables[1].entries.at(0).value, "RESULT text");
    EXPECT_EQ(tables[2].entries.at(1).value, "d e");
    EXPECT_EQ(tables[3].kind, LookupTable::Kind::always);
    EXPECT_EQ(tables[4].kind, LookupTable::Kind::opaque);
    EXPECT_EQ(tables[5].problem, "does not exist");
}

TEST(DovecotFiles, IncludesBlocksAndUsers) {
    test::FileTree tree;
    tree.texts["/etc/dovecot/dovecot.conf"] = "!include conf.d/*.conf\n!include_try nothing.conf\n";
    tree.texts["/etc/dovecot/conf.d/10-auth.conf"] =
        "auth_mechanisms = plain \\\n  login # two\npassdb {\n  driver = passwd-file\n  args = scheme=CRYPT "
        "username_format=%u /etc/dovecot/users\n}\n";
    tree.texts["/etc/dovecot/conf.d/10-master.conf"] =
        "service auth {\n  unix_listener /run/dovecot/posthorn-auth {\n    mode = 0660\n  }\n  unix_listener "
        "\"auth-userdb\" {\n  }\n}\nservice imap {\n}\n";
    tree.texts["/etc/dovecot/users"] =
        "alice:{BLF-CRYPT}$2y$05$abc:1000::\nbob:$6$x$y\ncarol:{SSHA}xyz\ndave:{PLAIN}secret\n";
    const auto dovecot = read_dovecot("/etc/dovecot", tree);
    ASSERT_TRUE(dovecot);
    EXPECT_EQ(dovecot->find("auth_mechanisms")->value, "plain login");
    EXPECT_EQ(dovecot->sockets, (std::vector<std::string>{"/run/dovecot/posthorn-auth", "auth-userdb"}));
    ASSERT_NE(dovecot->find("service auth/unix_listener /run/dovecot/posthorn-auth/mode"), nullptr);
    ASSERT_EQ(dovecot->users.size(), 4U);
    EXPECT_EQ(dovecot->users[0].hash, "$2y$05$abc");
    EXPECT_EQ(dovecot->users[1].hash, "$6$x$y");
    EXPECT_TRUE(dovecot->users[2].hash.empty());
    EXPECT_EQ(dovecot->users[3].problem.find("secret"), std::string::npos);
}

TEST(Drain, TheConfigurationWithWhichPostfixHandsOver) {
    const std::string main = drain_main_cf(
        "relayhost = [old]\ntransport_maps = hash:$config_directory/transport\nalias_maps = "
        "hash:${config_directory}/aliases",
        "/etc/postfix", "[127.0.0.1]:25");
    const Parameters read(main, "/tmp/drain/main.cf", {});
    EXPECT_EQ(read.value("relayhost"), "[127.0.0.1]:25");
    EXPECT_EQ(read.value("transport_maps"), "");
    EXPECT_EQ(read.value("alias_maps"), "hash:/etc/postfix/aliases");
    EXPECT_EQ(read.value("soft_bounce"), "yes");
    const MasterCf master = parse_master_cf(
        drain_master_cf(
            "smtp inet n - y - - smtpd\n  -o x=y\nsmtp unix - - y - - smtp\n  -o relayhost=[elsewhere]\nslow "
            "unix - - n - 1 smtp -o smtp_bind_address=192.0.2.1\nqmgr unix n - n 300 1 qmgr\nsmtpd pass - - "
            "y - - smtpd\n"),
        "");
    ASSERT_EQ(master.services.size(), 3U);
    EXPECT_EQ(master.services[0].name, "smtp");
    EXPECT_TRUE(master.services[0].overrides.empty());
    EXPECT_TRUE(master.services[1].overrides.empty());
    EXPECT_EQ(master.services[2].command, "qmgr");
}

TEST(Drain, WhatPostqueueSays) {
    const QueueCount count = count_queue(
        "{\"queue_name\": \"deferred\", \"queue_id\": \"A\", \"recipients\": [{\"address\": \"a@b\", "
        "\"delay_reason\": \"refused\"}]}\n"
        "{\"queue_name\": \"hold\", \"queue_id\": \"B\", \"recipients\": []}\n{\"queue_name\": \"active\", "
        "\"queue_id\": \"C\", \"recipients\": []}\nnot json\n");
    EXPECT_EQ(count.total(), 3U);
    EXPECT_EQ(count.moving(), 1U);
    EXPECT_EQ(count.reasons.at("refused"), 1U);
}

}  // namespace
}  // namespace posthorn::migration
