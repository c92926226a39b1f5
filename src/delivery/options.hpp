// Settings of delivery ([delivery], [[relay]], [[route]], [[provider]]): where to, how much at once, how long to wait.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "smtp/client/options.hpp"

namespace posthorn::delivery {

enum class TlsPolicy : std::uint8_t { none, opportunistic, required };
// automatic: both, but IPv6 only from an address whose PTR record is in order (source_address.hpp).
enum class IpFamily : std::uint8_t { automatic, any, v4, v6 };

using ClientTimeouts = smtp::client::ClientTimeouts;

// What a relay's TLS must be. verified: STARTTLS, and its certificate shows the host's name; implicit: the same, TLS from the
// first octet (RFC 8314 s3.3). by_port: implicit on port 465, verified on 587 and wherever there is a password, else
// opportunistic.
enum class RelayTls : std::uint8_t { by_port, none, opportunistic, required, verified, implicit };

// Another server of ours, or one we have an account with, that delivers for us: a smarthost ([[relay]]).
struct RelayOptions {
    std::string name;                                    // by which [[route]] speaks of it
    // "smtp.example.com", "smtp.example.com:587", "192.0.2.1", "[2001:db8::1]:25": tried in this order. The port is 25 where
    // there is no password, else 587.
    std::vector<std::string> hosts;
    bool mx = false;                                     // the hosts are domains, whose MX records name the machines
    RelayTls tls = RelayTls::by_port;
    std::string user;                                    // empty: no AUTH
    std::string password;                                // or in password_file; never shown
    std::string password_file;
    std::vector<std::string> mechanisms;                 // upper case; empty: the strongest both sides know
};

// Which mail goes where. All criteria that are given must hold; of a criterion's list any one. The first rule that holds
// decides; where none does, mail goes to the hosts that DNS names ([[route]]).
struct RouteOptions {
    // Domains "example.com", all below one "*.example.com", "*"; address literals "[192.0.2.1]". Lower case A-labels.
    std::vector<std::string> recipients;
    std::vector<std::string> senders;                    // the same, of the envelope's sender (of From for null senders)
    std::vector<std::string> providers;                  // names of [[provider]]
    std::string to = "direct";                           // a [[relay]], or "direct"
    std::string fallback;                                // a [[relay]] for while the direct way is blocked, or empty
    Duration fallback_after = std::chrono::minutes(15);  // without any connection
};
inline constexpr const char* kDirect = "direct";

// Many domains served by the same machines, and what they want ([[provider]]).
struct ProviderOptions {
    std::string name;
    std::vector<std::string> mx;                         // "mx.example.net", "*.example.net": the first MX host is one of these
    std::uint32_t connections = 0;                       // at once to one site of theirs; 0: connections_per_site
    std::uint32_t messages_per_connection = 0;           // 0: as for all
    std::optional<TlsPolicy> tls;                        // nothing: as for all
};

// The local addresses of one sender domain ([[domain]] source_v4, source_v6).
struct SourceOptions {
    std::string domain;                                  // lower case A-label; also of what lies below it
    std::string v4, v6;                                  // empty: as for all
};

struct DeliveryOptions {
    std::uint16_t port = 25;
    TlsPolicy tls = TlsPolicy::opportunistic;
    std::string tls_ca_file;                             // empty: the system's; used where a certificate is verified
    IpFamily family = IpFamily::automatic;
    std::string source_v4;                               // local address of outgoing connections, or empty
    std::string source_v6;
    std::vector<SourceOptions> sources;                  // where it differs by sender domain
    std::vector<RelayOptions> relays;
    std::vector<RouteOptions> routes;
    std::vector<ProviderOptions> providers;              // with the built-in ones; see with_known_providers()
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
