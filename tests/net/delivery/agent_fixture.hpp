// The delivery agent over a store in memory that can hold back, a DNS server and a sink: what its tests begin with.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <set>
#include <stdexcept>

#include "auth/dkim/keys.hpp"
#include "auth/suspension.hpp"
#include "delivery/agent.hpp"
#include "delivery/relays.hpp"
#include "dns/resolver.hpp"
#include "net/asio.hpp"
#include "net/delivery/script_sink.hpp"
#include "queue/memory_store.hpp"
#include "support/dns_server.hpp"
#include "support/run_until.hpp"

namespace posthorn::delivery {

using namespace std::chrono_literals;

// A store whose settlements can be held back, and which can throw. On the loop's thread, as the agent is.
class TrickyStore : public queue::MemoryStore {
public:
    void settle(queue::Settlement settlement, queue::Done<queue::Settled> done) override {
        if (holds) {
            held.emplace_back(std::move(settlement), std::move(done));
            return;
        }
        MemoryStore::settle(std::move(settlement), std::move(done));
    }
    void claim(queue::DestinationId destination, TimePoint now, std::size_t limit, TimePoint lease_until,
               queue::Done<queue::Claimed> done) override {
        if (!holds_claims) return MemoryStore::claim(destination, now, limit, lease_until, std::move(done));
        MemoryStore::claim(destination, now, limit, lease_until, [this, done = std::move(done)](auto result) mutable {
            claims.emplace_back([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
        });
    }
    void let_claims_go() {
        holds_claims = false;
        for (auto& answer : std::exchange(claims, {})) answer();
    }
    void show(QueueId id, queue::Done<queue::QueueEntry> done) override {
        if (unreadable > 0) {
            --unreadable;
            done(queue::StoreError{queue::StoreFault::io_error, "the disk is gone"});
            return;
        }
        MemoryStore::show(id, std::move(done));
    }
    [[nodiscard]] queue::StoreHealth health() const override {
        if (throws_at_health && throws_at_health()) throw std::runtime_error("no memory");
        return MemoryStore::health();
    }
    void message(QueueId id, queue::Done<mail::MessagePtr> done) override {
        if (!holds_messages) return MemoryStore::message(id, std::move(done));
        asked.emplace_back(id, std::move(done));
    }
    void let_messages_go() {
        holds_messages = false;
        for (auto& [id, done] : std::exchange(asked, {})) MemoryStore::message(id, std::move(done));
    }
    void let_go() {
        holds = false;
        for (auto& [settlement, done] : std::exchange(held, {})) MemoryStore::settle(std::move(settlement), std::move(done));
    }

    std::function<bool()> throws_at_health;
    bool holds_claims = false;
    std::vector<UniqueFunction<void()>> claims;   // carried out, and nobody knows yet
    bool holds = false;
    bool holds_messages = false;
    std::deque<std::pair<QueueId, queue::Done<mail::MessagePtr>>> asked;
    int unreadable = 0;   // so many times nothing can be shown
    std::deque<std::pair<queue::Settlement, queue::Done<queue::Settled>>> held;
};

class AgentTest : public testing::Test {
protected:
    AgentTest() {
        dns_.mx("dest.test", 10, "mx.dest.test").a("mx.dest.test", "127.0.0.1");
        dns_.mx("other.test", 10, "mx.dest.test");
        dns::DnsOptions options;
        options.servers.push_back(dns_.endpoint());
        resolver_ = dns::Resolver::create(context_.get_executor(), options).value();
        settings_.hostname = "mail.example.test";
        settings_.delivery.port = sink_.port();
        settings_.delivery.tls = TlsPolicy::none;
        settings_.delivery.allow_private_addresses = true;
        settings_.delivery.connections_per_site = 1;
        settings_.dkim.unknown_domain = auth::UnsignedPolicy::send_unsigned;
    }
    ~AgentTest() override {
        if (agent_) stop();
        crypto_.join();
    }

    std::shared_ptr<const Settings> settings() {
        auto made = std::make_shared<Settings>(settings_);
        made->keys = auth::dkim::KeyTable::build(signs_, made->dkim,
                                                 [this](const std::string&) { return Result<auth::dkim::PrivateKeyPtr>(key_); });
        std::vector<std::string> problems, warnings;
        made->relays = Relays::load(made->delivery.relays, problems, warnings);
        return made;
    }
    // told: the agent hears of the store's health, as it does but for the moment it takes.
    void start(bool told = true) {
        agent_ = std::make_unique<DeliveryAgent>(context_, store_, *resolver_, crypto_, settings());
        agent_->heed(suspensions_);
        if (told) store_.on_health_change([this](const queue::StoreHealth& health) {
            net::asio::post(context_, [this, healthy = health.healthy] { agent_->on_store_health(healthy); });
        });
        agent_->start();
    }
    // Runs the loop until the condition holds.
    template <class Condition>
    bool until(Condition condition, std::chrono::milliseconds limit = 20s) {
        return posthorn::test::run_until(context_, std::move(condition), limit);
    }
    std::chrono::milliseconds stop() {
        const auto begin = std::chrono::steady_clock::now();
        bool ended = false;
        net::asio::co_spawn(context_, agent_->stop(), [&](std::exception_ptr) { ended = true; });
        EXPECT_TRUE(until([&] { return ended; }, 60s));
        EXPECT_EQ(agent_->unfinished(), 0U);
        return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    }

    queue::NewMessage message(const std::string& to, Duration lifetime = 120h) {
        auto made = std::make_shared<mail::Message>();
        made->id = ids_.next(wall_now());
        made->accepted_at = wall_now();
        made->expires_at = made->accepted_at + lifetime;
        made->reverse_path = "alice@example.test";
        made->source = auth::source_of("alice");
        made->header = "From: alice@example.test\r\nSubject: test\r\n";
        made->body.bytes = std::make_shared<const std::string>("Hello\r\n");
        made->body.facts.size = made->body.bytes->size();
        queue::NewMessage added;
        added.message = made;
        queue::NewRecipient recipient;
        recipient.recipient.address = to;
        recipient.domain = to.substr(to.find('@') + 1);
        recipient.due_at = made->accepted_at;
        added.recipients.push_back(recipient);
        return added;
    }
    // As intake does it.
    QueueId submit(const std::string& to) {
        queue::NewMessage added = message(to);
        const QueueId id = added.message->id;
        Admission admission = agent_->admit(added);
        store_.add(std::move(added), SteadyTime::max(), [&](queue::StoreResult<queue::Added> result) {
            ASSERT_TRUE(result);
            agent_->on_added(std::move(admission), *result);
        });
        return id;
    }
    // What waits and nobody has.
    std::set<std::string> unclaimed() {
        std::set<std::string> found;
        store_.destinations(0, 100, wall_now(), [&](auto page) {
            for (const queue::DestinationDue& due : *page) found.insert(due.domain);
        });
        return found;
    }
    std::uint64_t waiting() { return store_.MemoryStore::health().recipients; }
    std::vector<queue::Recipient> rows(QueueId id) {
        std::vector<queue::Recipient> found;
        store_.show(id, [&](auto entry) {
            if (entry) found = entry->recipients;
        });
        return found;
    }

    net::asio::io_context context_{1};
    test::DnsServer dns_;
    test::ScriptSink sink_;
    net::asio::thread_pool crypto_{1};
    TrickyStore store_;
    Settings settings_;
    std::vector<auth::DomainOptions> signs_;
    auth::dkim::PrivateKeyPtr key_ = auth::dkim::PrivateKey::generate(auth::dkim::Algorithm::ed25519).value();
    auth::Suspensions suspensions_;
    QueueIdSource ids_{1};
    std::unique_ptr<dns::Resolver> resolver_;
    std::unique_ptr<DeliveryAgent> agent_;
};

}  // namespace posthorn::delivery
