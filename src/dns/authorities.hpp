// Asks the servers a zone is published by, one by one and without recursion: what is true now, not what somebody remembers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dns/message.hpp"
#include "net/asio.hpp"

namespace posthorn::dns {

class Resolver;

// What one server of the zone said. A chain of CNAMEs that leads out of the zone stays open (Lookup::chain_is_open).
struct AuthorityAnswer {
    std::string server;   // its name, "ns1.example.net"
    std::string address;  // "192.0.2.53:53"
    Lookup lookup;

    AuthorityAnswer() = default;
};

struct AuthorityAnswers {
    std::string zone;                      // that the name lies in; empty: not found
    std::vector<AuthorityAnswer> servers;  // in the order of their names; never more than dns.authority_servers
    std::string detail;                    // why nobody could be asked

    AuthorityAnswers() = default;
};

// On the shard of its resolver, which outlives it; made for one diagnosis and thrown away after it. Equal questions are asked again; zones and the
// servers' addresses are looked for once. Up to the whole life of a question the caller must keep this object.
class Authorities {
public:
    Authorities(net::asio::any_io_executor executor, Resolver& resolver);
    // REQUIRES: no question is under way.
    ~Authorities();
    Authorities(const Authorities&) = delete;
    Authorities& operator=(const Authorities&) = delete;

    // The zone is found by the NS records of the name or of the nearest name above it, the servers' addresses at the resolver; all servers are asked
    // at once, by UDP and, where that does not suffice, by TCP. What is temporary in the end: no answer, or one that is none of an authority.
    // Ends within dns.authority_timeout * 3 after the zone is found. A server that was silent once is not asked again.
    net::awaitable<AuthorityAnswers> ask(std::string name, RecordType type);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace posthorn::dns
