// The outcomes of REQUIRETLS in words.
#include "delivery/require_tls.hpp"

namespace posthorn::delivery {

bool requires_tls(const mail::Message& message) {
    return message.require_tls && !message.reverse_path.empty();
}

Outcome tls_not_assured(Lacking lacking, std::string_view domain, std::string_view host,
                        std::string_view detail) {
    const std::string name(host);
    smtp::protocol::EnhancedCode code{5, 7, 30};
    std::string why;
    switch (lacking) {
        case Lacking::certainty:
            why = "that " + name + " takes mail for " + std::string(domain) +
                  " is not certain (its DNS is not signed, or not known to be)";
            break;
        case Lacking::tls:
            code = {5, 7, 10};
            why = name + " offers no TLS";
            break;
        case Lacking::identity:
            code = {5, 7, 10};
            why = "the certificate of " + name + " does not prove its name";
            break;
        case Lacking::support:
            why = name + " does not offer REQUIRETLS";
            break;
    }
    if (!detail.empty()) why += " (" + std::string(detail) + ")";
    // Of the message: other mail goes to that host as ever, and its site must not back off.
    Outcome outcome = own_outcome(Disposition::failed, Class::permanent, Scope::message, 550, code,
                                  "REQUIRETLS was asked for, and " + why + ", so the message was not sent");
    outcome.host = name;
    return outcome;
}

}  // namespace posthorn::delivery
