// The settings of the tables that may stand several times: [[listener]], [[domain]], [[user]], [[stream]].
#include "config/field.hpp"
#include "config/schema.hpp"

namespace posthorn::config {

const std::vector<Setting<smtp::server::ListenerOptions>>& listener_settings() {
    using namespace binding;
    using smtp::server::ListenerAuth;
    using smtp::server::ListenerTls;
    using L = smtp::server::ListenerOptions;
    static const std::vector<Setting<L>> all = {
        {"listener", "address", endpoint<L>(FIELD(address)), "Where to listen.", {}, true},
        {"listener", "tls",
         choice<L>(FIELD(tls),
                   std::vector<std::pair<std::string, ListenerTls>>{{"none", ListenerTls::none},
                                                                    {"starttls", ListenerTls::starttls},
                                                                    {"implicit", ListenerTls::implicit}}),
         "starttls: the client asks for TLS, as on port 587. implicit: TLS from the first octet, as on port 465. Unset: "
         "implicit for port 465, else starttls; but none for a unix socket, and for loopback while there is no "
         "certificate."},
        {"listener", "auth",
         choice<L>(FIELD(auth),
                   std::vector<std::pair<std::string, ListenerAuth>>{{"none", ListenerAuth::none},
                                                                     {"optional", ListenerAuth::optional},
                                                                     {"required", ListenerAuth::required}}),
         "Whether clients can or must log in. required: also those in trusted_networks."},
        {"listener", "auth_without_tls", boolean<L>(FIELD(auth_without_tls)),
         "Whether passwords are taken without TLS. Only for loopback and unix sockets."},
        {"listener", "socket_mode", mode<L>(FIELD(socket_mode)), "Permission bits of a unix socket."},
        {"listener", "name", text<L>(FIELD(name)), "Its name in the log. Empty: its address."},
        {"listener", "proxy_networks", networks<L>(FIELD(proxy_networks)),
         "Proxies that say by a PROXY header (version 1 or 2: HAProxy's send-proxy and send-proxy-v2) who their client "
         "is. Where it is not empty, only they are served, and only with such a header; the client it names is the one "
         "that is trusted, counted and logged."},
    };
    return all;
}

const std::vector<Setting<smtp::server::CertificateOptions>>& certificate_settings() {
    using namespace binding;
    using C = smtp::server::CertificateOptions;
    static const std::vector<Setting<C>> all = {
        {"certificate",
         "certificate_file",
         path<C>(FIELD(certificate_file), false),
         "The certificate chain in PEM, our own first. It is shown to clients that ask for one of its names "
         "(SNI); an exact name before a wildcard, and the first certificate of the file to all others. One RSA "
         "and one ECDSA certificate of the same names serve together.",
         {},
         true},
        {"certificate",
         "key_file",
         path<C>(FIELD(key_file), false),
         "Its private key in PEM.",
         {},
         true},
    };
    return all;
}

const std::vector<Setting<auth::DomainOptions>>& domain_settings() {
    using namespace binding;
    using auth::UnsignedPolicy;
    using D = auth::DomainOptions;
    static const std::vector<Setting<D>> all = {
        {"domain",
         "name",
         text<D>(FIELD(name), "a domain name such as \"example.com\""),
         "Mail whose From is at this domain, or below it, is signed with its keys.",
         {},
         true},
        {"domain", "unsigned_policy",
         choice<D>(FIELD(unsigned_policy),
                   std::vector<std::pair<std::string, UnsignedPolicy>>{
                       {"hold", UnsignedPolicy::hold}, {"send-unsigned", UnsignedPolicy::send_unsigned}}),
         "What happens to mail of this domain while none of its keys can be used."},
        {"domain", "bounce_to", text<D>(FIELD(bounce_to), "an address such as \"admin@example.com\", or \"\""),
         "Who gets the reports about mail that failed, for all senders of this domain and below it but those of mailboxes. "
         "For programs that send as addresses nobody reads (wordpress@, noreply@). Empty: the senders themselves."},
        {"domain", "mailboxes", texts<D>(FIELD(mailboxes), "a list of addresses of this domain"),
         "Senders who can receive: reports about their mail go to themselves, in spite of bounce_to."},
        {"domain", "source_v4", text<D>(FIELD(source_v4), "an IPv4 address of this machine, or \"\""),
         "The local address from which mail with an envelope sender of this domain, or below it, leaves over IPv4. Empty: "
         "delivery.source_v4."},
        {"domain", "source_v6", text<D>(FIELD(source_v6), "an IPv6 address of this machine, or \"\""),
         "The same for IPv6. Empty: delivery.source_v6."},
        {"domain", "key_directory", path<D>(FIELD(key_directory), true),
         "A directory of keys that Posthorn makes and changes itself, in stages (docs/KEYS.md), beside or instead of those of dkim."},
    };
    return all;
}

const std::vector<Setting<auth::DkimKeyOptions>>& dkim_key_settings() {
    using namespace binding;
    using K = auth::DkimKeyOptions;
    static const std::vector<Setting<K>> all = {
        {"domain.dkim",
         "selector",
         text<K>(FIELD(selector), "a selector such as \"m1\" or \"2026a\""),
         "The record is SELECTOR._domainkey.DOMAIN.",
         {},
         true},
        {"domain.dkim",
         "key_file",
         path<K>(FIELD(key_file), false),
         "The private key in PEM, as `posthorn dkim genkey` writes it. RSA or Ed25519; one signature for "
         "each key.",
         {},
         true},
    };
    return all;
}

const std::vector<Setting<auth::AccountOptions>>& user_settings() {
    using namespace binding;
    using U = auth::AccountOptions;
    static const std::vector<Setting<U>> all = {
        {"user",
         "name",
         text<U>(FIELD(name), "the name that the user logs in with"),
         "Whom this is about, exactly as the users file or Dovecot names him; or a system user or his number, whose own mail "
         "is bound by the limits below, too.",
         {},
         true},
        {"user", "senders",
         texts<U>(FIELD(senders),
                  "a list of \"alice@example.com\", \"@example.com\", \"@*.example.com\" or \"*\""),
         "As whom he may send, in MAIL FROM and in the From field; see auth.senders. Unset: as there."},
        {"user", "messages_per_hour", integer<U>(FIELD(messages_per_hour), 0, 100'000'000),
         "Messages he may send in an hour; 0: no limit. Unset: as in [auth], for a system user as in [local]."},
        {"user", "recipients_per_hour", integer<U>(FIELD(recipients_per_hour), 0, 100'000'000),
         "Recipients he may send to in an hour, of all messages together; 0: no limit. Unset: as in [auth] or [local]."},
        {"user", "burst",
         duration<U>(FIELD(burst), std::chrono::minutes(1), std::chrono::hours(24 * 7)),
         "How many hours' worth he may send at once; see auth.burst. Unset: as in [auth] or [local]."},
        {"user", "stream", text<U>(FIELD(stream), "the name of a [[stream]], or \"\""),
         "All his mail belongs to this list stream."},
    };
    return all;
}

const std::vector<Setting<auth::StreamOptions>>& stream_settings() {
    using namespace binding;
    using S = auth::StreamOptions;
    static const std::vector<Setting<S>> all = {
        {"stream",
         "name",
         text<S>(FIELD(name), "a name of letters, digits, '.', '-' and '_'"),
         "A message with the field X-Posthorn-Stream: NAME belongs to it (the field is removed before "
         "sending).",
         {},
         true},
        {"stream", "users", texts<S>(FIELD(users), "a list of user names"),
         "All mail of these users belongs to it."},
        {"stream", "from",
         texts<S>(FIELD(from), "a list of addresses \"news@example.com\" or domains \"@example.com\""),
         "All mail with such a From belongs to it."},
        {"stream", "list_ids",
         texts<S>(FIELD(list_ids), "a list of List-Id values without the angle brackets"),
         "All mail with such a List-Id belongs to it."},
        {"stream", "precedence_bulk", boolean<S>(FIELD(precedence_bulk)),
         "Whether mail with Precedence: bulk or list belongs to it."},
        {"stream",
         "unsubscribe_url",
         text<S>(FIELD(unsubscribe_url), "an https URL with {token} in it"),
         "The https URL of List-Unsubscribe; {token} is replaced by a token that tells your site who "
         "unsubscribes (RFC 8058).",
         {},
         true},
        {"stream", "unsubscribe_mailto",
         text<S>(FIELD(unsubscribe_mailto), "an address, with {token} or without, or \"\""),
         "Also offer unsubscription by mail to this address, such as \"unsubscribe+{token}@example.com\"."},
    };
    return all;
}

}  // namespace posthorn::config
