// Fuzzes the server's whole dialogue. Input: octet 0 chooses the listener, octet 1 the answers, the rest is
// what the client says.
#include <string>

#include "law.hpp"
#include "smtp/protocol/server_session.hpp"

using namespace posthorn;
using namespace posthorn::smtp::protocol;
using Kind = ServerAction::Kind;

namespace {

struct Trace {
    std::string said, content, questions;
    bool operator==(const Trace&) const = default;
};

ServerFacts facts(std::uint8_t choice) {
    ServerFacts facts;
    facts.hostname = "mx.example.org";
    facts.tls = static_cast<SessionTls>(choice % 3);
    facts.auth = static_cast<SessionAuth>(choice / 3 % 3);
    facts.auth_without_tls = (choice & 0x40U) != 0;
    facts.trusted = (choice & 0x80U) != 0;
    facts.require_tls = true;
    facts.xclient = (choice & 0x20U) != 0;
    facts.mechanisms = {"SCRAM-SHA-256-PLUS", "PLAIN", "LOGIN"};
    facts.limits.max_message_size = 300;
    facts.limits.max_recipients = 3;
    facts.limits.max_command_line = 100;
    facts.limits.max_auth_line = 200;
    facts.limits.max_errors = 8;
    return facts;
}

Trace talk(std::string_view input, std::uint8_t choice, std::uint8_t answers, std::uint8_t seed) {
    Trace trace;
    ServerSession session(facts(choice));
    fuzz::Slices slices(input, seed);
    bool may_xclient = facts(choice).xclient, trusted = facts(choice).trusted;
    unsigned asked = 0;
    // One bit of the second octet for each question, round and round.
    const auto yes = [&] { return (answers >> (asked++ % 8) & 1U) == 0; };
    for (ServerAction action = session.start();;) {
        trace.said += action.output;
        trace.content += session.take_content();
        // Where replies are written before more is looked at depends on the slicing.
        if (action.kind != Kind::read && action.kind != Kind::write) trace.questions.append(to_string(action.kind)).append(";");
        switch (action.kind) {
            case Kind::read:
                action = slices.empty() ? session.on_eof() : session.on_bytes(slices.next());
                break;
            case Kind::write:
                action = session.on_written();
                break;
            case Kind::check_mail:
            case Kind::check_recipient:
            case Kind::begin_data:
                if (action.kind == Kind::begin_data) {
                    const auto count = session.envelope().recipients.size();
                    fuzz::require(count >= 1 && count <= 3, "content has its recipients, within the limit");
                }
                action = session.on_verdict(yes() ? Verdict::accept()
                                                  : Verdict::refuse(make_reply(450, "4.7.1", "Later")));
                break;
            case Kind::authenticate: {
                const SaslTurn& turn = session.sasl_turn();
                trace.questions.append(turn.mechanism).append(turn.response.value_or("-")).append(";");
                fuzz::require(turn.mechanism == "PLAIN" || turn.mechanism == "LOGIN", "only what is offered is asked");
                fuzz::require(!session.authenticated(), "nobody authenticates twice");
                const bool good = yes(), more = yes();
                action = session.on_sasl(good && more ? SaslAnswer::accepted("user")
                                         : good       ? SaslAnswer::accepted("user", "last words")
                                         : more       ? SaslAnswer::challenge("more")
                                                      : SaslAnswer::rejected());
                break;
            }
            case Kind::change_client: {
                fuzz::require(may_xclient, "XCLIENT only for whom it is offered");
                ClientFacts client;
                client.xclient = yes();
                client.trusted = yes();
                may_xclient = client.xclient;
                trusted = client.trusted;
                action = session.on_client(client);
                break;
            }
            case Kind::start_tls:
                action = session.on_tls(TlsFacts("TLSv1.3", "x"));
                break;
            case Kind::store: {
                const auto& f = session.data_facts();
                fuzz::require(!f.bare_cr && !f.bare_lf && !f.nul && f.size <= 300,
                              "only clean messages are stored");
                fuzz::require(session.authenticated() || trusted,
                              "nobody relays without the right to");
                action = session.on_stored(yes() ? StoreResult::stored("1") : StoreResult::temporary("full"));
                break;
            }
            case Kind::drop:
                action = session.on_dropped();
                break;
            case Kind::abandon:
                fuzz::require(session.envelope().recipients.empty(), "what is abandoned is forgotten");
                action = session.on_abandoned();
                break;
            case Kind::close:
                fuzz::require(session.end() != SessionEnd::open, "an end has a reason");
                return trace;
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
    const Trace whole = talk(input, data[0], data[1], 0);
    const Trace sliced = talk(input, data[0], data[1], static_cast<std::uint8_t>(1 + size % 255));
    // What comes with STARTTLS is refused, what comes later is the handshake's: there the slicing may matter.
    const bool tls = whole.questions.find("start_tls") != std::string::npos ||
                     sliced.questions.find("start_tls") != std::string::npos;
    fuzz::require(tls || whole == sliced, "any slicing gives the same dialogue");
    // Each line said begins with a reply code: nothing of the client's can forge one.
    std::string_view said = whole.said;
    while (!said.empty()) {
        const auto end = said.find("\r\n");
        fuzz::require(end != std::string_view::npos && end >= 4 && said[0] >= '2' && said[0] <= '5',
                      "all that is said are replies");
        said.remove_prefix(end + 2);
    }
    return 0;
}
