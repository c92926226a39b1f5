// [tlsrpt]: reports that nobody would believe, because nobody signs them, are refused here.
#include <algorithm>

#include "base/text.hpp"
#include "config/checks.hpp"
#include "toml/value.hpp"

namespace posthorn::config {

void check_tls_reports(const Config& config, const Places& places, Findings& findings) {
    const std::string& contact = config.delivery.tls_report.contact;
    if (contact.empty()) {
        if (places.given("tlsrpt.organization") || places.given("tlsrpt.delay"))
            findings.warning(places.of(places.given("tlsrpt.organization") ? "tlsrpt.organization" : "tlsrpt.delay"),
                             "no TLS reports are made, since tlsrpt.contact is not set");
        return;
    }
    const auto at = contact.rfind('@');
    const std::string domain = at == std::string::npos ? std::string() : text::to_lower(contact.substr(at + 1));
    const bool printable = std::all_of(contact.begin(), contact.end(), text::is_graphic);
    if (at == 0 || !printable || contact.find_first_of("<>\",:;") != std::string::npos || !is_domain_name(domain)) {
        findings.mistake(places.of("tlsrpt.contact"), "tlsrpt.contact is " + quote(contact) +
                                                          "; allowed: an address such as \"postmaster@example.com\", or \"\"");
        return;
    }
    const auto& domains = config.auth.domains;
    const bool ours = std::any_of(domains.begin(), domains.end(), [&](const auto& one) { return text::iequals(one.name, domain); });
    if (!ours) {
        findings.mistake(places.of("tlsrpt.contact"),
                         "tlsrpt.contact is " + quote(contact) + ", but there is no [[domain]] " + domain +
                             "; reports have to be signed with the key of the domain they come from (RFC 8460 section 3)");
    }
}

}  // namespace posthorn::config
