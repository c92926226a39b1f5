// The check of a user's password against the users file, with a memory of successes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "auth/user_file.hpp"
#include "base/clock.hpp"

namespace posthorn::auth {

// Checks passwords against a UserFile. Built anew at reload, shared by all sessions.
//
// THREADS: verify() may be called from any thread at once; it takes tens of milliseconds unless it finds the
// cached success, so call it in the crypto pool. cached() takes microseconds and may be called on a shard
// before that.
class Credentials {
public:
    Credentials(UserFile users, Duration success_cache);
    ~Credentials();

    // True when the user exists and the password is right. An unknown user costs the time of a wrong
    // password: a hash of the same scheme as the file's commonest is computed, so that the time says nothing
    // about which names exist.
    [[nodiscard]] bool verify(std::string_view user, std::string_view password, SteadyTime now);
    // True when exactly these were verified less than success_cache ago; false says nothing.
    [[nodiscard]] bool cached(std::string_view user, std::string_view password, SteadyTime now);
    [[nodiscard]] std::size_t users() const { return users_.size(); }

    static constexpr std::size_t kCacheEntries =
        4096;  // bound of the success cache; the rest is verified anew

private:
    using Digest = std::array<std::uint8_t, 32>;
    struct DigestHash {
        std::size_t operator()(const Digest& digest) const;
    };
    [[nodiscard]] Digest digest(std::string_view user, std::string_view password) const;

    UserFile users_;
    Duration success_cache_;
    std::string dummy_hash_;
    std::array<std::uint8_t, 32> process_key_{};  // so that the cache holds nothing a core dump could replay
    std::mutex mutex_;                            // guards cache_
    std::unordered_map<Digest, SteadyTime, DigestHash> cache_;  // HMAC of user and password -> when it ends
};

}  // namespace posthorn::auth
