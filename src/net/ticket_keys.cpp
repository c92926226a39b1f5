// Making, finding and forgetting ticket keys.
#include "net/ticket_keys.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>

namespace posthorn::net {

TicketKeys::~TicketKeys() {
    forget(newest_);
    forget(before_);
}

void TicketKeys::forget(std::optional<Made>& key) {
    if (key) {
        OPENSSL_cleanse(&key->key, sizeof key->key);
    }
    key.reset();
}

void TicketKeys::age(SteadyTime now) {
    if (newest_ && now - newest_->at >= period_) {
        forget(before_);
        before_ = newest_;
        forget(newest_);
    }
    if (before_ && now - before_->at >= 2 * period_) {
        forget(before_);
    }
}

void TicketKeys::make(SteadyTime now) {
    newest_.emplace();
    newest_->at = now;
    Key& key = newest_->key;
    if (RAND_bytes(key.name.data(), key.name.size()) != 1 ||
        RAND_priv_bytes(key.cipher.data(), key.cipher.size()) != 1 ||
        RAND_priv_bytes(key.mac.data(), key.mac.size()) != 1) {
        forget(newest_);
    }
}

std::optional<TicketKeys::Key> TicketKeys::current(SteadyTime now) {
    const std::lock_guard<std::mutex> lock(mutex_);
    age(now);
    if (!newest_) {
        make(now);
    }
    return newest_ ? std::optional<Key>(newest_->key) : std::nullopt;
}

std::optional<TicketKeys::Found> TicketKeys::find(std::span<const unsigned char> name, SteadyTime now) {
    const std::lock_guard<std::mutex> lock(mutex_);
    age(now);
    const auto is = [&](const std::optional<Made>& made) {
        return made && std::equal(made->key.name.begin(), made->key.name.end(), name.begin(), name.end());
    };
    if (is(newest_)) {
        return Found{newest_->key, false};
    }
    if (is(before_)) {
        return Found{before_->key, true};
    }
    return std::nullopt;
}

}  // namespace posthorn::net
