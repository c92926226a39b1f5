// Asks DNS from coroutines: c-ares on a shard's io_context, with a cache in front.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/histogram.hpp"
#include "base/result.hpp"
#include "dns/message.hpp"
#include "dns/options.hpp"
#include "dns/records.hpp"
#include "dns/server_figures.hpp"
#include "net/asio.hpp"

namespace posthorn::dns {

enum class Family : std::uint8_t { any, v4, v6 };

struct ResolverCounters {
    std::uint64_t questions = 0;  // asked by callers
    std::uint64_t cache_hits = 0;
    std::uint64_t joined = 0;     // waited for an equal question that was under way
    std::uint64_t queries = 0;    // asked of the servers
    std::uint64_t failures = 0;   // no server answered
    std::uint64_t shortages = 0;  // not asked, as this process had no descriptors or memory, or was ending
    std::uint64_t cache_entries = 0;  // now
    std::uint64_t cache_limit = 0;
    Histogram query_seconds{kDialogueSeconds};  // of `queries`: until there was an answer, or none from any server
};

// One per shard, owned by the app, used on that shard's thread only. Each question ends within about
// options.timeout * (2^tries + servers), with an answer or as temporary. Equal questions under way are
// asked once. Names: without or with trailing dot, any case, A-labels. Never throws for what DNS says.
class Resolver {
public:
    // Errors: servers that are no IP addresses, or c-ares without memory.
    [[nodiscard]] static Result<std::unique_ptr<Resolver>> create(net::asio::any_io_executor executor,
                                                                  const DnsOptions& options);
    // REQUIRES: after the shard's thread has stopped (or when nobody waits in it), before its io_context is
    // destroyed.
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    net::awaitable<MxAnswer> mx(std::string domain);
    net::awaitable<AddressAnswer> addresses(std::string host, Family family = Family::any);
    net::awaitable<TxtAnswer> txt(std::string name);
    net::awaitable<PtrAnswer> ptr(IpAddress address);
    // name: with its port and protocol, "_25._tcp.mx.example.com" (RFC 6698 s3).
    net::awaitable<TlsaAnswer> tlsa(std::string name);

    // One record type, as it is. fresh: not from our own cache, but from that of the servers: for "is it repaired?".
    net::awaitable<Lookup> look_up(std::string name, RecordType type, bool fresh = false);

    // Changes servers, timeouts and cache bounds and forgets what was cached. What is under way ends with the
    // old settings.
    [[nodiscard]] Result<void> reconfigure(const DnsOptions& options);
    // The program ends: what is under way, and whatever is asked from now on, ends at once as temporary.
    void close();
    void flush();  // forgets the cache: for "the DNS was repaired, look again"
    [[nodiscard]] ResolverCounters counters() const;
    [[nodiscard]] std::vector<ServerFigures> servers() const;
    [[nodiscard]] bool trusts_ad() const;  // as configured
    [[nodiscard]] const DnsOptions& options() const;

private:
    class Impl;
    explicit Resolver(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace posthorn::dns
