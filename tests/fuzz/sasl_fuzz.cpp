// SASL as strangers speak it, and Dovecot as a broken one would: no octets may log anybody in, crash, or make
// an exchange go on for ever.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "auth/dovecot_protocol.hpp"
#include "auth/sasl.hpp"
#include "auth/saslprep.hpp"
#include "auth/scram.hpp"
#include "auth/user_file.hpp"
#include "base/text.hpp"

namespace {

using namespace posthorn::auth;

ScramIdentity somebody(std::string_view name) {
    static const ScramSecret secret =
        make_scram_secret("a password that no fuzzer guesses", "0123456789abcdef", 4096);
    return {name == "user" ? "user" : "", secret};
}

// Messages are separated by LF. Whoever comes through without the password has found a hole.
void converse(SaslExchange& exchange, std::string_view messages) {
    for (int steps = 0; !messages.empty(); ++steps) {
        const auto step = exchange.respond(posthorn::text::take_field(messages, '\n'));
        if (std::holds_alternative<SaslExchange::Proven>(step)) std::abort();
        if (const auto* claim = std::get_if<SaslExchange::Credentials>(&step)) {
            if (claim->user.empty() || claim->password.empty()) std::abort();
            if ((claim->user + claim->password).find('\0') != std::string::npos) std::abort();
        }
        if (std::holds_alternative<SaslExchange::Challenge>(step)) {
            if (steps >= 2) std::abort();  // no mechanism of ours asks a third time
        }
    }
}

void prepare(std::string_view text) {
    const auto once = saslprep(text);
    if (!once) return;
    if (once->empty() || !posthorn::text::is_utf8(*once) || once->find('\0') != std::string::npos)
        std::abort();
}

// The law of the readers: any slicing gives the same.
void dovecot(std::string_view octets) {
    const auto read = [&](std::size_t slice) {
        DovecotReader reader;
        std::vector<DovecotEvent> events;
        std::string story;
        for (std::string_view rest = octets; !rest.empty();) {
            const auto piece = rest.substr(0, slice);
            rest.remove_prefix(piece.size());
            if (!reader.feed(piece, events)) {
                story = "broken ";
                break;
            }
        }
        for (const auto& event : events) {
            if (const auto* ready = std::get_if<DovecotReady>(&event)) {
                for (const auto& name : smtp_mechanisms(ready->mechanisms)) {
                    // It goes into our EHLO as it is.
                    if (name.empty() ||
                        name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != std::string::npos)
                        std::abort();
                    story += name + " ";
                }
            } else {
                const auto& reply = std::get<DovecotReply>(event);
                if (reply.kind == DovecotReply::Kind::granted && reply.user.empty()) std::abort();
                story += std::to_string(reply.id) + std::to_string(int(reply.kind)) + reply.user +
                         reply.reason + reply.data.value_or("-") + "\n";
            }
        }
        return story;
    };
    if (read(octets.size() + 1) != read(1) || read(7) != read(1)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0]) {
        case 'P':
            converse(*SaslExchange::create("PLAIN"), rest);
            break;
        case 'L':
            converse(*SaslExchange::create("LOGIN"), rest);
            break;
        case 'S':
        case 'B': {
            ScramTerms terms;
            terms.plus = data[0] == 'B';
            terms.nonce = "server";
            if (terms.plus)
                terms.channel_bindings.push_back({"tls-exporter", "0123456789abcdef0123456789abcdef"});
            ScramExchange exchange(somebody, terms);
            converse(exchange, rest);
            break;
        }
        case 'D':
            dovecot(rest);
            break;
        case 'U':
            // The right answer is a file of users or a list of mistakes.
            if (const auto users = UserFile::parse(rest, "users"); !users && users.error().what.empty())
                std::abort();
            break;
        case 'R':
            if (const auto secret = ScramSecret::parse(rest);
                secret && *ScramSecret::parse(secret->to_string()) != *secret)
                std::abort();
            break;
        default:
            prepare(rest);
    }
    return 0;
}
