// Each type of setting, the environment, relative paths, and the defaults.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "config/config.hpp"
#include "config/reference.hpp"
#include "config/schema.hpp"

namespace posthorn::config {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const std::string kMinimal = R"(
hostname = "mail.example.com"
[[listener]]
address = "127.0.0.1:2525"
auth = "none"
[[domain]]
name = "Example.COM"
dkim = [{ selector = "m1", key_file = "keys/m1.pem" }]
)";

Config good(const std::string& text, const std::vector<std::pair<std::string, std::string>>& environment = {},
            const std::string& file = "/etc/posthorn/posthorn.toml") {
    Loaded loaded = parse(text, file, environment);
    for (const Mistake& mistake : loaded.mistakes) {
        ADD_FAILURE() << mistake.to_string();
    }
    return loaded.config;
}

TEST(Parse, MinimalFileHasTheDefaultsOfTheStructs) {
    const Config config = good(kMinimal);
    const Config fresh;
    EXPECT_EQ(config.hostname, "mail.example.com");
    EXPECT_EQ(config.queue.lifetime, fresh.queue.lifetime);
    EXPECT_EQ(config.retry.first, fresh.retry.first);
    EXPECT_EQ(config.delivery.port, 25);
    EXPECT_EQ(config.server.limits.max_message_size, fresh.server.limits.max_message_size);
    EXPECT_EQ(config.delivery.timeouts.end_of_data, minutes(10));
    EXPECT_EQ(config.queue.directory, "/var/lib/posthorn/queue");
    ASSERT_EQ(config.server.relay.trusted_networks.size(), 2U);
    EXPECT_EQ(config.server.relay.trusted_networks[0].to_string(), "127.0.0.0/8");
    EXPECT_EQ(config.server.relay.trusted_networks[1].to_string(), "::1/128");
    EXPECT_EQ(config.auth.domains.at(0).name, "example.com");
    EXPECT_EQ(config.auth.domains.at(0).unsigned_policy, auth::UnsignedPolicy::hold);
}

// Every default of the table lies within its own range and is read back as it is shown.
TEST(Parse, EveryDefaultIsAcceptedByItsOwnRange) {
    const Config fresh = defaults();
    std::string text = kMinimal;
    for (const Section& section : sections()) {
        if (section.name.empty()) {
            continue;
        }
        text += "[" + std::string(section.name) + "]\n";
        for (const Setting<Config>& setting : settings()) {
            if (setting.section == section.name) {
                text += std::string(setting.key) + " = " + setting.binding.show(fresh) + "\n";
            }
        }
    }
    EXPECT_EQ(show(good(text)), show(good(kMinimal)));
}

TEST(Parse, EveryTypeIsRead) {
    const Config config = good(kMinimal + R"(
unsigned_policy = "send-unsigned"
[[listener]]
address = "unix:/run/posthorn/submit.sock"
socket_mode = "0660"
name = "php"
[submission]
trusted_networks = ["127.0.0.0/8", "192.0.2.7/32"]
trust_unix_socket = false
[submission.limits]
max_message_size = "10MiB"
max_header_size = 65536
[tls]
certificate_file = "/etc/ssl/chain.pem"
key_file = "key.pem"
[auth]
success_cache = "0s"
[dkim]
body = "simple"
expire_after = "14d"
[queue]
lifetime = "100h"
[retry]
factor = 2
jitter = 0.1
strict_5xx = true
[dns]
servers = ["127.0.0.1", "[::1]:5353"]
[delivery]
port = 2525
tls = "required"
family = "v4"
[delivery.timeouts]
quit = "500ms"
[log]
level = "warning"
format = "json"
)");
    EXPECT_EQ(config.auth.domains.at(0).unsigned_policy, auth::UnsignedPolicy::send_unsigned);
    EXPECT_EQ(config.server.listeners.at(1).address.unix_path, "/run/posthorn/submit.sock");
    EXPECT_EQ(config.server.listeners.at(1).socket_mode, 0660U);
    EXPECT_EQ(config.server.listeners.at(1).name, "php");
    EXPECT_FALSE(config.server.relay.trust_unix_socket);
    EXPECT_EQ(config.server.relay.trusted_networks.at(1).to_string(), "192.0.2.7/32");
    EXPECT_EQ(config.server.limits.max_message_size, 10U * 1024 * 1024);
    EXPECT_EQ(config.server.limits.max_header_size, 65536U);
    EXPECT_EQ(config.server.tls.certificate_file, "/etc/ssl/chain.pem");
    EXPECT_EQ(config.server.tls.key_file, "/etc/posthorn/key.pem");
    EXPECT_EQ(config.auth.credentials.success_cache, seconds(0));
    EXPECT_EQ(config.auth.dkim.body, auth::Canonical::simple);
    EXPECT_EQ(config.auth.dkim.expire_after, hours(14 * 24));
    EXPECT_EQ(config.queue.lifetime, hours(100));
    EXPECT_EQ(config.retry.factor, 2.0);
    EXPECT_EQ(config.retry.jitter, 0.1);
    EXPECT_TRUE(config.retry.strict_5xx);
    EXPECT_EQ(config.dns.servers.at(0).port, 53);
    EXPECT_EQ(config.dns.servers.at(1).to_string(), "[::1]:5353");
    EXPECT_EQ(config.delivery.port, 2525);
    EXPECT_EQ(config.delivery.tls, delivery::TlsPolicy::required);
    EXPECT_EQ(config.delivery.family, delivery::IpFamily::v4);
    EXPECT_EQ(config.delivery.timeouts.quit, Duration(500));
    EXPECT_EQ(config.log.level, log::Level::warning);
    EXPECT_EQ(config.log.format, log::Format::json);
}

TEST(Parse, TlsOfAListenerDependsOnWhereItIs) {
    const std::string more = "[[listener]]\naddress = \"unix:/run/p.sock\"\n";
    const Config without = good(kMinimal + more);
    EXPECT_EQ(without.server.listeners.at(0).tls, smtp::server::ListenerTls::none);
    EXPECT_EQ(without.server.listeners.at(1).tls, smtp::server::ListenerTls::none);
    const Config with = good(kMinimal + more + "[tls]\ncertificate_file = \"c.pem\"\nkey_file = \"k.pem\"\n");
    EXPECT_EQ(with.server.listeners.at(0).tls, smtp::server::ListenerTls::starttls);
    EXPECT_EQ(with.server.listeners.at(1).tls, smtp::server::ListenerTls::none);
}

TEST(Parse, RelativePathsBeginAtTheFilesDirectory) {
    EXPECT_EQ(good(kMinimal).auth.domains.at(0).keys.at(0).key_file, "/etc/posthorn/keys/m1.pem");
    EXPECT_EQ(good(kMinimal, {}, "conf/p.toml").auth.domains.at(0).keys.at(0).key_file, "conf/keys/m1.pem");
    EXPECT_EQ(good("state_directory = \"state\"\n" + kMinimal).queue.directory, "/etc/posthorn/state/queue");
    EXPECT_EQ(good("state_directory = \"/a\"\n" + kMinimal + "[queue]\ndirectory = \"/b\"\n").queue.directory,
              "/b");
}

// A second daemon with a directory of its own takes nothing of the first one's, but nobody is left without a spool unawares.
TEST(Parse, AnotherStateDirectoryHasNoSpoolAndSaysSo) {
    const auto spool = [](const std::string& top, const std::string& end = "") {
        const Loaded loaded = parse(top + kMinimal + end, "p.toml", {});
        EXPECT_TRUE(loaded.mistakes.empty());
        return std::pair(loaded.config.intake.pickup.directory, loaded.warnings.empty() ? "" : loaded.warnings[0].to_string());
    };
    EXPECT_EQ(spool(""), std::pair(std::string("/var/spool/posthorn"), std::string()));
    EXPECT_EQ(spool("state_directory = \"/var/lib/posthorn\"\n"), spool(""));
    const auto [directory, warning] = spool("state_directory = \"/srv/posthorn\"\n");
    EXPECT_EQ(directory, "");
    EXPECT_TRUE(warning.starts_with("p.toml:1:")) << warning;
    EXPECT_NE(warning.find("set local.spool"), std::string::npos) << warning;
    EXPECT_EQ(spool("state_directory = \"/srv/posthorn\"\n", "[local]\nspool = \"\"\n").second, "");
    EXPECT_EQ(spool("state_directory = \"/srv/posthorn\"\n", "[local]\nspool = \"/srv/s\"\n"), std::pair(std::string("/srv/s"), std::string()));
    EXPECT_EQ(spool("state_directory = \"/srv/posthorn\"\n", "[admin]\nsocket = \"\"\n").second, "");   // no socket for programs
}

TEST(Environment, OverridesEveryTypeOfTheFile) {
    const Config config =
        good(kMinimal + "[delivery]\nport = 26\n", {{"HOME", "/root"},
                                                    {"POSTHORN_HOSTNAME", "other.example.com"},
                                                    {"POSTHORN_DELIVERY_PORT", "2525"},
                                                    {"POSTHORN_RETRY_FIRST", "90s"},
                                                    {"POSTHORN_RETRY_FACTOR", "1.5"},
                                                    {"POSTHORN_RETRY_STRICT_5XX", "true"},
                                                    {"POSTHORN_QUEUE_HOT_MEMORY", "1MiB"},
                                                    {"POSTHORN_DNS_SERVERS", "127.0.0.1:5353, [::1]"},
                                                    {"POSTHORN_DELIVERY_TIMEOUTS_CONNECT", "10s"},
                                                    {"POSTHORN_ADMIN_SOCKET_MODE", "0660"},
                                                    {"POSTHORN_TLS_CERTIFICATE_FILE", "c.pem"},
                                                    {"POSTHORN_TLS_KEY_FILE", "k.pem"}});
    EXPECT_EQ(config.hostname, "other.example.com");
    EXPECT_EQ(config.delivery.port, 2525);
    EXPECT_EQ(config.retry.first, seconds(90));
    EXPECT_EQ(config.retry.factor, 1.5);
    EXPECT_TRUE(config.retry.strict_5xx);
    EXPECT_EQ(config.queue.hot_memory, 1024U * 1024);
    ASSERT_EQ(config.dns.servers.size(), 2U);
    EXPECT_EQ(config.dns.servers[1].to_string(), "[::1]:53");
    EXPECT_EQ(config.delivery.timeouts.connect, seconds(10));
    EXPECT_EQ(config.admin.socket_mode, 0660U);
    EXPECT_EQ(config.server.tls.certificate_file, "/etc/posthorn/c.pem");
}

TEST(Environment, FileVariableReadsTheValueFromAFile) {
    char path[] = "/tmp/posthorn-config-XXXXXX";
    const int descriptor = mkstemp(path);
    ASSERT_GE(descriptor, 0);
    close(descriptor);
    std::ofstream(path) << "secret.example.com\n";
    EXPECT_EQ(good(kMinimal, {{"POSTHORN_HOSTNAME_FILE", path}}).hostname, "secret.example.com");
    std::remove(path);
}

// SM-44.
TEST(Environment, RootAliasSaysWhoGetsRootsMail) {
    const std::vector<std::string> admin = {"admin@example.com"}, two = {"a@example.com", "b@example.com"};
    EXPECT_TRUE(good(kMinimal).intake.local.users_to.empty());
    EXPECT_EQ(good(kMinimal, {{"ROOT_ALIAS", "admin@example.com"}}).intake.local.users_to, admin);
    EXPECT_EQ(good(kMinimal + "[local]\nusers_to = [\"x@example.com\"]\n", {{"ROOT_ALIAS", "admin@example.com"}}).intake.local.users_to, admin);
    EXPECT_EQ(good(kMinimal, {{"ROOT_ALIAS", "x@example.com"}, {"POSTHORN_LOCAL_USERS_TO", "a@example.com, b@example.com"}})
                  .intake.local.users_to,
              two);
    const Loaded loaded = parse(kMinimal, "p.toml", {{"ROOT_ALIAS", "root"}});
    ASSERT_EQ(loaded.mistakes.size(), 1U);
    EXPECT_EQ(loaded.mistakes[0].to_string(),
              "environment variable ROOT_ALIAS: local.users_to has \"root\"; allowed: addresses with their domain, such as "
              "\"admin@example.com\"");
}

// Kubernetes sets POSTHORN_PORT and its kin for a service of that name: no reason not to start.
TEST(Environment, UnknownVariableIsAWarningWithAGuess) {
    const Loaded loaded =
        parse(kMinimal, "p.toml", {{"POSTHORN_HOSTNAEM", "x"}, {"POSTHORN_CONFIG", "/etc/p.toml"}});
    EXPECT_TRUE(loaded.mistakes.empty());
    ASSERT_EQ(loaded.warnings.size(), 1U);
    EXPECT_EQ(loaded.warnings[0].to_string(),
              "environment variable POSTHORN_HOSTNAEM: no setting has this name; it is not used; "
              "did you mean POSTHORN_HOSTNAME?");
}

TEST(Environment, NamesAreUniqueAndNoneIsAnothersFileForm) {
    std::map<std::string, int> names;
    for (const Setting<Config>& setting : settings()) {
        EXPECT_EQ(names[environment_name(setting.section, setting.key)]++, 0) << setting.key;
    }
    for (const auto& [name, unused] : names) {
        // Of a token the file's form is a setting as well, and means the same.
        if (name == "POSTHORN_ADMIN_TOKEN" || name == "POSTHORN_ADMIN_READ_ONLY_TOKEN") continue;
        EXPECT_FALSE(names.contains(name + "_FILE")) << name;
    }
}

TEST(Warnings, TimeoutsBelowThoseOfRfc5321AreAllowed) {
    const Loaded loaded = parse(
        kMinimal + "[delivery.timeouts]\nend_of_data = \"10s\"\n[retry]\nfirst = \"1s\"\n", "p.toml", {});
    EXPECT_TRUE(loaded.mistakes.empty());
    ASSERT_EQ(loaded.warnings.size(), 2U);
    EXPECT_EQ(loaded.warnings[0].to_string(),
              "p.toml:10:15: delivery.timeouts.end_of_data is 10s, less than the 10m of RFC 5321 "
              "section 4.5.3.2.6; use it for tests only");
    EXPECT_EQ(loaded.warnings[1].where, "p.toml:12:9");
}

// RFC 8314 s3.3: on port 465 TLS comes first. Who says nothing gets that; who says otherwise is warned.
TEST(Defaults, ThePortTellsTheKindOfTls) {
    const std::string rest = "auth = \"required\"\n[auth]\nusers_file = \"users\"\n[tls]\nself_signed = true\n";
    const auto with = [&](const std::string& listener) {
        return parse(kMinimal + "[[listener]]\naddress = \"*:" + listener + "\n" + rest, "p.toml", {});
    };
    EXPECT_EQ(with("465\"").config.server.listeners.back().tls, smtp::server::ListenerTls::implicit);
    EXPECT_EQ(with("587\"").config.server.listeners.back().tls, smtp::server::ListenerTls::starttls);
    EXPECT_TRUE(with("465\"").warnings.empty());
    const Loaded crossed = with("465\"\ntls = \"starttls\"");
    EXPECT_TRUE(crossed.mistakes.empty());
    ASSERT_EQ(crossed.warnings.size(), 1U);
    EXPECT_NE(crossed.warnings[0].to_string().find("has tls = \"starttls\", but programs expect TLS from the first octet on port 465, "
                                                   "and hang; set tls = \"implicit\""),
              std::string::npos)
        << crossed.warnings[0].to_string();
    EXPECT_EQ(with("587\"\ntls = \"implicit\"").warnings.size(), 1U);
}

// RFC 8314 s3.3, on the way out: the two kinds of TLS wait for each other until the time is over.
TEST(Warnings, ARelaysPortAndItsKindOfTls) {
    const auto with = [&](const std::string& port, const std::string& tls) {
        return parse(kMinimal + "[[relay]]\nname = \"isp\"\nhost = \"smtp.example.net" + port + "\"\ntls = \"" + tls +
                         "\"\n[[route]]\nto = \"isp\"\n",
                     "p.toml", {});
    };
    for (const auto& [port, tls] : {std::pair(":465", "implicit"), {":465", "auto"}, {":587", "verified"}, {":587", "auto"},
                                    {"", "implicit"}, {"", "verified"}, {":2525", "implicit"}})
        EXPECT_TRUE(with(port, tls).warnings.empty()) << port << tls;
    for (const auto& [port, tls, words] :
         {std::tuple(":465", "verified", "has tls = \"verified\", but servers expect TLS from the first octet on port 465, and nothing "
                                         "gets through; set tls = \"implicit\""),
          {":465", "required", "set tls = \"implicit\""},
          {":587", "implicit", "has tls = \"implicit\", but servers expect STARTTLS on port 587"}}) {
        const Loaded loaded = with(port, tls);
        EXPECT_TRUE(loaded.mistakes.empty());
        ASSERT_EQ(loaded.warnings.size(), 1U) << port << tls;
        EXPECT_NE(loaded.warnings[0].to_string().find(words), std::string::npos) << loaded.warnings[0].to_string();
    }
}

TEST(Warnings, ARouteThatIsNeverReached) {
    const std::string isp = "[[relay]]\nname = \"isp\"\nhost = \"smtp.example.net\"\n[[route]]\nto = \"isp\"\n";
    const auto with = [&](const std::string& first, const std::string& second) {
        return parse(kMinimal + isp + first + "\n[[route]]\nto = \"direct\"\n" + second + "\n", "p.toml", {});
    };
    const std::string shop = "senders = [\"shop.example\"]";
    const std::string both = "senders = [\"shop.example\", \"b.example\"]";
    for (const auto& [first, second] : {std::pair(shop, std::string()), {shop, both}, {shop, std::string("recipients = [\"shop.example\"]")},
                                        {shop + "\nproviders = [\"google\"]", shop}})
        EXPECT_TRUE(with(first, second).warnings.empty()) << first << second;
    for (const auto& [first, second, words] :
         {std::tuple(std::string(), shop, "[[route]] 1 before it holds for all mail"),
          {std::string("recipients = [\"*\"]"), shop, "[[route]] 1 before it holds for all that it holds for"},
          {both, shop, "holds for all that it holds for"},
          {shop, shop + "\nproviders = [\"google\"]", "holds for all that it holds for"}}) {
        const Loaded loaded = with(first, second);
        ASSERT_EQ(loaded.warnings.size(), 1U) << first << second;
        EXPECT_NE(loaded.warnings[0].to_string().find(words), std::string::npos) << loaded.warnings[0].to_string();
    }
}

// DA-1: AD is to be believed of a resolver on this machine, or on a network of our own.
TEST(Warnings, AnAdBitFromElsewhere) {
    const auto with = [&](const std::string& dns) { return parse(kMinimal + "[dns]\n" + dns, "p.toml", {}); };
    EXPECT_TRUE(with("trust_ad = true\n").warnings.empty());
    EXPECT_TRUE(with("trust_ad = true\nservers = [\"127.0.0.1\", \"[::1]:5353\"]\n").warnings.empty());
    EXPECT_TRUE(with("servers = [\"192.0.2.53\"]\n").warnings.empty());
    EXPECT_TRUE(with("trust_ad = true\nservers = [\"172.30.25.53\", \"[fd00::53]\"]\n").warnings.empty());
    const Loaded loaded = with("trust_ad = true\nservers = [\"127.0.0.1\", \"192.0.2.53\"]\n");
    ASSERT_EQ(loaded.warnings.size(), 1U);
    EXPECT_NE(loaded.warnings[0].to_string().find("the server 192.0.2.53:53 is not on this machine or on a private network"), std::string::npos)
        << loaded.warnings[0].to_string();
}

TEST(Warnings, DomainWithoutKeyWillBeHeld) {
    const Loaded loaded = parse(kMinimal + "[[domain]]\nname = \"other.example\"\n", "p.toml", {});
    EXPECT_TRUE(loaded.mistakes.empty());
    ASSERT_EQ(loaded.warnings.size(), 1U);
    EXPECT_EQ(loaded.warnings[0].where, "p.toml:9:1");
}

TEST(Mistakes, AreAllToldInTheOrderOfTheFile) {
    const Loaded loaded = parse("[log]\nlevel = 1\n[dns]\ntries = 0\n[delivery]\nport = 0\n", "p.toml",
                                {{"POSTHORN_LOG_FORMAT", "xml"}});
    std::vector<std::string> where;
    for (const Mistake& mistake : loaded.mistakes) {
        where.push_back(mistake.where);
    }
    EXPECT_EQ(where, (std::vector<std::string>{"p.toml", "p.toml:2:9", "p.toml:4:9", "p.toml:6:8",
                                               "environment variable POSTHORN_LOG_FORMAT"}));
}

// A web server whose own programs are all that sends.
TEST(Mistakes, ListenersAreNotNeededWhereThereIsALocalSocket) {
    const std::string text = "hostname = \"mail.example.com\"\n";
    EXPECT_TRUE(parse(text, "p.toml", {}).mistakes.empty());
    EXPECT_EQ(parse(text + "[admin]\nsocket = \"\"\n", "p.toml", {}).mistakes.size(), 1U);
    EXPECT_TRUE(parse(text + "[admin]\nsocket = \"\"\n[[site]]\nname = \"a\"\nsocket = \"/run/a.sock\"\n", "p.toml", {}).mistakes.empty());
}

TEST(Load, MissingFileSaysHowToNameAnother) {
    const Loaded loaded = load("/nonexistent/posthorn.toml");
    ASSERT_EQ(loaded.mistakes.size(), 1U);
    EXPECT_EQ(loaded.mistakes[0].to_string(),
              "/nonexistent/posthorn.toml: cannot be read: No such file or directory; name the file "
              "with --config or POSTHORN_CONFIG");
}

TEST(Load, ReadsAFileAndResolvesAgainstIt) {
    char directory[] = "/tmp/posthorn-config-XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    const std::string path = std::string(directory) + "/posthorn.toml";
    std::ofstream(path) << kMinimal;
    const Loaded loaded = load(path);
    EXPECT_TRUE(loaded.mistakes.empty());
    EXPECT_EQ(loaded.config.auth.domains.at(0).keys.at(0).key_file, std::string(directory) + "/keys/m1.pem");
    std::remove(path.c_str());
    rmdir(directory);
}

}  // namespace
}  // namespace posthorn::config
