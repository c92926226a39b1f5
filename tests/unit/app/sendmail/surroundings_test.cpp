// Tests of app/sendmail/surroundings.hpp and resolve.hpp: environment, passwd, the calling process, /etc/hosts.
#include "app/sendmail/surroundings.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "app/sendmail/resolve.hpp"

namespace posthorn::app::sendmail {
namespace {

Ways ways(const std::map<std::string, std::string>& variables, const std::set<std::string>& directories = {}) {
    return ways_of(
        [&variables](const char* name) -> const char* {
            const auto found = variables.find(name);
            return found == variables.end() ? nullptr : found->second.c_str();
        },
        [&directories](const char* path) { return directories.contains(path); });
}

TEST(SendmailSurroundings, Defaults) {
    const Ways all = ways({});
    EXPECT_EQ(all.socket, "/run/posthorn/submission.sock");
    EXPECT_EQ(all.host, "");
    EXPECT_EQ(all.port, 2525);
    EXPECT_EQ(all.spool, "/var/spool/posthorn");
    EXPECT_EQ(all.admin, "/run/posthorn/admin.sock");
    EXPECT_EQ(all.problem, "");
}

// DO-9: a container mounts one directory, which has the socket and the spool; a system's own spool goes before it.
TEST(SendmailSurroundings, TheSpoolBesideTheSocket) {
    EXPECT_EQ(ways({}, {"/run/posthorn/spool"}).spool, "/run/posthorn/spool");
    EXPECT_EQ(ways({}, {"/run/posthorn/spool", "/var/spool/posthorn"}).spool, "/var/spool/posthorn");
    EXPECT_EQ(ways({{"POSTHORN_SPOOL", ""}}, {"/run/posthorn/spool"}).spool, "");
    EXPECT_EQ(ways({{"POSTHORN_SPOOL", "/s"}}, {"/run/posthorn/spool"}).spool, "/s");
}

TEST(SendmailSurroundings, Hosts) {
    const auto host = [](const char* text) {
        const Ways all = ways({{"POSTHORN_HOST", text}});
        return all.problem.empty() ? all.host + " " + std::to_string(all.port) : "problem";
    };
    EXPECT_EQ(host("mta"), "mta 2525");
    EXPECT_EQ(host("mta:25"), "mta 25");
    EXPECT_EQ(host("192.0.2.1:587"), "192.0.2.1 587");
    EXPECT_EQ(host("[2001:db8::1]:25"), "2001:db8::1 25");
    EXPECT_EQ(host("[2001:db8::1]"), "2001:db8::1 2525");
    EXPECT_EQ(host("2001:db8::1"), "2001:db8::1 2525");
    for (const char* wrong : {"mta:", "mta:x", "mta:0", "mta:65536", "[::1", "[::1]x"}) EXPECT_EQ(host(wrong), "problem") << wrong;
}

TEST(SendmailSurroundings, Variables) {
    const Ways all = ways({{"POSTHORN_SOCKET", ""}, {"POSTHORN_SPOOL", "/s"}, {"POSTHORN_ADMIN", "/a"}, {"POSTHORN_SIZE_LIMIT", "1000"}});
    EXPECT_EQ(all.socket, "");
    EXPECT_EQ(all.spool, "/s");
    EXPECT_EQ(all.admin, "/a");
    EXPECT_EQ(all.size_limit, 1000U);
    EXPECT_NE(ways({{"POSTHORN_SIZE_LIMIT", "10M"}}).problem, "");
    EXPECT_NE(ways({{"POSTHORN_SIZE_LIMIT", "0"}}).problem, "");
}

TEST(SendmailSurroundings, Passwd) {
    constexpr std::string_view kPasswd =
        "root:x:0:0:root:/root:/bin/bash\nbroken\n:x:34:34::/:\nwww-data:x:33:33:the & server,room 1,,:/var/www:/x\nlast:x:1000:1000:Anna B.:/:/x";
    EXPECT_EQ(find_passwd(kPasswd, 0)->user, "root");
    EXPECT_EQ(find_passwd(kPasswd, 33)->gecos, "the Www-data server");  // passwd(5): "&"
    EXPECT_EQ(find_passwd(kPasswd, 1000)->gecos, "Anna B.");
    EXPECT_FALSE(find_passwd(kPasswd, 34));
    EXPECT_FALSE(find_passwd(kPasswd, 3));
    EXPECT_FALSE(find_passwd("", 0));
}

TEST(SendmailSurroundings, Processes) {
    using namespace std::string_literals;
    const ProcessFacts php = process_facts("812 (php-fpm: (a) b) S 811 812 0", "php-fpm: pool www\0\0\0"s);
    EXPECT_EQ(php.parent, 811U);
    EXPECT_EQ(php.command, "php-fpm: pool www");
    EXPECT_FALSE(php.shell);
    EXPECT_TRUE(process_facts("1 (sh) S 2 3", "sh\0-c\0/usr/sbin/sendmail -t -i\0"s).shell);  // popen()
    EXPECT_TRUE(process_facts("1 (sh) S 2 3", "/bin/busybox\0sh\0-c\0x\0"s).shell);
    EXPECT_FALSE(process_facts("1 (sh) S 2 3", "/bin/sh\0/etc/cron.daily/x\0"s).shell);  // a script: whom we look for
    EXPECT_EQ(process_facts("", "").parent, 0U);
    EXPECT_EQ(process_facts("", std::string(5000, 'x')).command.size(), kMaxCommandLine);
}

TEST(SendmailResolve, EtcHosts) {
    constexpr std::string_view kHosts = "# mta 192.0.2.9\n127.0.0.1\tlocalhost\n192.0.2.1  mta.example.com MTA # mta2\n2001:db8::1 mta\nnonsense mta\n";
    const auto found = find_in_hosts(kHosts, "mta");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].to_string(), "192.0.2.1");
    EXPECT_EQ(found[1].to_string(), "2001:db8::1");
    EXPECT_TRUE(find_in_hosts(kHosts, "mta2").empty());
    EXPECT_EQ(find_in_hosts(kHosts, "localhost").size(), 1U);
    EXPECT_TRUE(find_in_hosts("", "mta").empty());
    EXPECT_EQ(resolve("192.0.2.7").at(0).to_string(), "192.0.2.7");
}

}  // namespace
}  // namespace posthorn::app::sendmail
