// Peeks, gives what is seen to the reader, takes what belongs to the header.
#include "smtp/server/proxied.hpp"

#include <array>
#include <utility>

#include "net/deadline.hpp"
#include "smtp/protocol/proxy_header.hpp"

namespace posthorn::smtp::server {

net::awaitable<Announced> read_proxy_header(net::Stream& stream, net::TaskGroup& group) {
    using Progress = protocol::ProxyHeaderReader::Progress;
    net::Deadline deadline(stream);
    deadline.set_after(kProxyHeaderTime);
    const auto close = [&stream] { stream.close(); };
    const net::TaskGroup::StopCallback stop(group, close, close);
    protocol::ProxyHeaderReader reader;
    std::array<char, 256> seen;
    for (;;) {
        const net::IoResult got = co_await stream.peek_some(seen);
        if (!got.ok()) {
            std::string why = deadline.expired()  ? "no PROXY header came in time"
                              : group.stopping() ? "the server ends"
                                                 : "the connection ended within the PROXY header";
            co_return Announced(std::move(why));
        }
        const auto step = reader.feed(std::string_view(seen.data(), got.size));
        if (step.progress == Progress::malformed) {
            std::string why = "not a PROXY header: ";
            why += reader.problem();
            co_return Announced(std::move(why));
        }
        stream.skip(step.taken);
        if (step.progress == Progress::complete) break;
    }
    Client client;
    client.address = reader.header().client ? reader.header().client : stream.peer().ip;
    client.veiled = !reader.header().client;
    client.text = client.address->to_string();
    co_return Announced(std::move(client));
}

}  // namespace posthorn::smtp::server
