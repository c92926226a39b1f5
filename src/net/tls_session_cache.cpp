// Keeps the newest session of each key, and of all keys the newest ones.
#include "net/tls_session_cache.hpp"

namespace posthorn::net {

void TlsSessionCache::put(const std::string& key, SslSession session) {
    if (auto found = index_.find(key); found != index_.end()) {
        newest_first_.erase(found->second);
        index_.erase(found);
    }
    newest_first_.push_front(Entry{key, std::move(session)});
    index_[key] = newest_first_.begin();
    if (index_.size() > capacity_) {
        index_.erase(newest_first_.back().key);
        newest_first_.pop_back();
    }
}

SslSession TlsSessionCache::take(const std::string& key) {
    auto found = index_.find(key);
    if (found == index_.end()) {
        return nullptr;
    }
    SslSession session = std::move(found->second->session);
    newest_first_.erase(found->second);
    index_.erase(found);
    return SSL_SESSION_is_resumable(session.get()) == 1 ? std::move(session) : nullptr;
}

}  // namespace posthorn::net
