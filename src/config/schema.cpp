// The settings of the daemon: [submission] to [log].
#include "config/schema.hpp"

#include "base/text.hpp"

namespace posthorn::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr hours kDay(24);
constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr std::uint64_t kGiB = 1024 * kMiB;

// The field of an owner, const or not: what a binding needs to read and to set it.
#define FIELD(member)          \
    [](auto& owner) -> auto& { \
        return owner.member;   \
    }

using Rows = std::vector<Setting<Config>>;

void add_identity(Rows& rows) {
    using namespace binding;
    const std::vector<Setting<Config>> own = {
        {"", "hostname",
         text<Config>(FIELD(hostname), "a fully qualified domain name such as \"mail.example.com\""),
         "The name this server gives itself in its greeting, EHLO, Received and reports. Its A and AAAA "
         "records must be this "
         "machine's public addresses, and their PTR records this name. Required: it is never guessed from "
         "the machine, which "
         "in a container would be a random id.",
         "\"mail.example.com\"", true},
        {"", "state_directory", path<Config>(FIELD(state_directory), false),
         "Where Posthorn keeps what it must not lose. queue.directory lies below it unless it is set."},
        {"", "postmaster",
         text<Config>(FIELD(postmaster), "an address such as \"postmaster@example.com\", or \"\""),
         "Who gets mail for <postmaster> without a domain. Empty: postmaster at the first [[domain]]."},
    };
    rows.insert(rows.end(), own.begin(), own.end());
}

void add_submission(Rows& rows) {
    using namespace binding;
    const std::vector<Setting<Config>> own = {
        {"submission", "trusted_networks", networks<Config>(FIELD(server.relay.trusted_networks)),
         "Clients that may send without logging in. Be careful with container networks: behind Docker's NAT "
         "every client of a "
         "published port looks like the bridge's gateway, so trusting the bridge trusts the world."},
        {"submission", "trust_unix_socket", boolean<Config>(FIELD(server.relay.trust_unix_socket)),
         "Whether clients of unix socket listeners may send without logging in."},
        {"submission", "xclient_networks", networks<Config>(FIELD(server.relay.xclient_networks)),
         "Proxies that may say by XCLIENT who their client is and as whom it has logged in. They are believed without a "
         "password: single addresses, each of a machine of yours. Not even loopback is one by itself."},
        {"submission", "hide_client_address",
         reworded(choice<Config>(FIELD(intake.hide_client_address),
                                 std::vector<std::pair<std::string, intake::ClientAddress>>{
                                     {"private", intake::ClientAddress::hide_private},
                                     {"always", intake::ClientAddress::hide},
                                     {"never", intake::ClientAddress::show}}),
                  "\"always\" is what true was, \"never\" what false was"),
         "What Received fields keep quiet about: private addresses (loopback, RFC 1918, link-local, ULA) and "
         "names that mean nothing outside, such as a container's; any client's address and name, such as a "
         "person's at home; or nothing."},

        {"submission.limits", "max_message_size",
         size<Config>(FIELD(server.limits.max_message_size), 64 * kKiB, kGiB),
         "Larger messages are refused with 552, already at MAIL when the client says the size (RFC 1870)."},
        {"submission.limits", "max_recipients",
         integer<Config>(FIELD(server.limits.max_recipients), 100, 100000),
         "Recipients of one transaction; further ones are answered 452. RFC 5321 section 4.5.3.1.8 asks for "
         "at least 100."},
        {"submission.limits", "max_command_line",
         integer<Config>(FIELD(server.limits.max_command_line), 512, 65536),
         "Octets of one command with its CRLF. RFC 5321 section 4.5.3.1.4 asks for at least 512."},
        {"submission.limits", "max_auth_line",
         integer<Config>(FIELD(server.limits.max_auth_line), 512, 65536),
         "Octets of one line of an AUTH exchange. RFC 4954 section 4 asks for 12288."},
        {"submission.limits", "max_errors", integer<Config>(FIELD(server.limits.max_errors), 1, 10000),
         "Bad commands in one connection before it is closed with 421."},
        {"submission.limits", "max_auth_failures",
         integer<Config>(FIELD(server.limits.max_auth_failures), 1, 100),
         "Wrong passwords in one connection before it is closed with 421."},
        {"submission.limits", "max_received_fields",
         integer<Config>(FIELD(server.limits.max_received_fields), 10, 1000),
         "A message with more Received fields than this is taken for one that loops. Gmail refuses at 50."},
        {"submission.limits", "max_header_size",
         size<Config>(FIELD(server.limits.max_header_size), 16 * kKiB, 16 * kMiB),
         "Octets of a message's header."},
        {"submission.limits", "max_connections",
         integer<Config>(FIELD(server.limits.max_connections), 1, 100000),
         "Connections at once, all listeners together. The last tenth is kept for loopback and unix "
         "sockets."},
        {"submission.limits", "max_connections_per_client",
         integer<Config>(FIELD(server.limits.max_connections_per_client), 1, 100000),
         "Connections at once from one address; over IPv6 from one network of 64 bits. Loopback, unix sockets "
         "and xclient_networks are exempt."},
        {"submission.limits", "max_intake_memory",
         size<Config>(FIELD(server.limits.max_intake_memory), kMiB, 64 * kGiB),
         "Octets of messages being received that may be in memory, all sessions together; beyond it 452."},

        {"submission.timeouts", "command",
         duration<Config>(FIELD(server.timeouts.command), seconds(1), hours(1)),
         "How long a session waits for the next command (RFC 5321 section 4.5.3.2.7: 5 minutes)."},
        {"submission.timeouts", "data", duration<Config>(FIELD(server.timeouts.data), seconds(1), hours(1)),
         "How long a session waits for the next 16 KiB of a message, or its end."},
        {"submission.timeouts", "tls_handshake",
         duration<Config>(FIELD(server.timeouts.tls_handshake), seconds(1), minutes(10)),
         "How long a TLS handshake may take."},
        {"submission.timeouts", "greeting_delay",
         duration<Config>(FIELD(server.timeouts.greeting_delay), milliseconds(0), seconds(30)),
         "How long a stranger has to wait for the greeting, without TLS from the start. Who speaks before it is refused: "
         "programs that send spam do not listen. Local and trusted clients do not wait. 0: no wait, but what was said "
         "before the greeting still counts."},
        {"submission.timeouts", "authenticated_session",
         duration<Config>(FIELD(server.timeouts.authenticated_session), seconds(10), kDay),
         "How long a session with a logged-in or trusted client may last."},
        {"submission.timeouts", "unauthenticated_session",
         duration<Config>(FIELD(server.timeouts.unauthenticated_session), seconds(10), kDay),
         "How long any other session may last."},
        {"submission.timeouts", "shutdown_grace",
         duration<Config>(FIELD(server.timeouts.shutdown_grace), seconds(0), minutes(10)),
         "How long sessions under way may take to end when the daemon stops."},

        {"tls", "certificate_file", path<Config>(FIELD(server.tls.certificate_file), true),
         "The certificate chain in PEM, our own first (certbot's fullchain.pem). Without any certificate no TLS "
         "is offered. When the files change, the new pair is taken by itself, if it is good. More certificates "
         "are [[certificate]] tables."},
        {"tls", "key_file", path<Config>(FIELD(server.tls.key_file), true),
         "The certificate's private key in PEM (certbot's privkey.pem)."},
        {"tls", "self_signed", boolean<Config>(FIELD(server.tls.self_signed)),
         "Whether Posthorn makes a certificate for hostname itself, in state_directory. Clients that check "
         "certificates will not trust it: for tests, and for programs that check none."},
        {"tls", "min_version",
         choice<Config>(FIELD(server.tls.min_version),
                        std::vector<std::pair<std::string, smtp::server::MinTlsVersion>>{
                            {"1.2", smtp::server::MinTlsVersion::v1_2},
                            {"1.3", smtp::server::MinTlsVersion::v1_3}}),
         "The oldest version of TLS that clients may use. 1.3 shuts out printers and old programs."},
        {"tls", "check_interval",
         duration<Config>(FIELD(server.tls.check_interval), milliseconds(100), hours(1)),
         "How often the certificate files are looked at for changes."},
    };
    rows.insert(rows.end(), own.begin(), own.end());
}

void add_repair(Rows& rows) {
    using namespace binding;
    const std::vector<Setting<Config>> own = {
        {"repair", "add_from", boolean<Config>(FIELD(intake.add_from)),
         "Whether a message without From gets one that names the envelope's sender. false: 550. With the null "
         "sender there is nothing to make it of, so that such a message is always refused."},
        {"repair", "add_to", boolean<Config>(FIELD(intake.add_to)),
         "Whether a message without To and Cc gets \"To: undisclosed-recipients:;\". Such mail is legal, but "
         "filters mark it down."},
        {"repair", "complete_addresses", boolean<Config>(FIELD(intake.complete_addresses)),
         "Whether addresses without a domain (From: alice) get qualify_domain. false: 554."},
        {"repair", "qualify_domain",
         text<Config>(FIELD(intake.qualify_domain), "a domain name such as \"example.com\", or \"\""),
         "The domain that completes them. Empty: that of the envelope's sender, with the null sender that of the "
         "first [[domain]]."},
        {"repair", "local_domains",
         texts<Config>(FIELD(intake.local_domains), "a list of names such as [\"localhost\", \"web1.localdomain\"]"),
         "Names that this machine's programs put behind the \"@\" and that nobody outside can answer to. They are "
         "replaced by qualify_domain in From, Sender, Reply-To, To, Cc and the envelope's sender.",
         },
        {"repair", "encode_header", boolean<Config>(FIELD(intake.encode_header)),
         "Whether UTF-8 in Subject, display names and other free text of the header becomes encoded words (RFC "
         "2047) where the client did not ask for SMTPUTF8. false: 550. Other fields and other charsets: 550 always."},
        {"repair", "add_mime_fields", boolean<Config>(FIELD(intake.add_mime_fields)),
         "Whether a body of 8-bit text without MIME-Version gets the fields that say so."},
        {"repair", "accept_undeclared_8bit", boolean<Config>(FIELD(intake.accept_undeclared_8bit)),
         "Whether an 8-bit body is taken from a client that did not say BODY=8BITMIME. It is then sent as if it "
         "had. false: 554."},
        {"repair", "long_lines",
         choice<Config>(FIELD(intake.long_lines),
                        std::vector<std::pair<std::string, intake::LongLines>>{
                            {"re-encode", intake::LongLines::re_encode}, {"refuse", intake::LongLines::refuse}}),
         "What happens to lines of more than 998 octets, which SMTP does not allow. re-encode: the part of the "
         "message that has them becomes quoted-printable or base64, and header lines are folded. Signed parts and "
         "attached messages are never changed, but refused."},
        {"repair", "max_field_size", size<Config>(FIELD(intake.max_field_size), kKiB, 16 * kMiB),
         "Octets of one header field. Gmail's bound; like there, To, Cc and References count only towards "
         "submission.limits.max_header_size."},
        {"repair", "remove_fields", texts<Config>(FIELD(intake.remove_fields), "a list of field names"),
         "Header fields that tell strangers about the inside, taken out of all mail. \"X-Mailer\" and "
         "\"User-Agent\" are others. Bcc, Return-Path and X-Posthorn-* always go."},
        {"repair", "remove_private_received", boolean<Config>(FIELD(intake.remove_private_received)),
         "Whether Received fields go that name a private address: the hop from a container or a home to here. "
         "RFC 5321 section 4.4 forbids it, since it hides loops; on only where privacy counts more."},
    };
    rows.insert(rows.end(), own.begin(), own.end());
}

void add_auth(Rows& rows) {
    using namespace binding;
    const std::vector<Setting<Config>> own = {
        {"auth", "users_file", path<Config>(FIELD(auth.credentials.users_file), true),
         "Who may log in: lines of name:hash, written by `posthorn user add NAME`. Without it nobody can. "
         "Read again at reload.",
         "\"users\""},
        {"auth", "dovecot_socket", path<Config>(FIELD(auth.credentials.dovecot_socket), true),
         "The unix socket of a Dovecot that knows the users, instead of users_file: a unix_listener of its "
         "service auth, such as /run/dovecot/posthorn-auth, which posthorn's user may read and write. While it "
         "cannot be asked, AUTH is answered 454, and clients try again."},
        {"auth", "success_cache", duration<Config>(FIELD(auth.credentials.success_cache), seconds(0), kDay),
         "How long a right password is remembered (as an HMAC, in memory), so that not every connection "
         "costs a slow hash."},
        {"auth", "senders",
         texts<Config>(FIELD(auth.account.senders),
                       "a list of \"alice@example.com\", \"@example.com\", \"@*.example.com\" or \"*\""),
         "As whom users may send, in MAIL FROM and in the From field: an address (also alice+detail@), a "
         "domain, all domains below one, or \"*\" for any. Empty: the [[domain]]s and what lies below them; any where "
         "dkim.unknown_domain is \"send-unsigned\". Clients that did not log in are not bound by it."},
        {"auth", "messages_per_hour", integer<Config>(FIELD(auth.account.messages_per_hour), 0, 100'000'000),
         "Messages that each user may send in an hour; beyond it he is answered 450 with the time to come "
         "back, and the log has user_over_limit: often the first sign of a stolen password. 0: no limit. [[user]] has "
         "exceptions."},
        {"auth", "recipients_per_hour",
         integer<Config>(FIELD(auth.account.recipients_per_hour), 0, 100'000'000),
         "The same for recipients, of all messages together. 0: no limit."},
        {"auth", "burst", duration<Config>(FIELD(auth.account.burst), minutes(1), 7 * kDay),
         "How many hours' worth a user who was silent may send at once. \"1h\" with 2000 messages an hour: 2000 "
         "at once, then one every 1.8 seconds. Counted in memory; a restart gives everybody a new burst."},

        {"local", "messages_per_hour", integer<Config>(FIELD(auth.system_account.messages_per_hour), 0, 100'000'000),
         "Messages that each system user may send in an hour: www-data with all its sites, root with cron. Beyond it "
         "sendmail tells its caller that it failed, mail in the spool waits, and the log has user_over_limit: often the "
         "first sign of a site that was broken into. 0: no limit. [[user]] has exceptions, by name or number."},
        {"local", "recipients_per_hour", integer<Config>(FIELD(auth.system_account.recipients_per_hour), 0, 100'000'000),
         "The same for recipients, of all messages together. 0: no limit."},
        {"local", "burst", duration<Config>(FIELD(auth.system_account.burst), minutes(1), 7 * kDay),
         "How many hours' worth a system user who was silent may send at once; see auth.burst."},

        {"dkim", "header",
         choice<Config>(FIELD(auth.dkim.header),
                        std::vector<std::pair<std::string, auth::Canonical>>{
                            {"relaxed", auth::Canonical::relaxed}, {"simple", auth::Canonical::simple}}),
         "How the header is brought to a common form before it is signed (RFC 6376 section 3.4). relaxed "
         "survives more relays."},
        {"dkim", "body",
         choice<Config>(FIELD(auth.dkim.body),
                        std::vector<std::pair<std::string, auth::Canonical>>{
                            {"relaxed", auth::Canonical::relaxed}, {"simple", auth::Canonical::simple}}),
         "The same for the body."},
        {"dkim", "expire_after", duration<Config>(FIELD(auth.dkim.expire_after), seconds(0), 365 * kDay),
         "How long a signature is valid (its x= tag). \"0s\": no limit."},
        {"dkim", "unknown_domain",
         choice<Config>(FIELD(auth.dkim.unknown_domain),
                        std::vector<std::pair<std::string, auth::UnsignedPolicy>>{
                            {"hold", auth::UnsignedPolicy::hold},
                            {"send-unsigned", auth::UnsignedPolicy::send_unsigned}}),
         "What happens to mail whose From domain no [[domain]] covers. Mail that leaves unsigned spoils the "
         "reputation of the "
         "address it leaves from."},

        {"unsubscribe", "key_file", path<Config>(FIELD(auth.unsubscribe.key_file), true),
         "At least 32 random octets in hex or base64 (openssl rand -hex 32): the secret that the unsubscribe "
         "links are made "
         "with. Needed by [[stream]]; changing it breaks the links in mail already sent."},
    };
    rows.insert(rows.end(), own.begin(), own.end());
}

void add_queue(Rows& rows) {
    using namespace binding;
    const std::vector<Setting<Config>> own = {
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
    rows.insert(rows.end(), own.begin(), own.end());
}

void add_delivery(Rows& rows) {
    using namespace binding;
    using delivery::IpFamily;
    using delivery::TlsPolicy;
    const std::vector<Setting<Config>> own = {
        {"dns", "servers", servers<Config>(FIELD(dns.servers), 53),
         "Resolvers to ask. Empty: those of /etc/resolv.conf. Do not use a public resolver for mail: lists "
         "refuse to answer "
         "them."},
        {"dns", "trust_ad", boolean<Config>(FIELD(dns.trust_ad)),
         "Whether these servers are believed when they say that DNSSEC was checked. Only for a validating "
         "resolver on this machine; `posthorn route test` tells when they say it of nothing. Needed for DANE."},
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
    rows.insert(rows.end(), own.begin(), own.end());
}

void add_operation(Rows& rows) {
    using namespace binding;
    const std::vector<Setting<Config>> own = {
        {"admin", "socket", path<Config>(FIELD(admin.socket), true),
         "The unix socket on which `posthorn queue` and its kin reach the daemon. Empty: none."},
        {"admin", "socket_mode", mode<Config>(FIELD(admin.socket_mode)),
         "Who may open it. The kernel tells the daemon who asks: root, its own user and the operators may do everything, all "
         "others only look at the mail that they handed in themselves, for `mailq`."},
        {"admin", "operators", texts<Config>(FIELD(admin.operators), "a list of system users, by name or number"),
         "Who else may read and delete all waiting mail, suspend users, and do whatever root can ask of the daemon.",
         "[\"deploy\"]"},

        {"log", "level",
         choice<Config>(FIELD(log.level),
                        std::vector<std::pair<std::string, log::Level>>{{"debug", log::Level::debug},
                                                                        {"info", log::Level::info},
                                                                        {"warning", log::Level::warning},
                                                                        {"error", log::Level::error}}),
         "The least important events that are written to standard output."},
        {"log", "format",
         choice<Config>(FIELD(log.format),
                        std::vector<std::pair<std::string, log::Format>>{{"logfmt", log::Format::logfmt},
                                                                         {"json", log::Format::json}}),
         "One line an event, as `event key=value ...` or as a JSON object."},
    };
    rows.insert(rows.end(), own.begin(), own.end());
}

}  // namespace

const std::vector<Section>& sections() {
    static const std::vector<Section> all = {
        {"", "Who we are."},
        {"submission", "Who may hand in mail. Where they do is a [[listener]] table each."},
        {"submission.limits", "How much is taken from clients."},
        {"submission.guard",
         "What one address may get wrong before it is made to wait and shut out; over IPv6 one network of 64 bits."},
        {"submission.timeouts", "How long clients are waited for."},
        {"repair", "What is put right in mail that is handed in, and what is refused instead (RFC 6409 section 8)."},
        {"tls", "The certificate that clients see."},
        {"auth", "Users who may log in."},
        {"local", "System users of this machine, who hand in mail without logging in: by sendmail, its spool, a unix socket."},
        {"dkim", "Signing; the domains and keys are [[domain]] tables."},
        {"unsubscribe", "The secret behind the unsubscribe links of [[stream]] mail."},
        {"queue", "Where mail waits, and how long."},
        {"retry", "When refused mail is tried again."},
        {"dns", "Name resolution."},
        {"delivery", "How mail leaves."},
        {"delivery.timeouts",
         "How long receiving servers are waited for. Values below those of RFC 5321 are for tests."},
        {"tlsrpt",
         "Reports about TLS, once a day, to the domains that ask for them (RFC 8460). Made only where a contact is set."},
        {"suppression", "Addresses that were refused for good, so that no mail goes to them any more (docs/SUPPRESSION.md)."},
        {"warmup",
         "How much an address that is new may send a provider in a day (UTC), growing day by day; what is over waits. docs/THROTTLING.md."},
        {"journal", "What became of mail, kept for a while after it has left the queue: for `posthorn why` and webhooks."},
        {"alarm", "What the operator is told at once, and how: always by the log, never by mail. docs/EVENTS.md lists the alarms."},
        {"admin", "The socket of the command line tools."},
        {"log", "What is written where."},
    };
    return all;
}

const std::vector<Setting<Config>>& settings() {
    static const Rows all = [] {
        Rows rows;
        add_identity(rows);
        add_submission(rows);
        for (Setting<Config>& setting : guard_settings()) rows.push_back(std::move(setting));
        add_repair(rows);
        for (Setting<Config>& setting : local_settings()) rows.push_back(std::move(setting));
        for (Setting<Config>& setting : pickup_settings()) rows.push_back(std::move(setting));
        add_auth(rows);
        add_queue(rows);
        add_delivery(rows);
        for (Setting<Config>& setting : event_settings()) rows.push_back(std::move(setting));
        add_operation(rows);
        return rows;
    }();
    return all;
}

std::string dotted(std::string_view section, std::string_view key) {
    return section.empty() ? std::string(key) : std::string(section) + "." + std::string(key);
}

std::string environment_name(std::string_view section, std::string_view key) {
    std::string name = "POSTHORN_";
    for (const char c : dotted(section, key)) {
        name += c == '.' ? '_' : text::to_upper(c);
    }
    return name;
}

Config defaults() {
    Config config;
    for (const char* network : {"127.0.0.0/8", "::1/128"}) {
        config.server.relay.trusted_networks.push_back(IpNetwork::parse(network).value());
    }
    return config;
}

}  // namespace posthorn::config
