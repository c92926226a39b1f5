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
    // Proxies that say by a PROXY header who their client is. Not empty: only they are served here, and only with a header.
    std::vector<IpNetwork> proxy_networks;
};

struct RelayOptions {
    // Clients that may send without AUTH. Loopback only by default; never a private range by default (docker's NAT).
    std::vector<IpNetwork> trusted_networks;   // config fills in 127.0.0.0/8 and ::1/128 when the key is absent
    bool trust_unix_socket = true;
    // Proxies that may say by XCLIENT who their client is and who has logged in. Nobody is one by default, not even loopback.
    std::vector<IpNetwork> xclient_networks;
    // What makes everybody a client, wanted all the same: wide networks in trusted_networks, the default gateway among them.
    bool accept_open_relay_risk = false;
    bool trust_default_gateway = false;
    // Addresses that are not trusted although trusted_networks has them: the default gateways of private networks, behind
    // which a container's NAT hides every client of a published port. Not a setting: app fills it in from the routing table.
    std::vector<IpAddress> gateways;
};

// What addresses may do before they are made to wait or shut out.
struct GuardOptions {
    std::uint32_t ban_after = 10;                     // failures within `window`; 0: nobody is shut out
    Duration window = std::chrono::minutes(30);
    Duration ban_first = std::chrono::minutes(15);    // doubled each time
    Duration ban_max = std::chrono::hours(24);
    Duration delay_first = std::chrono::seconds(1);   // before the answer to a wrong password, doubled each time; 0: none
    Duration delay_max = std::chrono::seconds(30);
    std::uint32_t connections_per_minute = 120;       // new ones of one address; 0: no limit
    std::uint32_t max_addresses = 20000;              // kept in mind at once
    bool exempt_local = true;                         // loopback; unix sockets always are, they have no address
    bool exempt_trusted = true;                       // relay.trusted_networks
    std::vector<IpNetwork> exempt_networks;
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
    std::uint32_t max_connections_per_client = 100;   // loopback, unix sockets and relay.xclient_networks are exempt
    std::uint64_t max_intake_memory = 64 * 1024 * 1024;  // octets of messages being received, all sessions together
};

struct ServerTimeouts {
    Duration command = std::chrono::minutes(5);      // RFC 5321 s4.5.3.2.7
    Duration data = std::chrono::minutes(3);         // for each 16 KiB of a message (RFC 5321 s4.5.3.2.5)
    Duration tls_handshake = std::chrono::seconds(30);
    // Before a stranger is greeted, to see whether he waits for it (RFC 5321 s4.3.1); 0: only what is there already counts.
    Duration greeting_delay = std::chrono::milliseconds(200);
    Duration authenticated_session = std::chrono::hours(1);
    Duration unauthenticated_session = std::chrono::minutes(10);
    Duration shutdown_grace = std::chrono::seconds(20);  // for sessions under way at SIGTERM
};

// The door of this machine's own programs: a unix socket without TLS and AUTH, where the kernel says who comes.
struct LocalDoorOptions {
    std::string socket = "/run/posthorn/submission.sock";  // empty: none. Config puts it beside admin.socket where it is not set
    std::uint32_t socket_mode = 0666;
    bool needed = false;   // it was set: without it the daemon does not start
};

enum class MinTlsVersion : std::uint8_t { v1_2, v1_3 };

struct CertificateOptions {
    std::string certificate_file;   // PEM, our own first, then the chain
    std::string key_file;
};

struct ServerTlsOptions {
    std::string certificate_file;   // empty, here and in the next ones: STARTTLS is not offered
    std::string key_file;
    std::vector<CertificateOptions> certificates;   // more of them, chosen by the name that a client asks for
    bool self_signed = false;       // one of our own making where no file is named
    MinTlsVersion min_version = MinTlsVersion::v1_2;
    Duration check_interval = std::chrono::seconds(60);   // how often the files are looked at

    [[nodiscard]] bool offered() const { return self_signed || !certificate_file.empty() || !certificates.empty(); }
};

struct ServerOptions {
    std::vector<ListenerOptions> listeners;
    LocalDoorOptions local;
    RelayOptions relay;
    GuardOptions guard;
    ServerLimits limits;
    ServerTimeouts timeouts;
    ServerTlsOptions tls;
};

}  // namespace posthorn::smtp::server
