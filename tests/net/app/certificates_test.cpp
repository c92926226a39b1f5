// The daemon's care for its certificates: the self-signed one is made anew in time, and an end that is near is told each day.
#include "app/certificates.hpp"

#include <gtest/gtest.h>

#include "app/certificate_rounds.hpp"
#include "net/ticket_keys.hpp"
#include "support/temp_dir.hpp"
#include "support/tls_cert.hpp"

namespace posthorn::app {
namespace {

using std::chrono::days;
using std::chrono::hours;

struct SelfSigned {
    test::TempDir dir;
    config::Config config;

    SelfSigned() {
        config.hostname = "mail.example.com";
        config.state_directory = dir.file("state");
        config.server.tls.self_signed = true;
    }
    bool made(TimePoint now) {
        return make_due_certificate(config, now).value();
    }
    std::shared_ptr<const net::Certificate> certificate() {
        return net::Certificate::load(certificate_files(config).front()).value();
    }
};

TEST(SelfSignedCertificate, IsMadeAnewThirtyDaysBeforeItsEnd) {
    SelfSigned self;
    const TimePoint now = wall_now();
    EXPECT_TRUE(self.made(now));
    const TimePoint end = self.certificate()->not_after();
    EXPECT_FALSE(self.made(now));
    EXPECT_FALSE(self.made(end - days(30) - hours(1)));
    EXPECT_EQ(self.certificate()->not_after(), end);
    EXPECT_TRUE(self.made(end - days(30) + hours(1)));
    EXPECT_GT(self.certificate()->not_after(), end + days(300));
}

TEST(SelfSignedCertificate, IsMadeAnewForAnotherHostname) {
    SelfSigned self;
    EXPECT_TRUE(self.made(wall_now()));
    self.config.hostname = "mx.example.com";
    EXPECT_TRUE(self.made(wall_now()));
    EXPECT_TRUE(self.certificate()->covers("mx.example.com"));
    EXPECT_FALSE(self.made(wall_now()));
}

TEST(SelfSignedCertificate, IsNeverMadeUnasked) {
    SelfSigned self;
    self.config.server.tls.self_signed = false;
    EXPECT_FALSE(self.made(wall_now()));
    EXPECT_TRUE(certificate_files(self.config).empty());
    EXPECT_EQ(load_certificates(self.config, nullptr).value(), nullptr);   // TLS is not offered (TLS-3)
}

SteadyTime today;
int looks = 0;   // at the clock: one for each look at the files

std::size_t lines_with(const std::string& text, const std::string& words) {
    std::size_t count = 0;
    for (std::size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++count;
    return count;
}

TEST(CertificateRounds, TellANearEndOnceADay) {
    const test::TempDir dir;
    config::Config config;
    config.server.tls.certificate_file = dir.file("cert.pem");
    config.server.tls.key_file = dir.file("key.pem");
    config.server.tls.check_interval = std::chrono::milliseconds(1);
    test::CertificateOptions options;
    options.valid_to = 13L * 86400;
    test::TlsCert::self_signed(options).write(config.server.tls.certificate_file, config.server.tls.key_file);

    net::asio::io_context home;
    net::asio::thread_pool disk{1};
    CertificateRounds rounds(home, disk, [](auto) { ADD_FAILURE() << "the files are the same"; }, [] { return ++looks, today; });
    auto tickets = std::make_shared<net::TicketKeys>();
    const auto work = net::asio::make_work_guard(home);   // between two looks only the disk's thread has something to do
    const auto told_during_looks = [&] {
        testing::internal::CaptureStderr();
        for (const int before = looks; looks < before + 3;) home.run_one();
        return lines_with(testing::internal::GetCapturedStderr(), "expires in 1");
    };
    today = SteadyTime() + hours(100);
    testing::internal::CaptureStderr();   // where warnings go until the log is configured
    rounds.follow(config, tickets, load_certificates(config, tickets).value());
    EXPECT_EQ(lines_with(testing::internal::GetCapturedStderr(), "expires in 1"), 1U);
    EXPECT_EQ(told_during_looks(), 0U);
    today += hours(23);
    EXPECT_EQ(told_during_looks(), 0U);
    today += hours(1);
    EXPECT_EQ(told_during_looks(), 1U);
    today += hours(24);
    EXPECT_EQ(told_during_looks(), 1U);
    rounds.stop();
    disk.join();
    home.poll();
}

}  // namespace
}  // namespace posthorn::app
