// Fuzzes the client's whole dialogue. Input: octets 0 and 1 choose options and message, the rest is what the server
// says; then the line is cut.
#include <memory>
#include <string>

#include "law.hpp"
#include "smtp/protocol/client_session.hpp"

using namespace posthorn;
using namespace posthorn::smtp::protocol;
using Kind = ClientAction::Kind;

namespace {

// Answers any challenge with its own octets; some it does not like.
class Parrot final : public auth::SaslClient {
public:
    explicit Parrot(bool speaks_first) : speaks_first_(speaks_first) {}
    [[nodiscard]] std::string mechanism() const override { return "PARROT"; }
    [[nodiscard]] std::optional<std::string> initial() override {
        return speaks_first_ ? std::optional<std::string>("hello") : std::nullopt;
    }
    [[nodiscard]] Result<std::string> step(std::string_view challenge) override {
        if (challenge.starts_with('x')) return Error{"not liked"};
        return std::string(challenge);
    }
    [[nodiscard]] Result<void> succeeded() const override { return {}; }
    [[nodiscard]] bool says_password() const override { return false; }

private:
    bool speaks_first_;
};

constexpr std::uint64_t kSmall = 500, kLarge = 2 * kChunk + 1;

Transaction letter(std::uint8_t choice, std::uint8_t more) {
    Transaction transaction;
    transaction.envelope.reverse_path = "a@example.org";
    transaction.size = (more & 0x10U) != 0 ? kLarge : kSmall;
    transaction.body_has_8bit = (choice & 0x10U) != 0;
    const unsigned count = 1 + (choice >> 5U);
    for (unsigned i = 0; i < count; ++i) {
        mail::EnvelopeRecipient recipient;
        recipient.address = "user" + std::to_string(i) + "@example.net";
        if ((more & 0x20U) != 0 && i == 1) recipient.address = "\xc3\xa4@example.net";
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
        fuzz::require(!result.maybe_delivered || (result.stage == Stage::end_of_data && result.reply.code == 0),
                      "in doubt only behind the end");
        if (result.fate == Fate::delivered)
            fuzz::require(result.stage == Stage::end_of_data, "nothing is delivered before its end");
    }
}

// next(): the server's next octets, empty at the end.
template <class Next>
std::string talk(std::uint8_t choice, std::uint8_t more, Next next) {
    ClientOptions options;
    options.hostname = "out.example.org";
    options.tls = static_cast<TlsUse>(choice % 3);
    options.pipelining = (choice & 0x08U) == 0;
    options.max_unanswered = 80;
    options.chunking = (more & 0x01U) != 0;
    options.helo = (more & 0x02U) != 0;
    options.login_in_clear = (more & 0x04U) != 0;
    if ((more & 0x08U) != 0)
        options.login = [more](const std::vector<std::string>& offered) -> Result<std::unique_ptr<auth::SaslClient>> {
            fuzz::require(!offered.empty(), "a login is chosen among some");
            return std::unique_ptr<auth::SaslClient>(std::make_unique<Parrot>((more & 0x40U) != 0));
        };
    ClientSession session(options);
    std::string trace;
    const Transaction message = letter(choice, more);
    std::uint64_t content = 0;   // octets of the transaction under way
    bool begun = false;
    for (ClientAction action = session.start();;) {
        fuzz::require(!session.failure() || action.kind == Kind::close, "a failure ends it");
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
            case Kind::log_in:
                fuzz::require(session.login() != nullptr, "who logs in has something to say");
                action = session.on_login_step(session.login()->step(action.output));
                break;
            case Kind::send_message:
                fuzz::require(!options.login || session.login_mechanism() == "PARROT", "no mail without the login");
                action = session.on_message_sent();
                break;
            case Kind::send_chunk:
                fuzz::require(options.chunking && session.extensions().chunking, "chunks where they are offered");
                fuzz::require(action.chunk > 0 && action.chunk <= kChunk, "a chunk has its bound");
                content += action.chunk;
                fuzz::require(content <= message.size, "no more than the message");
                fuzz::require(action.output.ends_with(" LAST\r\n") == (content == message.size), "the last says so");
                action = session.on_chunk_sent();
                break;
            case Kind::ready:
                if (begun) require_results(session, message.envelope.recipients.size());
                if (!session.may_begin() || session.transactions() >= 3 ||
                    (begun && session.transactions() == 0)) {
                    action = session.quit();
                } else {
                    begun = true;
                    content = 0;
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
    if (size < 2) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
    // As much as it likes in one piece.
    fuzz::Slices pieces(input, static_cast<std::uint8_t>(size % 256));
    (void)talk(data[0], data[1], [&] { return pieces.next(); });
    // A line at a time it never says more than it was asked for; then octets must give the same dialogue as
    // lines.
    std::string_view lines = input, octets = input;
    const auto take = [](std::string_view& rest, std::size_t n) {
        const std::string_view piece = rest.substr(0, n);
        rest.remove_prefix(piece.size());
        return piece;
    };
    const std::string by_lines = talk(data[0], data[1], [&] {
        const auto newline = lines.find('\n');
        return take(lines, newline == std::string_view::npos ? newline : newline + 1);
    });
    const std::string by_octets = talk(data[0], data[1], [&] { return take(octets, 1); });
    fuzz::require(by_lines == by_octets, "any slicing gives the same dialogue");
    return 0;
}
