// Settings of delivery ([delivery], [[relay]], [[route]], [[provider]]): where to, how much at once, how long to wait.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/rate.hpp"
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

// One machine of a relay, or with RelayOptions::mx a domain whose MX records name the machines.
struct RelayHost {
    std::string name;                                    // "smtp.example.com", "192.0.2.1", "2001:db8::1"
    std::uint16_t port = 0;                              // 0, in options only: the relay's default
    bool literal = false;                                // name is an address

    friend bool operator==(const RelayHost&, const RelayHost&) = default;
};

// Another server of ours, or one we have an account with, that delivers for us: a smarthost ([[relay]]).
struct RelayOptions {
    std::string name;                                    // by which [[route]] speaks of it
    // Tried in this order. Default port: 465 with tls = implicit, else 587 where there is a login, else 25.
    std::vector<RelayHost> hosts;
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
inline constexpr std::string_view kDirect = "direct";

// Whether a message that a 5xx refused for want of authentication may be sent again once DNS is repaired.
enum class AfterFix : std::uint8_t { resend, resend_once, bounce };

// Many domains served by the same machines, and what they want ([[provider]], etc/providers.toml).
struct ProviderOptions {
    std::string name;
    std::string family;                                  // "microsoft", of several groups of hosts with the same rules; or empty
    std::vector<std::string> mx;                         // "mx.example.net", "*.example.net": the first MX host is one of these
    std::uint32_t connections = 0;                       // at once to all their sites together; 0: connections_per_site to each
    std::uint32_t messages_per_connection = 0;           // 0: as for all
    std::optional<TlsPolicy> tls;                        // nothing: as for all
    std::optional<Rate> rate;                            // recipients, over all connections (PR-14); nothing: no limit
    // Recipients in 24 hours from which a sender's organisational domain is "bulk" to them for ever (PR-8, PR-26), and where an alarm
    // says that it comes close; 0: there is no such mark.
    std::uint32_t daily_mark = 0, daily_warning = 0;
    std::optional<AfterFix> after_fix;                   // nothing: resend
};

// How much a local address that is new to a provider may send it in a day ([warmup], PR-14).
struct WarmUpOptions {
    std::uint32_t start = 0;                             // recipients on the first day; 0: no plan
    double growth = 1.5;                                 // of a day's number over that of the day before
    std::uint32_t until = 10000;                         // a day's number from which there is none any more
    std::vector<std::string> providers;                  // names; empty: every provider that is known
    std::vector<std::string> sources;                    // local addresses, "default" for the kernel's choice; empty: each of its own
};

// The local addresses of one sender domain ([[domain]] source_v4, source_v6).
struct SourceOptions {
    std::string domain;                                  // lower case A-label; also of what lies below it
    std::string v4, v6;                                  // empty: as for all
};

// Reports about TLS to domains that ask for them ([tlsrpt], RFC 8460).
struct TlsReportOptions {
    std::string contact;                                 // whom receivers may ask, and who sends; empty: no reports
    std::string organization;                            // empty: the domain of the contact
    Duration delay = std::chrono::hours(4);              // the longest time after midnight UTC
};

// Addresses that were refused for good ([suppression]): whose mail to them is stopped here.
enum class SuppressedMail : std::uint8_t { off, streams, all };
struct SuppressionOptions {
    SuppressedMail mail = SuppressedMail::streams;       // off: nobody is put on the list either
};

struct DeliveryOptions {
    std::uint16_t port = 25;
    TlsPolicy tls = TlsPolicy::opportunistic;
    bool chunking = false;                               // BDAT in place of DATA where it is offered (RFC 3030)
    std::string tls_ca_file;                             // empty: the system's; used where a certificate is verified
    bool mta_sts = true;                                 // RFC 8461
    std::uint16_t mta_sts_port = 443;                    // for tests: where policies are fetched
    TlsReportOptions tls_report;
    SuppressionOptions suppression;
    // Shown to peers that ask for a certificate; both empty: none.
    std::string tls_certificate_file, tls_key_file;
    IpFamily family = IpFamily::automatic;
    std::string source_v4;                               // local address of outgoing connections, or empty
    std::string source_v6;
    std::vector<SourceOptions> sources;                  // where it differs by sender domain
    std::string provider_rules;                          // the operator's file of rules; empty: none
    std::vector<RelayOptions> relays;
    std::vector<RouteOptions> routes;
    std::vector<ProviderOptions> providers;              // with the known ones: ProviderRules::with_settings()
    WarmUpOptions warm_up;
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
    std::string bounce_to;                               // who gets the DSNs for senders at our own host name; empty: themselves
    std::uint64_t bounce_returned_size = 50 * 1024;      // of an original that returns whole (RET=FULL); larger: header only
    std::uint32_t bounces_per_hour = 100;                // DSNs to one address; 0: no limit
};

}  // namespace posthorn::delivery
