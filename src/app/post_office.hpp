// The server's postbox: stores a message and tells the delivery agent, in the order the queue's contract asks for.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "auth/sender_tally.hpp"
#include "delivery/agent.hpp"
#include "net/asio.hpp"
#include "queue/store.hpp"
#include "smtp/server/postbox.hpp"

namespace posthorn::app {

// Lives on the home shard; only set_open() is called from elsewhere.
class PostOffice final : public smtp::server::Postbox {
public:
    PostOffice(net::asio::io_context& home, queue::QueueStore& store, delivery::DeliveryAgent& agent)
        : home_(home), store_(store), agent_(agent), open_(store.health().healthy) {}

    void put(queue::NewMessage message, SteadyTime deadline, queue::Done<queue::Added> done) override;
    [[nodiscard]] bool open() const override { return open_.load(std::memory_order_relaxed); }
    [[nodiscard]] const std::string& spool_directory() const override { return store_.spool_directory(); }

    // Who has sent how much of late, of all that was stored here.
    [[nodiscard]] std::vector<auth::SenderUse> senders() const;
    [[nodiscard]] std::uint64_t local_messages() const { return local_messages_; }  // of system users who did not log in

    [[nodiscard]] std::uint64_t recipients() const { return recipients_; }          // of all that was stored here

    // Any thread: the store's health observer.
    void set_open(bool open) { open_.store(open, std::memory_order_relaxed); }

private:
    void count(const mail::Message& message, std::uint64_t recipients);

    net::asio::io_context& home_;
    queue::QueueStore& store_;
    delivery::DeliveryAgent& agent_;
    std::atomic<bool> open_;
    auth::SenderTally tally_;
    std::uint64_t local_messages_ = 0;
    std::uint64_t recipients_ = 0;
};

}  // namespace posthorn::app
