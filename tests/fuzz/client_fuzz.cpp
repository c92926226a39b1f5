// Fuzzes the client's whole dialogue. Input: octet 0 chooses options and message, the rest is what the server
// says; then the line is cut.
#include <string>

#include "law.hpp"
#include "smtp/protocol/client_session.hpp"

using namespace posthorn;
using namespace posthorn::smtp::protocol;
using Kind = ClientAction::Kind;

namespace {

Transaction letter(std::uint8_t choice) {
    Transaction transaction;
    transaction.envelope.reverse_path = "a@example.org";
    transaction.size = 500;
    transaction.body_has_8bit = (choice & 0x10U) != 0;
    const unsigned count = 1 + (choice >> 5U);
    for (unsigned i = 0; i < count; ++i) {
        mail::EnvelopeRecipient recipient;
        recipient.address = "user" + std::to_string(i) + "@example.net";
        recipient.orcpt = "rfc822;x@example.com";
        transaction.envelope.recipients.push_back(std::move(recipient));
    }
    return transaction;
}

void require_results(const ClientSession& session, std::size_t count) {
    fuzz::require(session.results().size() == count, "a result for each recipient");
    for (const auto& result : session.results()) {
        fuzz::require(!result.reply.lines.empty(), "a result has words");
        fuzz::require((result.fate == Fate::delivered) == (result.reply.code / 100 == 2),
                      "delivered by a 2xx, and only so");
        if (result.fate == Fate::delivered)
            fuzz::require(result.stage == Stage::end_of_data, "nothing is delivered before its end");
    }
}

// next(): the server's next octets, empty at the end.
template <class Next>
std::string talk(std::uint8_t choice, Next next) {
    ClientOptions options;
    options.hostname = "out.example.org";
    options.tls = static_cast<TlsUse>(choice % 3);
    options.pipelining = (choice & 0x08U) == 0;
    options.max_unanswered = 80;
    ClientSession session(options);
    std::string trace;
    const Transaction message = letter(choice);
    bool begun = false;
    for (ClientAction action = session.start();;) {
        trace += action.output;
        if (action.kind != Kind::read) trace.append(to_string(action.kind)).append(";");
        switch (action.kind) {
            case Kind::read:
                if (const std::string_view piece = next(); !piece.empty()) {
                    action = session.on_bytes(piece);
                } else {
                    action = session.on_lost("cut");
                }
                break;
            case Kind::start_tls:
                action = session.on_tls("TLSv1.3", "x");
                break;
            case Kind::send_message:
                action = session.on_message_sent();
                break;
            case Kind::ready:
                if (begun) require_results(session, message.envelope.recipients.size());
                if (!session.may_begin() || session.transactions() >= 3 ||
                    (begun && session.transactions() == 0)) {
                    action = session.quit();
                } else {
                    begun = true;
                    action = session.begin(message);
                }
                break;
            case Kind::close:
                if (begun) require_results(session, message.envelope.recipients.size());
                if (session.failure()) trace += session.failure()->reply.joined();
                for (const auto& result : session.results()) trace += result.reply.joined();
                return trace;
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    // As much as it likes in one piece.
    fuzz::Slices pieces(input, static_cast<std::uint8_t>(size % 256));
    (void)talk(data[0], [&] { return pieces.next(); });
    // A line at a time it never says more than it was asked for; then octets must give the same dialogue as
    // lines.
    std::string_view lines = input, octets = input;
    const auto take = [](std::string_view& rest, std::size_t n) {
        const std::string_view piece = rest.substr(0, n);
        rest.remove_prefix(piece.size());
        return piece;
    };
    const std::string by_lines = talk(data[0], [&] {
        const auto newline = lines.find('\n');
        return take(lines, newline == std::string_view::npos ? newline : newline + 1);
    });
    const std::string by_octets = talk(data[0], [&] { return take(octets, 1); });
    fuzz::require(by_lines == by_octets, "any slicing gives the same dialogue");
    return 0;
}
