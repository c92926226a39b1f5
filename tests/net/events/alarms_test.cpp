// The webhook of alarms, against a real HTTPS server.
#include "events/alarms.hpp"

#include <gtest/gtest.h>

#include "delivery/memory.hpp"
#include "dns/resolver.hpp"
#include "receiver.hpp"
#include "support/dns_server.hpp"
#include "support/run_until.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::events {
namespace {

using namespace std::chrono_literals;

class AlarmsTest : public testing::Test {
protected:
    AlarmsTest() : certificate_(posthorn::test::TlsCert::self_signed()), receiver_(certificate_) {
        certificate_.write(directory_.path() + "/ca.pem", directory_.path() + "/key.pem");
        dns::DnsOptions options;
        options.servers.push_back(dns_.endpoint());
        resolver_ = dns::Resolver::create(context_.get_executor(), options).value();
        memory_ = std::make_unique<delivery::DeliveryMemory>(directory_.path(), disk_);
        outputs_.server = "mail.example.test";
        outputs_.webhook = WebAddress::parse("https://127.0.0.1:" + std::to_string(receiver_.port()) + "/alarm").value();
        outputs_.secrets = {"0123456789abcdef0123456789abcdef"};
        outputs_.ca_file = directory_.path() + "/ca.pem";
        alarms_ = std::make_unique<Alarms>(context_, *memory_, *resolver_);
        alarms_->start(outputs_);
    }
    ~AlarmsTest() override {
        alarms_->stop();
        EXPECT_TRUE(until([&] { return alarms_->unfinished() == 0; }, 10s));
        alarms_.reset();
        disk_.join();
        memory_.reset();
    }
    template <class Condition>
    bool until(Condition condition, std::chrono::milliseconds limit) {
        return posthorn::test::run_until(context_, std::move(condition), limit);
    }
    void raise() {
        delivery::Alarm alarm;
        alarm.kind = "disk";
        alarm.subject = "/var/spool";
        alarm.text = "The disk is nearly full.";
        alarms_->raise(std::move(alarm));
    }

    net::asio::io_context context_{1};
    posthorn::test::TempDir directory_;
    posthorn::test::DnsServer dns_;
    posthorn::test::TlsCert certificate_;
    test::Receiver receiver_;
    boost::asio::thread_pool disk_{1};
    std::unique_ptr<dns::Resolver> resolver_;
    std::unique_ptr<delivery::DeliveryMemory> memory_;
    AlarmOutputs outputs_;
    std::unique_ptr<Alarms> alarms_;
};

// The pause after a failure is 5 seconds, and grows to ten minutes: too long for who has just put the settings right.
TEST_F(AlarmsTest, NewSettingsAreTriedAtOnce) {
    const posthorn::test::TlsCert other = posthorn::test::TlsCert::self_signed();
    other.write(directory_.path() + "/other.pem", directory_.path() + "/other.key");
    AlarmOutputs wrong = outputs_;
    wrong.ca_file = directory_.path() + "/other.pem";
    alarms_->reload(wrong);
    raise();
    EXPECT_FALSE(until([&] { return !receiver_.requests().empty(); }, 1s)) << "nothing is told to a stranger";
    EXPECT_EQ(alarms_->figures().waiting, 1U);
    alarms_->reload(outputs_);
    EXPECT_TRUE(until([&] { return alarms_->figures().waiting == 0; }, 3s));
    EXPECT_EQ(receiver_.requests().size(), 1U);
    EXPECT_EQ(alarms_->figures().told, 1U);
}

}  // namespace
}  // namespace posthorn::events
