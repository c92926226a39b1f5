// The delivery agent over the real store on a disk that fails: delivery pauses, and goes on without a restart, each message once.
#include <gtest/gtest.h>

#include <future>

#include "auth/dkim/keys.hpp"
#include "delivery/agent.hpp"
#include "dns/resolver.hpp"
#include "net/delivery/script_sink.hpp"
#include "queue/sqlite/sqlite_store.hpp"
#include "support/dns_server.hpp"
#include "support/run_until.hpp"
#include "support/temp_dir.hpp"
#include "unit/queue/crash_vfs.hpp"

namespace posthorn::delivery {
namespace {

using namespace std::chrono_literals;
using Vfs = queue::test::CrashVfs;

class BrokenDisk : public testing::TestWithParam<Vfs::Fault> {
protected:
    template <class Condition>
    bool until(Condition condition) {
        return posthorn::test::run_until(context_, std::move(condition));
    }
    static queue::NewMessage message(std::int64_t id, const std::string& to) {
        auto made = std::make_shared<mail::Message>();
        made->id = QueueId(id);
        made->accepted_at = wall_now();
        made->expires_at = made->accepted_at + 24h;
        made->reverse_path = "alice@example.test";
        made->header = "From: alice@example.test\r\n";
        made->body.bytes = std::make_shared<const std::string>("Hello\r\n");
        made->body.facts.size = made->body.bytes->size();
        queue::NewMessage added;
        added.message = made;
        queue::NewRecipient recipient;
        recipient.recipient.address = to;
        recipient.domain = "dest.test";
        recipient.due_at = made->accepted_at;
        added.recipients.push_back(recipient);
        return added;
    }
    // What a session would be told, which answers 452 to each fault of the disk.
    std::optional<queue::StoreFault> submit(DeliveryAgent& agent, std::int64_t id, const std::string& to) {
        queue::NewMessage mail = message(id, to);
        Admission admission = agent.admit(mail);
        std::promise<queue::StoreResult<queue::Added>> promise;
        auto answer = promise.get_future();
        store_->add(std::move(mail), SteadyTime::max(), [&](auto result) { promise.set_value(std::move(result)); });
        const auto added = answer.get();
        if (!added) {
            agent.on_not_added(admission);
            return added.error().fault;
        }
        agent.on_added(std::move(admission), *added);
        return std::nullopt;
    }

    net::asio::io_context context_{1};
    test::DnsServer dns_;
    test::ScriptSink sink_;
    net::asio::thread_pool crypto_{1};
    Vfs vfs_;
    test::TempDir directory_;
    std::unique_ptr<queue::QueueStore> store_;
};

TEST_P(BrokenDisk, PausesDeliveryAndRecoversWithoutARestart) {
    dns_.mx("dest.test", 10, "mx.dest.test").a("mx.dest.test", "127.0.0.1");
    dns::DnsOptions dns_options;
    dns_options.servers.push_back(dns_.endpoint());
    auto resolver = dns::Resolver::create(context_.get_executor(), dns_options).value();
    queue::QueueOptions queue_options;
    queue_options.directory = directory_.path() + "/queue";
    queue_options.min_free_space = 0;
    queue::sqlite::SqliteTuning tuning;
    tuning.vfs = vfs_.name();
    tuning.probe_interval = 50ms;
    store_ = queue::sqlite::open_sqlite_store(queue_options, tuning).value();

    auto settings = std::make_shared<Settings>();
    settings->hostname = "mail.example.test";
    settings->delivery.port = sink_.port();
    settings->delivery.tls = TlsPolicy::none;
    settings->delivery.allow_private_addresses = true;
    settings->delivery.connections_per_site = 1;
    settings->delivery.connections = 1;   // the next one begins when the one before is on disk
    settings->dkim.unknown_domain = auth::UnsignedPolicy::send_unsigned;
    settings->keys = auth::dkim::KeyTable::build({}, settings->dkim);
    DeliveryAgent agent(context_, *store_, *resolver, crypto_, settings);
    store_->on_health_change([&](const queue::StoreHealth& health) {
        net::asio::post(context_, [&, healthy = health.healthy] { agent.on_store_health(healthy); });
    });
    agent.start();

    sink_.stall(".");
    ASSERT_FALSE(submit(agent, 1, "first@dest.test"));
    ASSERT_FALSE(submit(agent, 2, "second@dest.test"));
    ASSERT_TRUE(until([&] { return sink_.waiting() == 1; }));
    vfs_.break_after(GetParam());
    sink_.go_on();
    ASSERT_TRUE(until([&] { return agent.figures().delivered == 1 && !store_->health().healthy; }));
    const auto refused = submit(agent, 3, "refused@dest.test");
    ASSERT_TRUE(refused);
    EXPECT_EQ(*refused, GetParam() == Vfs::Fault::full ? queue::StoreFault::disk_full : queue::StoreFault::io_error);
    // Longer than a settlement and a probe wait before they are tried again.
    const auto pause = std::chrono::steady_clock::now() + 1500ms;
    until([&] { return std::chrono::steady_clock::now() >= pause; });
    EXPECT_EQ(sink_.delivered(), std::vector<std::string>{"first@dest.test"});

    vfs_.break_after(Vfs::Fault::none);
    ASSERT_TRUE(until([&] { return store_->health().healthy && store_->health().recipients == 0; }));
    EXPECT_EQ(sink_.delivered(), (std::vector<std::string>{"first@dest.test", "second@dest.test"}));
    ASSERT_FALSE(submit(agent, 4, "after@dest.test"));
    ASSERT_TRUE(until([&] { return store_->health().recipients == 0; }));
    EXPECT_EQ(sink_.delivered().size(), 3U);

    bool ended = false;
    net::asio::co_spawn(context_, agent.stop(), [&](std::exception_ptr) { ended = true; });
    EXPECT_TRUE(until([&] { return ended; }));
    crypto_.join();
    store_->stop();
    store_.reset();
}

INSTANTIATE_TEST_SUITE_P(ByShim, BrokenDisk, testing::Values(Vfs::Fault::full, Vfs::Fault::write_error, Vfs::Fault::sync_error),
                         [](const auto& tested) {
                             return std::string(tested.param == Vfs::Fault::full          ? "ENOSPC"
                                                : tested.param == Vfs::Fault::write_error ? "EIO"
                                                                                          : "FailedSync");
                         });

}  // namespace
}  // namespace posthorn::delivery
