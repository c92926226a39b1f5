// Settings of the submission server: listeners, who may relay, limits and timeouts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/endpoint.hpp"

namespace posthorn::smtp::server {

enum class ListenerTls : std::uint8_t { none, starttls, implicit };
enum class ListenerAuth : std::uint8_t { none, optional, required };

struct ListenerOptions {
    Endpoint address;
    ListenerTls tls = ListenerTls::starttls;
    ListenerAuth auth = ListenerAuth::optional;
    // AUTH without TLS, for loopback and unix sockets only; elsewhere the configuration is refused.
    bool auth_without_tls = false;
    // Mode of a unix socket's file.
    std::uint32_t socket_mode = 0666;
    // Name shown in logs; made from the address when empty.
    std::string name;
};

struct RelayOptions {
    // Clients that may send without AUTH. Loopback only by default; never a private range by default (docker's NAT).
    std::vector<IpNetwork> trusted_networks;   // config fills in 127.0.0.0/8 and ::1/128 when the key is absent
    bool trust_unix_socket = true;
};

struct ServerLimits {
    std::uint64_t max_message_size = 35 * 1024 * 1024;
    std::uint32_t max_recipients = 1000;          // per transaction; beyond it 452 4.5.3
    std::uint32_t max_command_line = 2048;        // octets with CRLF (RFC 5321 s4.5.3.1.4 plus extensions)
    std::uint32_t max_auth_line = 12288;          // RFC 4954 s4
    std::uint32_t max_errors = 20;                // bad commands per connection, then 421
    std::uint32_t max_auth_failures = 3;          // per connection, then 421
    std::uint32_t max_received_fields = 50;       // Gmail refuses at 50 (RFC 5321 s6.3)
    std::uint64_t max_header_size = 256 * 1024;
    std::uint32_t max_connections = 1000;
    std::uint32_t max_connections_per_client = 100;   // loopback and unix sockets are exempt
    std::uint64_t max_intake_memory = 64 * 1024 * 1024;  // octets of messages being received, all sessions together
};

struct ServerTimeouts {
    Duration command = std::chrono::minutes(5);      // RFC 5321 s4.5.3.2.7
    Duration data = std::chrono::minutes(3);         // between two blocks of DATA
    Duration tls_handshake = std::chrono::seconds(30);
    Duration authenticated_session = std::chrono::hours(1);
    Duration unauthenticated_session = std::chrono::minutes(10);
    Duration shutdown_grace = std::chrono::seconds(20);  // for sessions under way at SIGTERM
};

struct ServerTlsOptions {
    std::string certificate_file;   // PEM chain; empty: STARTTLS is not offered
    std::string key_file;
};

struct ServerOptions {
    std::vector<ListenerOptions> listeners;
    RelayOptions relay;
    ServerLimits limits;
    ServerTimeouts timeouts;
    ServerTlsOptions tls;
    // Received fields do not show where mail was submitted from: a person's address at home, a container's inside.
    bool hide_client_address = false;
};

}  // namespace posthorn::smtp::server
