// What is found out about this machine, judged: each fact that is wrong has its verdict and its remedy.
#include "doctor/machine.hpp"

#include <gtest/gtest.h>

namespace posthorn::doctor {
namespace {

using namespace std::chrono_literals;

const TimePoint kNow{std::chrono::sys_days(std::chrono::year(2026) / 11 / 22)};

PortFact port(std::string provider, PortFact::Outcome outcome, bool v4 = true) {
    PortFact fact;
    fact.provider = std::move(provider);
    fact.host = "mx." + fact.provider + ".test";
    fact.outcome = outcome;
    fact.v4 = v4;
    return fact;
}

// SD-16: hosters block port 25; then it is said plainly, and the relay offered.
TEST(Ports, NothingAnswersIsABlockedPort) {
    const auto findings = judge_ports({port("gmail", PortFact::Outcome::silent), port("yahoo", PortFact::Outcome::silent)}, 25, "");
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].verdict, Verdict::fail);
    EXPECT_NE(findings[0].detail.find("port 25 is blocked on the way"), std::string::npos) << findings[0].detail;
    EXPECT_NE(findings[0].repair.find("[[relay]]"), std::string::npos);
    EXPECT_NE(findings[0].repair.find("ask the hoster"), std::string::npos);
}

TEST(Ports, RefusedSomeAllAndRelayed) {
    const auto refused = judge_ports({port("gmail", PortFact::Outcome::refused)}, 25, "");
    EXPECT_EQ(refused[0].verdict, Verdict::fail);
    EXPECT_NE(refused[0].detail.find("is refused on the way"), std::string::npos) << refused[0].detail;
    EXPECT_EQ(judge_ports({port("gmail", PortFact::Outcome::open), port("yahoo", PortFact::Outcome::silent)}, 25, "")[0].verdict, Verdict::warn);
    EXPECT_EQ(judge_ports({port("gmail", PortFact::Outcome::open)}, 25, "")[0].verdict, Verdict::pass);
    // A name that DNS does not know says nothing of the port.
    EXPECT_EQ(judge_ports({port("gmail", PortFact::Outcome::no_host)}, 25, "")[0].verdict, Verdict::unknown);
    const auto relayed = judge_ports({}, 25, "hoster");
    EXPECT_EQ(relayed[0].verdict, Verdict::skipped);
    EXPECT_NE(relayed[0].detail.find("hoster"), std::string::npos);
}

TEST(Ports, Ipv6AloneIsOnlyAWarning) {
    const auto findings = judge_ports({port("gmail", PortFact::Outcome::open), port("gmail", PortFact::Outcome::unreachable, false)}, 25, "");
    ASSERT_EQ(findings.size(), 2U);
    EXPECT_EQ(findings[0].verdict, Verdict::pass);
    EXPECT_EQ(findings[1].verdict, Verdict::warn);
}

TEST(Resolver, SilentLyingBlindAndGood) {
    ResolverFact fact;
    fact.servers = "192.0.2.53:53";
    EXPECT_EQ(judge_resolver(fact)[0].verdict, Verdict::fail);
    fact.answers = true;
    EXPECT_EQ(judge_resolver(fact)[0].verdict, Verdict::pass);
    fact.trusted = true;
    EXPECT_EQ(judge_resolver(fact)[0].verdict, Verdict::warn) << "trust_ad with a resolver that does not validate";
    fact.validates = true;
    EXPECT_EQ(judge_resolver(fact)[0].verdict, Verdict::pass);
    fact.made_up.emplace_back("xyz.invalid has an address, it says");
    const auto liar = judge_resolver(fact);
    EXPECT_EQ(liar[0].verdict, Verdict::fail);
    EXPECT_NE(liar[0].detail.find("xyz.invalid"), std::string::npos);
}

TEST(Clock, BehindItsOwnFilesUnkeptAndGood) {
    ClockFact fact;
    fact.now = kNow;
    EXPECT_EQ(judge_clock(fact)[0].verdict, Verdict::skipped) << "a kernel that says nothing";
    fact.known = true;
    EXPECT_EQ(judge_clock(fact)[0].verdict, Verdict::warn);
    fact.synchronised = true;
    EXPECT_EQ(judge_clock(fact)[0].verdict, Verdict::pass);
    fact.error = 3s;
    EXPECT_EQ(judge_clock(fact)[0].verdict, Verdict::warn);
    fact.newest = kNow + 4min;
    EXPECT_EQ(judge_clock(fact)[0].verdict, Verdict::warn) << "a little ahead is nothing";
    fact.newest = kNow + 6min;
    fact.newest_file = "/var/lib/posthorn/queue/queue.sqlite";
    const auto behind = judge_clock(fact);
    EXPECT_EQ(behind[0].verdict, Verdict::fail);
    EXPECT_NE(behind[0].detail.find("queue.sqlite"), std::string::npos);
}

CertificateFact good_certificate() {
    CertificateFact fact;
    fact.file = "/etc/full.pem";
    fact.key_file = "/etc/key.pem";
    fact.names = {"mail.example.com"};
    fact.not_before = kNow - 24h;
    fact.not_after = kNow + 24h * 60;
    fact.for_hostname = true;
    return fact;
}

// SD-60.
TEST(Certificates, ExpiryNamesChainKeyAndPermission) {
    const auto judged = [](const CertificateFact& fact) { return judge_certificates({fact}, "mail.example.com", kNow).front(); };
    CertificateFact fact = good_certificate();
    EXPECT_EQ(judged(fact).verdict, Verdict::pass);
    fact.exposed = "everybody on this machine";
    EXPECT_EQ(judged(fact).verdict, Verdict::warn);
    EXPECT_EQ(judged(fact).commands.back(), "chmod 600 /etc/key.pem");
    fact = good_certificate();
    fact.not_after = kNow - 49h;
    EXPECT_EQ(judged(fact).verdict, Verdict::fail);
    EXPECT_NE(judged(fact).detail.find("expired 2 days ago"), std::string::npos) << judged(fact).detail;
    EXPECT_EQ(judged(fact).commands.front(), "certbot renew");
    fact.not_after = kNow + 24h * 13;
    EXPECT_EQ(judged(fact).verdict, Verdict::warn);
    fact = good_certificate();
    fact.not_before = kNow + 1h;
    EXPECT_EQ(judged(fact).verdict, Verdict::fail);
    fact = good_certificate();
    fact.for_hostname = false;
    fact.names = {"www.example.com"};
    EXPECT_EQ(judged(fact).verdict, Verdict::warn);
    EXPECT_NE(judged(fact).detail.find("www.example.com, not for mail.example.com"), std::string::npos);
    fact = good_certificate();
    fact.chain_fault = "unable to get local issuer certificate";
    EXPECT_EQ(judged(fact).verdict, Verdict::warn);
    EXPECT_NE(judged(fact).repair.find("fullchain.pem"), std::string::npos);
    fact.fault = "the key does not belong to the certificate";
    EXPECT_EQ(judged(fact).verdict, Verdict::fail);
    EXPECT_EQ(judge_certificates({}, "mail.example.com", kNow).front().verdict, Verdict::skipped);
}

// SD-30.
TEST(Keys, WhoMayReadThem) {
    FileFact fact;
    fact.path = "/k.pem";
    fact.what = "the DKIM key s1 of example.com";
    fact.owner = "posthorn";
    const auto judged = [&] { return judge_keys({fact}).front(); };
    EXPECT_EQ(judged().verdict, Verdict::pass);
    fact.mode = 0400;
    EXPECT_EQ(judged().verdict, Verdict::pass) << "a Docker secret of root";
    fact.mode = 0640;
    EXPECT_EQ(judged().verdict, Verdict::warn);
    fact.mode = 0644;
    EXPECT_EQ(judged().verdict, Verdict::fail);
    EXPECT_NE(judged().detail.find("read by everybody"), std::string::npos) << judged().detail;
    EXPECT_EQ(judged().commands.front(), "chmod 600 /k.pem");
    fact.mode = 0666;
    EXPECT_NE(judged().detail.find("changed by everybody"), std::string::npos);
    fact.fault = "No such file or directory";
    EXPECT_EQ(judged().verdict, Verdict::fail);
}

TEST(Disk, RoomKindAndMode) {
    DiskFact fact;
    fact.directory = "/var/lib/posthorn/queue";
    fact.free = 50ULL << 30;
    fact.total = 100ULL << 30;
    fact.min_free = 64 << 20;
    EXPECT_EQ(judge_disk(fact)[0].verdict, Verdict::pass);
    fact.missing = true;
    EXPECT_NE(judge_disk(fact)[0].detail.find("made at the first start"), std::string::npos);
    EXPECT_EQ(judge_disk(fact)[0].verdict, Verdict::pass) << "as setup leaves it";
    fact.free = 100 << 20;
    EXPECT_EQ(judge_disk(fact)[0].verdict, Verdict::warn);
    fact.free = 60 << 20;
    EXPECT_EQ(judge_disk(fact)[0].verdict, Verdict::fail);
    fact.free = 50ULL << 30;
    fact.inodes = 1000;
    fact.free_inodes = 9;
    EXPECT_EQ(judge_disk(fact)[0].verdict, Verdict::warn);
    fact.read_only = true;
    EXPECT_EQ(judge_disk(fact)[0].verdict, Verdict::fail);
    fact.network_type = "NFS";
    EXPECT_EQ(judge_disk(fact)[0].verdict, Verdict::fail);
    EXPECT_NE(judge_disk(fact)[0].detail.find("NFS"), std::string::npos);
}

TEST(Queue, AgeSuspensionsHealthAndSilence) {
    QueueFact fact;
    fact.silence = "no such socket";
    const auto alone = judge_queue(fact);
    ASSERT_EQ(alone.size(), 2U);
    EXPECT_EQ(alone[0].verdict, Verdict::skipped) << "the doctor works without a daemon";
    fact.answered = true;
    EXPECT_EQ(judge_queue(fact)[1].verdict, Verdict::pass);
    fact.waiting = 3;
    fact.oldest = 5h;
    EXPECT_EQ(judge_queue(fact)[1].verdict, Verdict::warn);
    fact.oldest = 25h;
    EXPECT_EQ(judge_queue(fact)[1].verdict, Verdict::fail);
    fact.oldest = 0s;
    fact.suspended.emplace_back("mail of example.com to google");
    EXPECT_EQ(judge_queue(fact)[1].verdict, Verdict::fail);
    EXPECT_NE(judge_queue(fact)[1].detail.find("google"), std::string::npos);
    fact.healthy = false;
    fact.reason = "the disk is full";
    EXPECT_EQ(judge_queue(fact)[0].verdict, Verdict::fail);
}

// RFC 8058 s3.1, s3.2.
TEST(Urls, PostRedirectCertificate) {
    UrlFact fact;
    fact.stream = "news";
    fact.url = "https://example.com/u/x";
    EXPECT_EQ(judge_urls({fact})[0].verdict, Verdict::fail);
    fact.resolves = true;
    EXPECT_EQ(judge_urls({fact})[0].verdict, Verdict::fail) << "without a certificate that counts";
    fact.trusted = true;
    EXPECT_EQ(judge_urls({fact})[0].verdict, Verdict::pass);
    fact.asked = true;
    fact.status = 200;
    EXPECT_EQ(judge_urls({fact})[0].verdict, Verdict::pass);
    fact.status = 301;
    EXPECT_EQ(judge_urls({fact})[0].verdict, Verdict::fail);
    EXPECT_NE(judge_urls({fact})[0].detail.find("redirect"), std::string::npos);
    fact.status = 405;
    EXPECT_EQ(judge_urls({fact})[0].verdict, Verdict::fail);
}

TEST(ConfigAndUsers, ProblemsWarningsAndNobody) {
    ConfigFact config;
    EXPECT_EQ(judge_config(config)[0].verdict, Verdict::pass);
    config.warnings.emplace_back("a warning");
    EXPECT_EQ(judge_config(config)[0].verdict, Verdict::warn);
    config.problems.emplace_back("a problem");
    EXPECT_EQ(judge_config(config)[0].verdict, Verdict::fail);
    UsersFact users;
    EXPECT_EQ(judge_users(users)[0].verdict, Verdict::skipped);
    users.file = "/users";
    EXPECT_EQ(judge_users(users)[0].verdict, Verdict::warn);
    users.users = 1;
    EXPECT_EQ(judge_users(users)[0].verdict, Verdict::pass);
    users.fault = "line 3 is no user";
    EXPECT_EQ(judge_users(users)[0].verdict, Verdict::fail);
}

}  // namespace
}  // namespace posthorn::doctor
