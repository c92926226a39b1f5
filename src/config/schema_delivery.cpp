// The settings of mail on its way out: [queue], [retry], and [dns] to [warmup].
#include "config/field.hpp"
#include "config/schema.hpp"

namespace posthorn::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr hours kDay(24);
constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kGiB = 1024 * kMiB;

}  // namespace

std::vector<Setting<Config>> queue_settings() {
    using namespace binding;
    return {
        {"queue", "directory", path<Config>(FIELD(queue.directory), false),
         "Where queue.sqlite and large messages lie. Must be a local disk, never NFS or SMB. Unset: queue "
         "below "
         "state_directory."},
        {"queue", "lifetime", duration<Config>(FIELD(queue.lifetime), seconds(1), 30 * kDay),
         "How long a message is tried before its sender is told that it failed (RFC 5321 section 4.5.4.1: 4 "
         "to 5 days)."},
        {"queue", "dsn_lifetime", duration<Config>(FIELD(queue.dsn_lifetime), seconds(1), 30 * kDay),
         "The same for reports of failed delivery, of whose own failure nobody can be told."},
        {"queue", "inline_body_limit", size<Config>(FIELD(queue.inline_body_limit), 0, 16 * kMiB),
         "Message bodies up to this size are kept in the database, larger ones as files beside it."},
        {"queue", "hot_memory", size<Config>(FIELD(queue.hot_memory), 0, 64 * kGiB),
         "Octets of mail due at once that may stay in memory until it is delivered; the rest is read back "
         "from disk."},
        {"queue", "min_free_space", size<Config>(FIELD(queue.min_free_space), 0, 1024 * kGiB),
         "New mail is refused with 452 while the disk has less free than this."},
        {"queue", "inbox_limit", size<Config>(FIELD(queue.inbox_limit), kMiB, 64 * kGiB),
         "Octets of messages that may wait for the disk before new ones are refused with 452."},
        {"queue", "store_deadline", duration<Config>(FIELD(queue.store_deadline), seconds(1), minutes(9)),
         "How long a client waits for the disk before it is told 452."},

        {"retry", "first", duration<Config>(FIELD(retry.first), milliseconds(1), kDay),
         "When a refused message is tried again for the first time."},
        {"retry", "factor", real<Config>(FIELD(retry.factor), 1, 10),
         "Each interval is this many times the one before, the second one as much again: 75 s, 5 min, 10 min, "
         "20 min and so on."},
        {"retry", "max", duration<Config>(FIELD(retry.max), milliseconds(1), kDay),
         "No interval is longer than this."},
        {"retry", "jitter", real<Config>(FIELD(retry.jitter), 0, 0.5),
         "Each interval is spread by plus or minus this share, so that mail refused together does not come "
         "back together."},
        {"retry", "grey", duration<Config>(FIELD(retry.grey), milliseconds(1), kDay),
         "The first interval after greylisting, where the server did not name one; then twice as long each time, up to half an hour."},
        {"retry", "full_mailbox", duration<Config>(FIELD(retry.full_mailbox), milliseconds(1), 7 * kDay),
         "How often a recipient whose mailbox is full is tried."},
        {"retry", "auth_first", duration<Config>(FIELD(retry.auth_first), milliseconds(1), kDay),
         "A provider that refuses mail for its SPF, DKIM, DMARC or PTR (Gmail's 550-5.7.26 and its kin) is suspended for that "
         "sender's domain until DNS is repaired. Where DNS shows nothing to repair, one message probes: after a 4xx after this "
         "time, then twice as long each time up to 32 times; after a 5xx 4, 16 and 48 times."},
        {"retry", "auth_max", duration<Config>(FIELD(retry.auth_max), milliseconds(1), 7 * kDay),
         "No interval between such probes is longer than this."},
        {"retry", "auth_poll", duration<Config>(FIELD(retry.auth_poll), milliseconds(15), kDay),
         "How often DNS is looked at while mail waits for its repair; at first sooner, after 1/15, 2/15, a third and two thirds of it."},
        {"retry", "auth_settle", duration<Config>(FIELD(retry.auth_settle), milliseconds(1), kDay),
         "How long after the repair the probe is sent, so that the provider's own resolvers see it, too."},
        {"retry", "auth_lifetime", duration<Config>(FIELD(retry.auth_lifetime), seconds(1), 30 * kDay),
         "How long mail waits for DNS to be repaired, from when it was first held; never longer than queue.lifetime."},
        {"retry", "rep_first", duration<Config>(FIELD(retry.rep_first), milliseconds(1), kDay),
         "A provider that refuses the machine's address or the domain for its reputation is suspended and probed: after a 4xx "
         "after 1, 2, 4 times this, after a 5xx 2, 4, 8, 24 times, where it says that repeating is in vain 24 times."},
        {"retry", "rep_hold", duration<Config>(FIELD(retry.rep_hold), seconds(0), 30 * kDay),
         "How long a message that was refused so by a 5xx is kept for another try. \"0s\": it is returned at once; other mail waits "
         "in either case."},
        {"retry", "local_interval", duration<Config>(FIELD(retry.local_interval), milliseconds(1), kDay),
         "How often mail is looked at that waits for something of ours, such as a missing key. Also at each "
         "reload."},
        {"retry", "strict_5xx", boolean<Config>(FIELD(retry.strict_5xx)),
         "true: a 5xx for SPF, DKIM or DMARC fails at once like any other 5xx."},
        {"retry", "delay_notice", duration<Config>(FIELD(retry.delay_notice), seconds(0), 30 * kDay),
         "When senders who asked for it (NOTIFY=DELAY) are told that their mail still waits. \"0s\": never."},
    };
}

std::vector<Setting<Config>> delivery_settings() {
    using namespace binding;
    using delivery::IpFamily;
    using delivery::TlsPolicy;
    return {
        {"dns", "servers", servers<Config>(FIELD(dns.servers), 53),
         "Resolvers to ask. Empty: those of /etc/resolv.conf. Do not use a public resolver for mail: lists "
         "refuse to answer "
         "them."},
        {"dns", "trust_ad", boolean<Config>(FIELD(dns.trust_ad)),
         "Whether these servers are believed when they say that DNSSEC was checked. Only for a validating "
         "resolver on this machine, or on a private network where nobody else answers for it; `posthorn route test` tells when they say it of nothing. Needed for DANE."},
        {"dns", "timeout", duration<Config>(FIELD(dns.timeout), milliseconds(100), minutes(1)),
         "How long the first question to one server waits."},
        {"dns", "tries", integer<Config>(FIELD(dns.tries), 1, 10), "How often each server is asked."},
        {"dns", "cache_entries", integer<Config>(FIELD(dns.cache_entries), 0, 10'000'000),
         "Answers kept in memory."},
        {"dns", "max_ttl", duration<Config>(FIELD(dns.max_ttl), seconds(0), 7 * kDay),
         "No answer is kept longer than this, whatever its TTL."},
        {"dns", "negative_ttl", duration<Config>(FIELD(dns.negative_ttl), seconds(0), kDay),
         "No answer that something does not exist is kept longer than this."},
        {"dns", "authority_servers", integer<Config>(FIELD(dns.authority_servers), 0, 20),
         "How many of the servers of a zone a diagnosis asks itself, past the resolver: what they say is what is published. 0: none, "
         "where no machine but the resolver can be asked."},
        {"dns", "authority_timeout", duration<Config>(FIELD(dns.authority_timeout), milliseconds(100), minutes(1)),
         "How long the first of two questions to such a server waits."},
        {"dns", "authority_private", boolean<Config>(FIELD(dns.authority_private)),
         "Whether such servers are asked at loopback and private addresses, too: where this network has zones of its own."},
        {"dns", "authority_port", integer<Config>(FIELD(dns.authority_port), 1, 65535),
         "The port of such servers. Anything but 53 is for tests."},

        {"delivery", "port", integer<Config>(FIELD(delivery.port), 1, 65535),
         "The port of the receiving servers. Anything but 25 is for tests."},
        {"delivery", "tls",
         choice<Config>(
             FIELD(delivery.tls),
             std::vector<std::pair<std::string, TlsPolicy>>{{"opportunistic", TlsPolicy::opportunistic},
                                                            {"required", TlsPolicy::required},
                                                            {"none", TlsPolicy::none}}),
         "opportunistic: TLS wherever it is offered, clear text where it is not or is broken. required: no "
         "TLS, no delivery."},
        {"delivery", "chunking",
         choice<Config>(FIELD(delivery.chunking),
                        std::vector<std::pair<std::string, bool>>{{"auto", true}, {"off", false}}),
         "auto: the message goes by BDAT (RFC 3030) where the server offers CHUNKING. off: always by DATA, which every "
         "server has used the longest."},
        {"delivery", "provider_rules", path<Config>(FIELD(delivery.provider_rules), true),
         "A file of your own with providers and rules about their replies. Its rules come before those that are built in; "
         "docs/REFUSALS.md tells how they are written. Empty: none."},
        {"delivery", "tls_ca_file", path<Config>(FIELD(delivery.tls_ca_file), true),
         "Certificates of the authorities we trust, in PEM. Empty: the system's."},
        {"delivery", "tls_certificate_file", path<Config>(FIELD(delivery.tls_certificate_file), true),
         "A certificate with its chain, in PEM, that is shown to receiving servers and relays that ask for one. With "
         "tls_key_file. Empty: none is shown, which is right for mail to the Internet."},
        {"delivery", "tls_key_file", path<Config>(FIELD(delivery.tls_key_file), true),
         "The private key of tls_certificate_file, in PEM, without a passphrase."},
        {"delivery", "mta_sts", boolean<Config>(FIELD(delivery.mta_sts)),
         "Whether the MTA-STS policies of recipient domains (RFC 8461) are fetched and kept to. A policy of mode enforce lets "
         "mail go only to the hosts it names, and only when they prove themselves."},
        {"delivery", "mta_sts_port", integer<Config>(FIELD(delivery.mta_sts_port), 1, 65535),
         "The port that policies are fetched from. Anything but 443 is for tests."},
        {"delivery", "family",
         choice<Config>(FIELD(delivery.family),
                        std::vector<std::pair<std::string, IpFamily>>{{"auto", IpFamily::automatic},
                                                                      {"any", IpFamily::any},
                                                                      {"v4", IpFamily::v4},
                                                                      {"v6", IpFamily::v6}}),
         "Which addresses of the receiving servers are used. auto: both, but IPv6 only from an address whose PTR record "
         "leads to a name that leads back to it, since Gmail refuses others; the log says at the start what was found. any: "
         "both, whatever the PTR."},
        {"delivery", "source_v4",
         text<Config>(FIELD(delivery.source_v4), "an IPv4 address of this machine, or \"\""),
         "The local address of outgoing connections over IPv4. Empty: the system chooses."},
        {"delivery", "source_v6",
         text<Config>(FIELD(delivery.source_v6), "an IPv6 address of this machine, or \"\""),
         "The same for IPv6."},
        {"delivery", "allow_private_addresses", boolean<Config>(FIELD(delivery.allow_private_addresses)),
         "Whether mail is delivered to loopback and private addresses when DNS names them. For tests and "
         "closed networks."},
        {"delivery", "connections_per_site", integer<Config>(FIELD(delivery.connections_per_site), 1, 1000),
         "Connections at once to one set of receiving servers, however many domains they serve."},
        {"delivery", "connections", integer<Config>(FIELD(delivery.connections), 1, 100000),
         "Connections at once to all receiving servers together."},
        {"delivery", "messages_per_connection",
         integer<Config>(FIELD(delivery.messages_per_connection), 1, 100000),
         "Messages sent over one connection before it is closed."},
        {"delivery", "recipients_per_transaction",
         integer<Config>(FIELD(delivery.recipients_per_transaction), 1, 1000),
         "Recipients named in one transaction (RFC 5321 section 4.5.3.1.8: 100)."},
        {"delivery", "hosts_per_attempt", integer<Config>(FIELD(delivery.hosts_per_attempt), 1, 100),
         "Addresses tried in one attempt. RFC 5321 section 5.1 asks for at least two."},
        {"delivery", "idle_connection",
         duration<Config>(FIELD(delivery.idle_connection), seconds(0), minutes(5)),
         "How long an open connection waits for more mail to the same site."},
        {"delivery", "broken_tls_memory",
         duration<Config>(FIELD(delivery.broken_tls_memory), seconds(0), 30 * kDay),
         "How long a host whose TLS is broken is spoken to in clear text without trying again."},
        {"delivery", "bounce_to",
         text<Config>(FIELD(delivery.bounce_to), "an address such as \"admin@example.com\", or \"\""),
         "Who gets the reports about failed mail of senders at this server's own host name, at localhost or at no domain "
         "(root, www-data, cron), who have no mailbox as a rule. [[domain]] has a bounce_to of its own. Empty: the senders "
         "themselves."},
        {"delivery", "bounce_returned_size", size<Config>(FIELD(delivery.bounce_returned_size), 0, 64 * kMiB),
         "A failed message up to this size returns whole where its sender asked for that (RET=FULL), else its header alone."},
        {"delivery", "bounces_per_hour", integer<Config>(FIELD(delivery.bounces_per_hour), 0, 1'000'000),
         "Reports that one address gets in an hour; what comes beyond is summed up in one message at its end. 0: no limit."},
        {"delivery", "shutdown_grace",
         duration<Config>(FIELD(delivery.shutdown_grace), seconds(0), minutes(10)),
         "How long deliveries under way may take to end when the daemon stops."},

        {"delivery.timeouts", "connect",
         duration<Config>(FIELD(delivery.timeouts.connect), milliseconds(100), minutes(10)), "Per address."},
        {"delivery.timeouts", "tls_handshake",
         duration<Config>(FIELD(delivery.timeouts.tls_handshake), milliseconds(100), minutes(10)),
         "The TLS handshake."},
        {"delivery.timeouts", "greeting",
         duration<Config>(FIELD(delivery.timeouts.greeting), milliseconds(100), hours(1)),
         "The server's first line (RFC 5321 section 4.5.3.2.1: at least 5 minutes)."},
        {"delivery.timeouts", "command",
         duration<Config>(FIELD(delivery.timeouts.command), milliseconds(100), hours(1)),
         "The answer to EHLO, AUTH, MAIL, RCPT and RSET (at least 5 minutes)."},
        {"delivery.timeouts", "data",
         duration<Config>(FIELD(delivery.timeouts.data), milliseconds(100), hours(1)),
         "The answer to DATA (at least 2 minutes)."},
        {"delivery.timeouts", "data_block",
         duration<Config>(FIELD(delivery.timeouts.data_block), milliseconds(100), hours(1)),
         "Sending one block of the message (at least 3 minutes)."},
        {"delivery.timeouts", "end_of_data",
         duration<Config>(FIELD(delivery.timeouts.end_of_data), milliseconds(100), hours(2)),
         "The answer to the final dot (at least 10 minutes: a shorter one makes duplicates)."},
        {"delivery.timeouts", "session",
         duration<Config>(FIELD(delivery.timeouts.session), seconds(1), kDay),
         "All of a session's opening, and all of one message, however often the server shows that it is alive."},
        {"delivery.timeouts", "quit",
         duration<Config>(FIELD(delivery.timeouts.quit), milliseconds(100), minutes(10)),
         "The answer to QUIT."},

        {"tlsrpt", "contact",
         text<Config>(FIELD(delivery.tls_report.contact), "an address of one of the [[domain]]s, such as \"tls@example.com\", or \"\""),
         "Who may be asked about our reports; they are sent from this address, signed with its domain's key. Empty: no reports.",
         "\"postmaster@example.com\""},
        {"tlsrpt", "organization", text<Config>(FIELD(delivery.tls_report.organization), "a name"),
         "Who we are, in the reports. Empty: the domain of the contact."},
        {"tlsrpt", "delay", duration<Config>(FIELD(delivery.tls_report.delay), seconds(0), hours(12)),
         "Reports go out at a random time this long after midnight UTC at the most (RFC 8460 section 4.1: up to 4 hours)."},

        {"suppression", "mail",
         choice<Config>(FIELD(delivery.suppression.mail),
                        std::vector<std::pair<std::string, delivery::SuppressedMail>>{{"streams", delivery::SuppressedMail::streams},
                                                                                      {"all", delivery::SuppressedMail::all},
                                                                                      {"off", delivery::SuppressedMail::off}}),
         "Whose mail to them is stopped here, with a report to its sender: that of list streams ([[stream]]), all mail, or nobody's; then "
         "nobody is put on the list either. `posthorn suppression` shows and changes the list."},

        {"warmup", "start", integer<Config>(FIELD(delivery.warm_up.start), 0, 1'000'000),
         "How many recipients a provider is sent on the first day; about 50 for an address that never sent mail. 0: no plan."},
        {"warmup", "growth", real<Config>(FIELD(delivery.warm_up.growth), 1.01, 10),
         "A day's number over that of the day before. A day counts when half of its number was used and the provider never asked for less."},
        {"warmup", "until", integer<Config>(FIELD(delivery.warm_up.until), 1, 100'000'000),
         "When a day's number comes to this, the plan is over: no limit any more."},
        {"warmup", "providers", texts<Config>(FIELD(delivery.warm_up.providers), "a list of names of providers, such as [\"google\"]"),
         "Where plans hold. Empty: for every provider that is known."},
        {"warmup", "sources", texts<Config>(FIELD(delivery.warm_up.sources), "a list of local addresses, such as [\"192.0.2.1\"]"),
         "Which local addresses are new: of delivery.source_v4 and [[domain]], where there is none source_v6, or \"default\" for what the "
         "kernel chooses. Empty: all, each with a plan of its own."},
    };
}

}  // namespace posthorn::config
