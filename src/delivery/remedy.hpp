// Refusals that another connection mends at once: over IPv4, under TLS, without an extension, to another host, or just a new one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "delivery/judgement.hpp"
#include "delivery/quirks.hpp"

namespace posthorn::smtp::client {
class Connection;
}

namespace posthorn::delivery {

struct DeliveryPlan;

// How the refused message travelled.
struct Carriage {
    Carriage() = default;
    explicit Carriage(const DeliveryPlan& plan);
    // What became known of the one that was spoken to; `host` as in Outcome, "mx.example.com[2001:db8::1]".
    void note_opening(const std::string& host);
    void note_transaction(const smtp::client::Connection& connection);

    std::string group;
    std::string domain;              // of the recipients
    std::string host;                // the MX host's name; empty where no connection came about
    bool by_relay = false;           // then what it wants of TLS and addresses is the configuration's to say
    bool tls_off = false;            // the operator wants none (delivery.tls, or the provider's)
    bool ipv6 = false;
    bool secure = false;
    bool starttls = false;           // it is offered
    bool pipelining = false, chunking = false, smtputf8 = false;   // were in use
    std::vector<std::string> hosts;  // of the plan, but for those known to refuse the domain
    std::uint32_t transactions = 0;  // of the connection, this one included
};

struct Remedy {
    std::optional<Quirk> quirk;      // nothing: a new connection is all it takes
    std::string of;                  // see Quirk
};

// Pure. Nothing: there is none, and the judgement holds as it is.
[[nodiscard]] std::optional<Remedy> remedy_for(const Judgement& judgement, smtp::protocol::Stage stage, const Carriage& carriage);

}  // namespace posthorn::delivery
