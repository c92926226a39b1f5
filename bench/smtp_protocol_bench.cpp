// What the SMTP dialogue itself costs: the DATA codec by octets, one message through each side's session.
#include <benchmark/benchmark.h>

#include <string>

#include "smtp/protocol/client_session.hpp"
#include "smtp/protocol/data_codec.hpp"
#include "smtp/protocol/server_session.hpp"

namespace posthorn::smtp::protocol {
namespace {

std::string body(std::size_t size) {
    std::string out;
    while (out.size() < size) {
        out += "A line of seventy octets or so, as most mail has them, one after another.\r\n";
    }
    return out;
}

void decode_data(benchmark::State& state) {
    const std::string wire = body(static_cast<std::size_t>(state.range(0))) + ".\r\n";
    std::string out;
    for (auto _ : state) {
        DataDecoder decoder;
        out.clear();
        std::string_view in = wire;
        benchmark::DoNotOptimize(decoder.feed(in, out));
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * wire.size()));
}
BENCHMARK(decode_data)->Arg(4096)->Arg(1 << 20);

void encode_data(benchmark::State& state) {
    const std::string content = body(static_cast<std::size_t>(state.range(0)));
    std::string out;
    for (auto _ : state) {
        DataEncoder encoder;
        out.clear();
        encoder.feed(content, out);
        encoder.finish(out);
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * content.size()));
}
BENCHMARK(encode_data)->Arg(4096)->Arg(1 << 20);

// MAIL, RCPT, DATA and 4 KiB in one piece, as a client that pipelines would send them.
void server_message(benchmark::State& state) {
    ServerFacts facts;
    facts.hostname = "mail.example.org";
    facts.trusted = true;
    ServerSession session(facts);
    (void)session.start();
    (void)session.on_bytes("EHLO client.example.net\r\n");
    const std::string envelope = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n";
    const std::string content = body(4096) + ".\r\n";
    for (auto _ : state) {
        ServerAction action = session.on_bytes(envelope);
        for (bool stored = false; !stored;) {
            switch (action.kind) {
                case ServerAction::Kind::check_mail:
                case ServerAction::Kind::check_recipient:
                case ServerAction::Kind::begin_data: action = session.on_verdict(Verdict::accept()); break;
                case ServerAction::Kind::read: action = session.on_bytes(content); break;
                case ServerAction::Kind::store:
                    benchmark::DoNotOptimize(session.take_content());
                    action = session.on_stored(StoreResult::stored("0000000000001"));
                    stored = true;
                    break;
                default: state.SkipWithError("an action that was not expected"); return;
            }
        }
    }
}
BENCHMARK(server_message);

// One transaction on an open connection to a server that pipelines; the message itself is the driver's to write.
void client_message(benchmark::State& state) {
    ClientOptions options;
    options.hostname = "mail.example.org";
    options.tls = TlsUse::never;
    ClientSession session(options);
    (void)session.start();
    (void)session.on_bytes("220 mx.example.net ESMTP\r\n");
    (void)session.on_bytes("250-mx.example.net\r\n250-PIPELINING\r\n250 SIZE 10000000\r\n");
    Transaction transaction;
    transaction.envelope.reverse_path = "a@example.org";
    transaction.envelope.recipients.resize(1);
    transaction.envelope.recipients[0].address = "b@example.net";
    transaction.size = 4096;
    for (auto _ : state) {
        (void)session.begin(transaction);
        (void)session.on_bytes("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n");
        (void)session.on_message_sent();
        const ClientAction action = session.on_bytes("250 2.0.0 Ok: queued as 12345\r\n");
        if (action.kind != ClientAction::Kind::ready) {
            state.SkipWithError("the message was not taken");
            return;
        }
    }
}
BENCHMARK(client_message);

}  // namespace
}  // namespace posthorn::smtp::protocol
