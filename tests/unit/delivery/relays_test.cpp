// What a [[relay]] becomes: ports, TLS, the password from its file, and a manner that tells relays apart.
#include "delivery/relays.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace posthorn::delivery {
namespace {

struct Loading {
    std::vector<std::string> problems, warnings;
    std::shared_ptr<const Relay> operator()(const RelayOptions& options) {
        return Relays::load({options}, problems, warnings)->find(options.name);
    }
};

RelayOptions isp(std::uint16_t port = 0, std::string user = {}) {
    RelayOptions options;
    options.name = "isp";
    options.hosts = {{"smtp.example.net", port, false}};
    options.user = std::move(user);
    if (!options.user.empty()) options.password = "secret";
    return options;
}

TEST(Relays, PortAndTlsGoTogether) {
    struct Row {
        const char* name;
        std::uint16_t port;
        const char* user;
        RelayTls wanted;
        std::uint16_t expected_port;
        RelayTls expected;
    };
    const Row table[] = {
        {"a neighbour without a login", 0, "", RelayTls::by_port, 25, RelayTls::opportunistic},
        {"a login", 0, "me", RelayTls::by_port, 587, RelayTls::verified},
        {"a login on 25", 25, "me", RelayTls::by_port, 25, RelayTls::verified},
        {"submission", 587, "", RelayTls::by_port, 587, RelayTls::verified},
        {"submissions", 465, "", RelayTls::by_port, 465, RelayTls::implicit},  // RFC 8314 s7.3
        {"submissions with a login", 465, "me", RelayTls::by_port, 465, RelayTls::implicit},
        {"implicit without a port", 0, "me", RelayTls::implicit, 465, RelayTls::implicit},
        {"as asked for", 2525, "", RelayTls::none, 2525, RelayTls::none},
        {"required", 587, "me", RelayTls::required, 587, RelayTls::required},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.name);
        RelayOptions options = isp(row.port, row.user);
        options.tls = row.wanted;
        Loading load;
        const auto relay = load(options);
        ASSERT_NE(relay, nullptr);
        EXPECT_EQ(relay->hosts.front().port, row.expected_port);
        EXPECT_EQ(relay->tls, row.expected);
        EXPECT_EQ(relay->site_key(), "relay:isp");
        EXPECT_EQ(relay->wants_login(), *row.user != '\0');
        EXPECT_TRUE(load.problems.empty());
    }
}

class PasswordFile : public ::testing::Test {
protected:
    PasswordFile() {
        char name[] = "/tmp/posthorn-relay-XXXXXX";
        directory_ = ::mkdtemp(name);
    }
    ~PasswordFile() override { std::filesystem::remove_all(directory_); }
    RelayOptions holding(const std::string& text, mode_t mode = 0600) {
        RelayOptions options = isp(587, "me");
        options.password.clear();
        options.password_file = directory_ + "/isp.password";
        std::ofstream(options.password_file) << text;
        ::chmod(options.password_file.c_str(), mode);
        return options;
    }
    std::string directory_;
};

TEST_F(PasswordFile, ItsFirstLineIsThePassword) {
    Loading load;
    EXPECT_EQ(load(holding("  se cret \r\nsecond line\n"))->login.password, "  se cret ");
    EXPECT_EQ(load(holding("no newline"))->login.password, "no newline");
    EXPECT_TRUE(load.problems.empty());
    EXPECT_TRUE(load.warnings.empty());
}

TEST_F(PasswordFile, OthersMayNotReadIt) {
    Loading load;
    EXPECT_EQ(load(holding("hush-hush", 0644))->login.password, "hush-hush");
    ASSERT_EQ(load.warnings.size(), 1U);
    EXPECT_NE(load.warnings[0].find("chmod"), std::string::npos);
    EXPECT_EQ(load.warnings[0].find("hush-hush"), std::string::npos);
}

TEST_F(PasswordFile, MissingOrEmptyIsAProblem) {
    Loading load;
    (void)load(holding("\n"));
    RelayOptions gone = isp(587, "me");
    gone.password.clear();
    gone.password_file = directory_ + "/nowhere";
    (void)load(gone);
    (void)load(holding(std::string("a\0b", 3)));
    ASSERT_EQ(load.problems.size(), 3U);
    EXPECT_NE(load.problems[0].find("first line"), std::string::npos);
    EXPECT_NE(load.problems[1].find("nowhere"), std::string::npos);
    EXPECT_NE(load.problems[2].find("NUL"), std::string::npos);
}

// A connection made with the old password must not carry mail after a reload with the new one.
TEST(Relays, EveryDifferenceIsAnotherManner) {
    Loading load;
    const RelayOptions base = isp(587, "me");
    std::vector<RelayOptions> others(6, base);
    others[0].password = "Secret";
    others[1].user = "you";
    others[2].hosts[0].port = 2587;
    others[3].tls = RelayTls::required;
    others[4].mx = true;
    others[5].mechanisms = {"PLAIN"};
    const std::string manner = load(base)->manner;
    EXPECT_EQ(load(base)->manner, manner);
    EXPECT_EQ(manner.find("secret"), std::string::npos);
    for (const RelayOptions& other : others) EXPECT_NE(load(other)->manner, manner);
}

// Where nobody listens on the way, a password may be said without TLS.
TEST(Relays, KnowWhetherTheyAreOnThisMachine) {
    Loading load;
    RelayOptions options = isp(25, "me");
    EXPECT_FALSE(load(options)->on_this_machine);
    options.hosts = {{"127.0.0.1", 25, true}, {"::1", 25, true}, {"localhost", 25, false}};
    EXPECT_TRUE(load(options)->on_this_machine);
    options.hosts.push_back({"192.0.2.1", 25, true});
    EXPECT_FALSE(load(options)->on_this_machine);
}

TEST(Relays, NamesAreALabels) {
    Loading load;
    RelayOptions options = isp();
    options.hosts = {{"smtp.b\xC3\xBC"
                      "cher.example",
                      25, false},
                     {"192.0.2.1", 25, true}};
    EXPECT_EQ(load(options)->hosts[0].name, "smtp.xn--bcher-kva.example");
    EXPECT_EQ(load(options)->hosts[1].name, "192.0.2.1");
    EXPECT_EQ(Relays::load({options}, load.problems, load.warnings)->find("other"), nullptr);
}

}  // namespace
}  // namespace posthorn::delivery
