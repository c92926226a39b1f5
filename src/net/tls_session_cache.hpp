// TLS sessions waiting to be resumed: a small map that hands each one out once.
#pragma once

#include <list>
#include <string>
#include <unordered_map>

#include "net/tls_context.hpp"

namespace posthorn::net {

// Not thread-safe: one per ClientTls, thus per shard. The key is host, port and policy, so that a session
// agreed without verification is never resumed where verification is asked for.
class TlsSessionCache {
public:
    explicit TlsSessionCache(std::size_t capacity) : capacity_(capacity) {}

    void put(const std::string& key, SslSession session);
    // Removes it: a TLS 1.3 ticket used twice links the two connections (RFC 8446 appendix C.4). Null when
    // there is none.
    [[nodiscard]] SslSession take(const std::string& key);
    [[nodiscard]] std::size_t size() const { return index_.size(); }

private:
    struct Entry {
        std::string key;
        SslSession session;
    };
    std::size_t capacity_;
    std::list<Entry> newest_first_;
    std::unordered_map<std::string, std::list<Entry>::iterator> index_;
};

}  // namespace posthorn::net
