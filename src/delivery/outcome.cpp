// Outcomes of our own making, and the names of results and classes as logs, queue and metrics show them.
#include "delivery/outcome.hpp"

namespace posthorn::delivery {

Outcome own_outcome(Disposition result, Class failure_class, Scope scope, std::uint16_t code,
                    smtp::protocol::EnhancedCode enhanced, std::string text) {
    Outcome outcome;
    outcome.result = result;
    outcome.failure_class = failure_class;
    outcome.scope = scope;
    outcome.stage = smtp::protocol::Stage::connect;
    outcome.reply.code = code;
    outcome.reply.enhanced = enhanced;
    outcome.reply.lines.push_back(enhanced.to_string() + " " + std::move(text));
    return outcome;
}

std::string_view to_string(Disposition result) {
    switch (result) {
        case Disposition::delivered: return "delivered";
        case Disposition::deferred: return "deferred";
        case Disposition::failed: return "failed";
    }
    return "unknown";
}

std::string_view to_string(Class failure_class) {
    switch (failure_class) {
        case Class::none: return "";
        case Class::temp: return "temp";
        case Class::grey: return "grey";
        case Class::throttle: return "throttle";
        case Class::auth: return "auth";
        case Class::local: return "local";
        case Class::dns: return "dns";
        case Class::connection: return "connection";
        case Class::recipient: return "recipient";
        case Class::content: return "content";
        case Class::expired: return "expired";
        case Class::permanent: return "permanent";
    }
    return "unknown";
}

}  // namespace posthorn::delivery
