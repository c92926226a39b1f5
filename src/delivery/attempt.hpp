// One delivery under way: a message for recipients of one domain, and what is known of it at each step.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "delivery/agent.hpp"
#include "delivery/conversion.hpp"
#include "delivery/flow.hpp"
#include "delivery/in_doubt.hpp"
#include "delivery/pool.hpp"
#include "delivery/remedy.hpp"
#include "delivery/verdict.hpp"
#include "delivery/ways.hpp"
#include "net/wait_event.hpp"
#include "queue/scheduler.hpp"

namespace posthorn::delivery {

// The text above a message, being made or made. Shared by deliveries of one message to several destinations, so that it is
// signed once.
struct Prefix {
    explicit Prefix(boost::asio::any_io_executor executor) : ready(std::move(executor)) {}
    net::Event ready;
    std::string text;
    std::string hold_reason;               // not empty: the message must not leave now
};

// The 7-bit form of a message, being made or made. Shared by the deliveries that need it at the same time, and gone with the
// last of them.
struct Conversion {
    explicit Conversion(boost::asio::any_io_executor executor) : ready(std::move(executor)) {}
    net::Event ready;
    Converted made;
};

// Owned by the frame of deliver(). Its slot of the site is taken until `finished`, its connection goes back to the pool only
// when its outcome is recorded, its mark of doubt is cleared then.
struct Attempt {
    Attempt(queue::StartDelivery start, std::shared_ptr<const Settings> current, InDoubtFile& in_doubt)
        : site(start.site),
          destination(start.destination),
          domain(std::move(start.domain)),
          id(start.message),
          passage(start.passage),
          settings(std::move(current)),
          mark(in_doubt) {
        message = std::move(start.recipients.front().hot);
        recipients.reserve(start.recipients.size());
        for (queue::ReadyRecipient& ready : start.recipients) recipients.push_back(std::move(ready.recipient));
    }
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;

    const queue::SiteId site;
    const queue::DestinationId destination;
    const std::string domain;
    const QueueId id;
    const queue::Passage passage;          // by the scheduler's gates
    const std::shared_ptr<const Settings> settings;
    std::vector<queue::Recipient> recipients;
    mail::MessagePtr message;              // null until it is loaded, where it was not in memory
    std::string damage;                    // why the message must not leave as it is; empty: it may
    std::shared_ptr<Prefix> prefix;
    // What the server at hand gets: the message, or its 7-bit form, which is signed apart.
    mail::MessagePtr form;
    std::shared_ptr<Prefix> form_prefix;
    std::shared_ptr<Conversion> conversion;
    const SteadyTime began = std::chrono::steady_clock::now();
    bool finished = false;                 // the scheduler has its slot back
    bool shortage = false;                 // there is no connection because we are short of something ourselves

    // What came of it.
    std::vector<Judged> judged;
    std::string transcript;                // of the session, where somebody did not get the message, or it is a send-test
    bool peer_sends_dsn = false;
    InDoubtFile::Mark mark;
    ConnectionPool::ConnectionPtr connection;   // that carried it, still open; or null
    bool pooled = false;                        // it had waited in the pool
    bool reuse = false;                         // it may carry more, once the outcome is recorded
    std::string manner;                         // that the connection was made in
    std::string provider;                       // whose hosts these are, or empty
    std::string group;                          // DeliveryPlan::group; empty before there was a plan
    Carriage carriage;                          // how it went, for remedies
    Flow flow;                                  // empty group: there was no plan
    Way way;
    std::uint32_t messages_per_connection = 0;  // to where it goes
    bool site_rests = false;                    // no other message fares better there now
};

}  // namespace posthorn::delivery
