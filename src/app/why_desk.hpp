// Answers `posthorn why`: gathers the facts from queue, journal and delivery agent, and has the answer made of them.
#pragma once

#include <map>
#include <string>

#include "auth/suspension.hpp"
#include "base/unique_function.hpp"
#include "delivery/agent.hpp"
#include "delivery/why_facts.hpp"
#include "net/asio.hpp"
#include "net/task_group.hpp"
#include "queue/store.hpp"

namespace posthorn::app {

// What was asked, by its form: a queue id, an address, a domain, else the name of a provider or a mail host's group.
[[nodiscard]] delivery::WhyFacts::Kind kind_of_question(const std::string& what, const std::map<std::string, std::string>& groups);

// On the home shard; what it refers to outlives it. Every question is bounded: in mail shown, in entries of the journal looked at, in
// time spent with DNS.
class WhyDesk {
public:
    WhyDesk(net::asio::io_context& home, queue::QueueStore& store, delivery::DeliveryAgent& agent)
        : store_(store), agent_(agent), tasks_(home.get_executor(), "why") {}

    // suspensions: of users; outlives the answer. `done` gets the answer as JSON, on the home shard; not at all once stop() was called.
    void answer(std::string what, const auth::Suspensions& suspensions, UniqueFunction<void(std::string)> done);
    void stop() { tasks_.request_stop(); }
    [[nodiscard]] net::awaitable<bool> wait_idle(SteadyTime limit) { return tasks_.wait_idle(limit); }
    [[nodiscard]] std::size_t unfinished() const { return tasks_.size(); }

private:
    net::awaitable<void> find_out(std::string what, const auth::Suspensions* suspensions, UniqueFunction<void(std::string)> done);
    net::awaitable<void> about_message(delivery::WhyFacts& facts);
    net::awaitable<void> about_recipient(delivery::WhyFacts& facts);
    net::awaitable<void> about_domain(delivery::WhyFacts& facts);
    net::awaitable<void> about_provider(delivery::WhyFacts& facts);
    net::awaitable<void> add_journal(delivery::WhyFacts& facts, queue::JournalQuery query);
    net::awaitable<queue::LookedUp> look_up(queue::Lookup lookup);
    net::awaitable<void> add_ways(delivery::WhyFacts& facts);

    queue::QueueStore& store_;
    delivery::DeliveryAgent& agent_;
    net::TaskGroup tasks_;
};

}  // namespace posthorn::app
