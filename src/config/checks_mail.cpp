// Domains, keys, list streams, times and outgoing connections: the checks that keep mail from waiting or
// failing for no reason.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "config/checks.hpp"
#include "toml/units.hpp"
#include "toml/value.hpp"

namespace posthorn::config {
namespace {

bool is_selector(std::string_view selector) {
    // RFC 6376 s3.1: sub-domains separated by dots.
    return !selector.empty() && is_domain_name(std::string(selector) + ".x");
}

std::string list_path(const char* name, std::size_t index) {
    return fmt::format("{}[{}]", name, index);
}

// Empty, or an address that mail can be sent to.
void check_bounce_address(const std::string& key, const std::string& address, const Place& place, Findings& findings) {
    const std::size_t at = address.rfind('@');
    if (address.empty() || (at != std::string::npos && at > 0 && is_domain_name(address.substr(at + 1)))) return;
    findings.mistake(place, key + " is " + quote(address) + "; allowed: an address such as \"admin@example.com\"");
}

void check_bounces(const auth::DomainOptions& domain, const std::string& path, const Places& places, Findings& findings) {
    check_bounce_address("domain.bounce_to", domain.bounce_to, places.of(path + ".bounce_to"), findings);
    for (const std::string& mailbox : domain.mailboxes) {
        const std::size_t at = mailbox.rfind('@');
        const std::string of = at == std::string::npos ? std::string() : text::to_lower(mailbox.substr(at + 1));
        if (at == 0 || (of != domain.name && !of.ends_with("." + domain.name)))
            findings.mistake(places.of(path + ".mailboxes"),
                             "domain.mailboxes has " + quote(mailbox) + "; allowed: addresses of " + domain.name + " or below it");
    }
    if (!domain.mailboxes.empty() && domain.bounce_to.empty())
        findings.mistake(places.of(path + ".mailboxes"),
                         "domain.mailboxes names who is told in spite of bounce_to, but there is no bounce_to; add it, or take "
                         "mailboxes away: without bounce_to each sender is told");
}

}  // namespace

void check_domains(const Config& config, const Places& places, Findings& findings) {
    check_bounce_address("delivery.bounce_to", config.delivery.bounce_to, places.of("delivery.bounce_to"), findings);
    const auto& domains = config.auth.domains;
    for (std::size_t i = 0; i < domains.size(); ++i) {
        const auth::DomainOptions& domain = domains[i];
        const std::string path = list_path("domain", i);
        if (domain.name.empty() && !places.given(path + ".name")) {
            continue;  // already a mistake of its own
        }
        if (!text::is_ascii(domain.name)) {
            findings.mistake(
                places.of(path + ".name"),
                "domain.name is " + quote(domain.name) +
                    "; allowed: the ASCII form of the name (idn2 prints it), which begins with \"xn--\"");
        } else if (!is_domain_name(domain.name)) {
            findings.mistake(
                places.of(path + ".name"),
                "domain.name is " + quote(domain.name) + "; allowed: a domain name such as \"example.com\"");
        }
        for (std::size_t k = 0; k < i; ++k) {
            if (!domain.name.empty() && domains[k].name == domain.name) {
                findings.mistake(
                    places.of(path + ".name"),
                    "the domain " + domain.name + " is given twice; put all its keys into one [[domain]]");
                break;
            }
        }
        for (std::size_t k = 0; k < domain.keys.size(); ++k) {
            const std::string key_path = path + ".dkim" + "[" + std::to_string(k) + "]";
            const std::string& selector = domain.keys[k].selector;
            if (!selector.empty() && !is_selector(selector)) {
                findings.mistake(
                    places.of(key_path + ".selector"),
                    "domain.dkim.selector is " + quote(selector) +
                        "; allowed: letters, digits, hyphens and dots, such as \"m1\" or \"2026a\"");
            }
            for (std::size_t other = 0; other < k; ++other) {
                if (!selector.empty() && text::iequals(domain.keys[other].selector, selector)) {
                    findings.mistake(
                        places.of(key_path + ".selector"),
                        fmt::format("the selector {} of {} is given twice; one selector has one key",
                                    selector, domain.name));
                    break;
                }
            }
        }
        for (std::size_t k = 0; k < i; ++k) {
            if (!domain.key_directory.empty() && std::filesystem::path(domains[k].key_directory).lexically_normal() ==
                                                     std::filesystem::path(domain.key_directory).lexically_normal()) {
                findings.mistake(places.of(path + ".key_directory"),
                                 fmt::format("domain.key_directory of {} is that of {}, too; allowed: a directory for each domain", domain.name,
                                             domains[k].name));
                break;
            }
        }
        check_bounces(domain, path, places, findings);
        if (domain.keys.empty() && domain.key_directory.empty() && is_domain_name(domain.name) &&
            domain.unsigned_policy == auth::UnsignedPolicy::hold) {
            findings.warning(
                places.of(path),
                "the domain " + domain.name +
                    " has no key, so its mail will be held; run `posthorn dkim genkey --domain " +
                    domain.name + " --selector m1` and add dkim = [{...}]");
        }
    }
    if (domains.empty() && !places.given("domain") &&
        config.auth.dkim.unknown_domain == auth::UnsignedPolicy::hold) {
        findings.warning(
            {},
            "there is no [[domain]], so nothing can be signed and all mail will be held; run `posthorn dkim "
            "genkey` and add one, or set dkim.unknown_domain = \"send-unsigned\"");
    }
}

namespace {

void check_stream(const auth::StreamOptions& stream, const std::string& path, const Places& places,
                  Findings& findings) {
    if (places.given(path + ".name") && (stream.name.empty() || stream.name.size() > 64 ||
                                         !std::all_of(stream.name.begin(), stream.name.end(), [](char c) {
                                             return text::is_alnum(c) || c == '.' || c == '-' || c == '_';
                                         }))) {
        findings.mistake(
            places.of(path + ".name"),
            "stream.name is " + quote(stream.name) + "; allowed: 1 to 64 letters, digits, '.', '-' and '_'");
    }
    if (places.given(path + ".unsubscribe_url")) {
        // RFC 8058 s3.1: an HTTPS URI; the token tells who unsubscribes, for the request carries nothing
        // else.
        const std::string& url = stream.unsubscribe_url;
        const bool https = text::istarts_with(url, "https://") && url.size() > 8;
        const bool plain = std::none_of(url.begin(), url.end(), [](char c) {
            return !text::is_graphic(c) || c == '<' || c == '>' || c == ',';
        });
        if (!https || !plain) {
            findings.mistake(
                places.of(path + ".unsubscribe_url"),
                "stream.unsubscribe_url is " + quote(url) +
                    "; allowed: an https URL (RFC 8058) without blanks, commas and angle brackets, such as "
                    "\"https://example.com/unsubscribe/{token}\"");
        } else if (url.find("{token}") == std::string::npos) {
            findings.mistake(places.of(path + ".unsubscribe_url"),
                             "stream.unsubscribe_url has no {token}, so your site could not tell who "
                             "unsubscribes; allowed: a URL "
                             "such as \"https://example.com/unsubscribe/{token}\"");
        }
    }
    if (!stream.unsubscribe_mailto.empty()) {
        const std::string& mailto = stream.unsubscribe_mailto;
        const auto at = mailto.rfind('@');
        if (at == std::string::npos || at == 0 || !is_domain_name(mailto.substr(at + 1)) ||
            !std::all_of(mailto.begin(), mailto.end(),
                         [](char c) { return text::is_graphic(c) && c != '<' && c != '>' && c != ','; })) {
            findings.mistake(
                places.of(path + ".unsubscribe_mailto"),
                "stream.unsubscribe_mailto is " + quote(mailto) +
                    "; allowed: an address such as \"unsubscribe+{token}@example.com\", or \"\"");
        }
    }
    for (const std::string& from : stream.from) {
        const auto at = from.rfind('@');
        if (at == std::string::npos || !is_domain_name(from.substr(at + 1))) {
            findings.mistake(places.of(path + ".from"),
                             "stream.from has " + quote(from) +
                                 "; allowed: \"news@example.com\" or \"@example.com\" for all of it");
        }
    }
    for (const std::string& id : stream.list_ids) {
        if (id.find_first_of("<> \t") != std::string::npos) {
            findings.mistake(places.of(path + ".list_ids"),
                             "stream.list_ids has " + quote(id) +
                                 "; allowed: what stands between the angle brackets of List-Id, such as "
                                 "\"news.example.com\"");
        }
    }
}

}  // namespace

void check_streams(const Config& config, const Places& places, Findings& findings) {
    const auto& streams = config.auth.streams;
    for (std::size_t i = 0; i < streams.size(); ++i) {
        const std::string path = list_path("stream", i);
        check_stream(streams[i], path, places, findings);
        for (std::size_t k = 0; k < i; ++k) {
            if (!streams[i].name.empty() && streams[k].name == streams[i].name) {
                findings.mistake(
                    places.of(path + ".name"),
                    "the stream " + quote(streams[i].name) + " is given twice; each has a name of its own");
                break;
            }
        }
    }
    if (!streams.empty() && config.auth.unsubscribe.key_file.empty()) {
        findings.mistake(
            places.of(places.given("unsubscribe.key_file") ? "unsubscribe.key_file" : "stream[0]"),
            "there is a [[stream]], but no secret to make its unsubscribe links with; set "
            "unsubscribe.key_file to a "
            "file made by `openssl rand -hex 32`");
    }
}

namespace {

struct Minimum {
    const char* key;
    Duration value;
    Duration least;
    const char* clause;
};

void warn_below(const Minimum& minimum, const Places& places, Findings& findings) {
    if (minimum.value < minimum.least) {
        findings.warning(
            places.of(minimum.key),
            fmt::format("{} is {}, less than the {} of RFC 5321 section {}; use it for tests only",
                        minimum.key, format_duration(minimum.value), format_duration(minimum.least),
                        minimum.clause));
    }
}

}  // namespace

void check_times(const Config& config, const Places& places, Findings& findings) {
    using std::chrono::hours;
    using std::chrono::minutes;
    using std::chrono::seconds;
    const auto& to = config.delivery.timeouts;
    for (const Minimum& minimum : {
             Minimum{"submission.timeouts.command", config.server.timeouts.command, minutes(5), "4.5.3.2.7"},
             Minimum{"delivery.timeouts.greeting", to.greeting, minutes(5), "4.5.3.2.1"},
             Minimum{"delivery.timeouts.command", to.command, minutes(5), "4.5.3.2.2"},
             Minimum{"delivery.timeouts.data", to.data, minutes(2), "4.5.3.2.4"},
             Minimum{"delivery.timeouts.data_block", to.data_block, minutes(3), "4.5.3.2.5"},
             Minimum{"delivery.timeouts.end_of_data", to.end_of_data, minutes(10), "4.5.3.2.6"},
             Minimum{"delivery.timeouts.session", to.session, minutes(10), "4.5.3.2.6"},   // it holds the one above
             Minimum{"queue.lifetime", config.queue.lifetime, hours(4 * 24), "4.5.4.1"},
         }) {
        warn_below(minimum, places, findings);
    }
    const auto& retry = config.retry;
    if (retry.first < seconds(30)) {
        findings.warning(places.of("retry.first"),
                         fmt::format("retry.first is {}; receivers take tries less than 30s apart for abuse; "
                                     "use it for tests only",
                                     format_duration(retry.first)));
    }
    const auto at_least = [&](const char* long_key, Duration longer, const char* short_key, Duration shorter,
                              const char* reason) {
        if (longer < shorter) {
            const char* culprit = places.given(long_key) ? long_key : short_key;
            findings.mistake(places.of(culprit), fmt::format("{} ({}) is less than {} ({}); {}", long_key,
                                                             format_duration(longer), short_key,
                                                             format_duration(shorter), reason));
        }
    };
    at_least("retry.max", retry.max, "retry.first", retry.first,
             "allowed: the longest interval is not below the first");
    at_least("retry.auth_max", retry.auth_max, "retry.auth_first", retry.auth_first,
             "allowed: the longest interval is not below the first");
    at_least("queue.lifetime", config.queue.lifetime, "retry.first", retry.first,
             "no message would ever be tried a second time");
    if (places.given("retry.auth_lifetime") && retry.auth_lifetime > config.queue.lifetime) {
        findings.warning(
            places.of("retry.auth_lifetime"),
            fmt::format("retry.auth_lifetime ({}) is more than queue.lifetime ({}), which ends all waiting",
                        format_duration(retry.auth_lifetime), format_duration(config.queue.lifetime)));
    }
}

void check_repair(const Config& config, const Places& places, Findings& findings) {
    const intake::IntakeOptions& intake = config.intake;
    if (!intake.qualify_domain.empty() && !is_domain_name(intake.qualify_domain)) {
        findings.mistake(places.of("repair.qualify_domain"),
                         "repair.qualify_domain is " + quote(intake.qualify_domain) +
                             "; allowed: a domain name such as \"example.com\", or \"\"");
    }
    for (const std::string& name : intake.local_domains) {
        if (name.empty() || !is_domain_name(name + ".x")) {
            findings.mistake(places.of("repair.local_domains"),
                             "repair.local_domains has " + quote(name) +
                                 "; allowed: names such as \"localhost\" or \"web1.localdomain\"");
        }
        for (const auth::DomainOptions& domain : config.auth.domains) {
            if (text::iequals(domain.name, name)) {
                findings.mistake(places.of("repair.local_domains"),
                                 "repair.local_domains has " + quote(name) +
                                     ", which is a [[domain]] as well; mail of such a domain would be given another");
            }
        }
    }
    // What mail cannot do without, or what intake looks after itself.
    for (const char* needed : {"From", "To", "Date", "Message-ID", "Subject", "MIME-Version", "Content-Type",
                               "Content-Transfer-Encoding", "Received", "DKIM-Signature"}) {
        for (const std::string& name : intake.remove_fields) {
            if (text::iequals(name, needed)) {
                findings.mistake(places.of("repair.remove_fields"),
                                 "repair.remove_fields has " + quote(name) +
                                     ", which mail needs or which is not yours to remove; allowed: names of other fields, "
                                     "such as \"X-Mailer\"");
            }
        }
    }
    for (const std::string& name : intake.remove_fields) {
        if (name.empty() || !std::all_of(name.begin(), name.end(), [](char c) { return text::is_graphic(c) && c != ':'; })) {
            findings.mistake(places.of("repair.remove_fields"),
                             "repair.remove_fields has " + quote(name) + "; allowed: field names such as \"X-Mailer\"");
        }
    }
}

// DA-1: whoever sits between us and a resolver elsewhere can set the AD bit, and with it say which certificates are right. A private
// address is on a network of the operator's own, as between containers: who sets trust_ad says that he trusts it.
void check_resolver(const Config& config, const Places& places, Findings& findings) {
    if (!config.dns.trust_ad) return;
    for (const Endpoint& server : config.dns.servers) {
        const auto address = IpAddress::parse(server.host);
        if (address && address->is_private()) continue;
        findings.warning(places.of("dns.trust_ad"),
                         fmt::format("dns.trust_ad is true, but the server {} is not on this machine or on a private network: whoever is on the way there "
                                     "can say that DNSSEC was checked; better: a validating resolver such as unbound here, and "
                                     "servers = [\"127.0.0.1\"]",
                                     server.to_string()));
        return;
    }
}

void check_delivery(const Config& config, const Places& places, Findings& findings) {
    check_resolver(config, places, findings);
    const delivery::DeliveryOptions& tls = config.delivery;
    if (tls.tls_certificate_file.empty() != tls.tls_key_file.empty()) {
        const bool no_key = tls.tls_key_file.empty();
        const std::string set = no_key ? "delivery.tls_certificate_file" : "delivery.tls_key_file";
        const std::string missing = no_key ? "delivery.tls_key_file" : "delivery.tls_certificate_file";
        findings.mistake(places.of(set), set + " is set without " + missing + "; set both or neither");
    }
    const auto& delivery = config.delivery;
    const auto source = [&](const std::string& path, const char* key, const std::string& text, bool v4) {
        if (text.empty()) {
            return;
        }
        const auto address = IpAddress::parse(text);
        if (!address || address->is_v4() != v4 || address->is_unspecified()) {
            findings.mistake(places.of(path),
                             fmt::format("{} is {}; allowed: an {} address of this machine, or \"\"", key,
                                         quote(text), v4 ? "IPv4" : "IPv6"));
        }
    };
    source("delivery.source_v4", "delivery.source_v4", delivery.source_v4, true);
    source("delivery.source_v6", "delivery.source_v6", delivery.source_v6, false);
    for (std::size_t i = 0; i < config.auth.domains.size(); ++i) {
        const std::string path = list_path("domain", i);
        source(path + ".source_v4", "domain.source_v4", config.auth.domains[i].source_v4, true);
        source(path + ".source_v6", "domain.source_v6", config.auth.domains[i].source_v6, false);
    }
    if (delivery.connections < delivery.connections_per_site) {
        const char* culprit =
            places.given("delivery.connections") ? "delivery.connections" : "delivery.connections_per_site";
        findings.mistake(places.of(culprit),
                         fmt::format("delivery.connections ({}) is less than delivery.connections_per_site "
                                     "({}); allowed: at least "
                                     "as many in all as for one site",
                                     delivery.connections, delivery.connections_per_site));
    }
}

}  // namespace posthorn::config
