// Settings of webhooks ([[webhook]]) and of alarms ([alarm]).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::events {

// Where what becomes of mail is told, as it happens (docs/EVENTS.md).
struct WebhookOptions {
    std::string name;                       // in the log, in alarms, and of its place in the journal
    std::string url;
    std::string secret, secret_file;        // what the bodies are signed with; one of them
    std::string old_secret_file;            // while the receiver's is being changed: bodies are signed with both
    std::vector<std::string> events;        // "delivered", "deferred", "failed", "suppressed"; empty: all
    std::vector<std::string> senders;       // domains of envelope senders, "*.example.com" for all below one; empty: all
    std::vector<std::string> streams;       // empty: all, and mail of no stream
    std::uint32_t batch = 100;              // events in one request, at most
    Duration batch_wait = std::chrono::seconds(2);   // how long the first event of a batch waits for others
    Duration timeout = std::chrono::seconds(10);     // for a request and its answer
    Duration retry_first = std::chrono::seconds(5);  // doubled with each failure in a row
    Duration retry_max = std::chrono::minutes(10);
    std::string ca_file;                    // empty: delivery.tls_ca_file
    bool allow_http = false;                // clear text to a host that is not near
};

// What the operator is told at once, and how.
struct AlarmOptions {
    std::vector<std::string> command;       // argv, no shell; empty: none
    Duration command_timeout = std::chrono::seconds(30);
    std::string webhook;                    // a URL; empty: none
    std::string webhook_secret_file;
    Duration repeat = std::chrono::hours(24);
    Duration interval = std::chrono::minutes(1);     // between looks at the figures
    // Bounds; 0 turns the rule off.
    Duration nothing_leaves = std::chrono::hours(4);
    Duration oldest = std::chrono::hours(24);
    double success = 0.5;                   // share of deliveries towards a provider, of the last hour
    std::uint32_t success_least = 20;       // results in that hour, of which fewer say nothing
    Duration certificate = std::chrono::hours(14 * 24);
    std::uint64_t disk_free = 256 * 1024 * 1024;
    Duration key_check = std::chrono::hours(1);      // between looks at DNS for our DKIM keys
    Duration webhook_failing = std::chrono::minutes(15);
};

struct EventOptions {
    std::vector<WebhookOptions> webhooks;
    AlarmOptions alarm;
};

}  // namespace posthorn::events
