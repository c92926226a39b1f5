// Asks the servers a zone is published by, one by one and without recursion: what is true now, not what somebody remembers.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "dns/message.hpp"
#include "dns/options.hpp"
#include "net/asio.hpp"

namespace posthorn::dns {

class Resolver;

// What one server of the zone said. address: "192.0.2.53:53".
struct AuthorityAnswer {
    std::string server;   // its name, "ns1.example.net"
    std::string address;
    Lookup lookup;
};

struct AuthorityAnswers {
    std::string zone;                      // that the name lies in; empty: not found
    std::vector<AuthorityAnswer> servers;  // as the zone's NS records give them, sorted by name; never more than authority_servers
    std::string detail;                    // why nobody could be asked
};

// On the shard of its resolver, which outlives it. One question at a time to each server; a server that was silent is not asked again for
// the life of this object, which is one diagnosis: made for it and thrown away after it.
class Authorities {
public:
    Authorities(net::asio::any_io_executor executor, Resolver& resolver, const DnsOptions& options);
    ~Authorities();
    Authorities(const Authorities&) = delete;
    Authorities& operator=(const Authorities&) = delete;

    // The zone is found by the NS records of the name or the nearest name above it, its servers by their addresses, all at the resolver.
    // Ends within about authority_timeout * 3 for names whose zone is known.
    net::awaitable<AuthorityAnswers> ask(std::string name, RecordType type);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace posthorn::dns
