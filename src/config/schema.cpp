// The whole table of settings in its order, with the rows about us: who we are, what we take and from whom, what we tell.
#include "config/schema.hpp"

#include "base/text.hpp"
#include "config/field.hpp"

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

using Rows = std::vector<Setting<Config>>;

void add_identity(Rows& rows) {
    using namespace binding;
    const std::vector<Setting<Config>> own = {
        {"", "config_version", integer<Config>(FIELD(version), 1, kConfigVersion),
         "Which edition of these settings the file is written for. A Posthorn that is too old for the file says so and does not "
         "start, instead of taking half of it for mistakes. Not given: 1."},
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
        {"dkim", "autogenerate", boolean<Config>(FIELD(auth.dkim.autogenerate)),
         "Whether a domain.key_directory without a key gets one. Its record must be published by hand: `posthorn dkim rotate DOMAIN --status`."},
        {"dkim", "unpublished",
         choice<Config>(FIELD(auth.dkim.sign_unpublished),
                        std::vector<std::pair<std::string, bool>>{{"hold", false}, {"sign", true}}),
         "What happens to mail while the only key of a domain.key_directory is not in DNS yet: hold it, or sign it with a key that receivers "
         "cannot find."},
        {"dkim", "rotate_every", duration<Config>(FIELD(auth.dkim.rotate_every), seconds(0), 3650 * kDay),
         "How long a key of a domain.key_directory signs before the next one is made; its record must then be published by hand. \"0s\": only "
         "`posthorn dkim rotate` makes one."},
        {"dkim", "settle", duration<Config>(FIELD(auth.dkim.settle), seconds(0), 30 * kDay),
         "How long the record of a new key must have been at all servers of the zone before it signs in place of the one that does now, and at least the "
         "record's TTL. A domain's first key signs as soon as its record is there."},
        {"dkim", "keep_record", duration<Config>(FIELD(auth.dkim.keep_record), seconds(0), 365 * kDay),
         "How long the record of a key that signs no more must stay. \"0s\": queue.lifetime and seven days."},
        {"dkim", "look_every", duration<Config>(FIELD(auth.dkim.look_every), seconds(1), 7 * kDay),
         "How often the daemon looks for the records of keys that are not in use yet."},

        {"unsubscribe", "key_file", path<Config>(FIELD(auth.unsubscribe.key_file), true),
         "At least 32 random octets in hex or base64 (openssl rand -hex 32): the secret that the unsubscribe "
         "links are made "
         "with. Needed by [[stream]]; changing it breaks the links in mail already sent."},
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
        {"admin", "listen", tcp_or_none<Config>(FIELD(admin.listen)),
         "An address of this machine for the same by TCP: the dashboard in a browser, Prometheus, `posthorn --url`. Over it nobody may "
         "anything who shows no token. Empty: none."},
        {"admin", "beyond_loopback", boolean<Config>(FIELD(admin.beyond_loopback)),
         "Lets listen be an address that other machines reach. There is no TLS: whoever is on the way reads the mail's addresses and the token, "
         "and with the token stops or deletes mail. Meant for a container whose port is published on 127.0.0.1 alone; else put a web "
         "server with TLS before a loopback address."},
        {"admin", "names", texts<Config>(FIELD(admin.names), "a list of host names, as they stand in the browser's address"),
         "By which names listen or socket is reached beside localhost, IP addresses and hostname, as by a web server or as a container's. "
         "Requests for other names are refused, so that no page of the Internet reaches in by a name of its own."},
        {"admin", "token", secret<Config>(FIELD(admin.token)),
         "Opens everything over TCP, as root may by the socket. At least 20 octets (openssl rand -hex 32). Better in token_file."},
        {"admin", "token_file", path<Config>(FIELD(admin.token_file), true), "A file whose first line is it. Read anew at a reload."},
        {"admin", "read_only_token", secret<Config>(FIELD(admin.read_only_token)),
         "Shows everything over TCP, and changes nothing: for Prometheus, and for those who look only. Better in read_only_token_file."},
        {"admin", "read_only_token_file", path<Config>(FIELD(admin.read_only_token_file), true),
         "A file whose first line is it. Read anew at a reload."},
        {"admin", "read_only", boolean<Config>(FIELD(admin.read_only)),
         "Nobody changes anything with a token: what is to be changed is changed by the command line, on this machine."},
        {"admin", "dashboard", boolean<Config>(FIELD(admin.dashboard)),
         "Whether the page is served at / and browsers can log in with a token."},

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
        {"log", "addresses",
         choice<Config>(FIELD(log.addresses),
                        std::vector<std::pair<std::string, AddressForm>>{
                            {"full", AddressForm::full}, {"masked", AddressForm::masked}, {"hash", AddressForm::hash}}),
         "Mail addresses in the log, where others read it: as they are; with the first letter alone (a***@example.com); or with a hash, the same "
         "for the same address, in place of what stands before the @. `posthorn queue`, `why` and `tail` show them whole."},
        {"log", "address_key", secret<Config>(FIELD(log.address_key)),
         "The secret of addresses = \"hash\": with the same one, hashes stay the same over restarts and machines. Empty: another one each start."},
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
        {"admin", "How the running daemon is asked and told: the socket of the command line, and by TCP the dashboard and the HTTP API (docs/API.md)."},
        {"log", "What is written where."},
        {"sandbox",
         "What the daemon may still do once it runs. The kernel refuses the rest, also to whoever should take it over. docs/SANDBOX.md."},
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
        for (Setting<Config>& setting : queue_settings()) rows.push_back(std::move(setting));
        for (Setting<Config>& setting : delivery_settings()) rows.push_back(std::move(setting));
        for (Setting<Config>& setting : event_settings()) rows.push_back(std::move(setting));
        add_operation(rows);
        for (Setting<Config>& setting : sandbox_settings()) rows.push_back(std::move(setting));
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
