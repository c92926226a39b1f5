// Settings of delivery ([delivery]): where to, how much at once, how long to wait.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "smtp/client/options.hpp"

namespace posthorn::delivery {

enum class TlsPolicy : std::uint8_t { none, opportunistic, required };
enum class IpFamily : std::uint8_t { any, v4, v6 };

using ClientTimeouts = smtp::client::ClientTimeouts;

struct DeliveryOptions {
    std::uint16_t port = 25;
    TlsPolicy tls = TlsPolicy::opportunistic;
    std::string tls_ca_file;                             // empty: the system's; used where a certificate is verified
    IpFamily family = IpFamily::any;
    std::string source_v4;                               // local address of outgoing connections, or empty
    std::string source_v6;
    // MX hosts with loopback, private or own addresses are refused (a loop, or somebody's trick) unless this is set.
    bool allow_private_addresses = false;
    std::uint32_t connections_per_site = 5;
    std::uint32_t connections = 200;                     // all sites together
    std::uint32_t messages_per_connection = 100;
    std::uint32_t recipients_per_transaction = 100;      // RFC 5321 s4.5.3.1.8
    std::uint32_t hosts_per_attempt = 5;                 // addresses tried in one attempt
    Duration idle_connection = std::chrono::seconds(5);  // an open connection waits this long for more mail
    Duration broken_tls_memory = std::chrono::hours(24);
    ClientTimeouts timeouts;
    Duration shutdown_grace = std::chrono::seconds(20);
};

}  // namespace posthorn::delivery
