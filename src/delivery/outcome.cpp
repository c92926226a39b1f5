// Outcomes of our own making, and the names of results and classes as logs, queue and metrics show them.
#include "delivery/outcome.hpp"

#include <array>

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

namespace {

struct ClassWord {
    Class failure_class;
    std::string_view word;
};
constexpr std::array<ClassWord, 22> kClassWords = {{
    {Class::none, ""},
    {Class::temp, "temp"},
    {Class::grey, "grey"},
    {Class::throttle, "throttle"},
    {Class::auth, "auth"},
    {Class::tlsreq, "tlsreq"},
    {Class::rep, "rep"},
    {Class::content, "content"},
    {Class::rfc, "rfc"},
    {Class::rcpt_perm, "rcpt-perm"},
    {Class::rcpt_full, "rcpt-full"},
    {Class::size, "size"},
    {Class::split, "split"},
    {Class::proto, "proto"},
    {Class::relay, "relay"},
    {Class::mbr, "mbr"},
    {Class::local, "local"},
    {Class::dns, "dns"},
    {Class::connection, "connection"},
    {Class::expired, "expired"},
    {Class::suppressed, "suppressed"},
    {Class::permanent, "permanent"},
}};

}  // namespace

std::string_view to_string(Class failure_class) {
    for (const ClassWord& row : kClassWords)
        if (row.failure_class == failure_class) return row.word;
    return "unknown";
}

std::optional<Class> class_of(std::string_view word) {
    if (word == "recipient") return Class::rcpt_perm;
    for (const ClassWord& row : kClassWords)
        if (row.word == word) return row.failure_class;
    return std::nullopt;
}

}  // namespace posthorn::delivery
