// Who a client is, by the users file: passwords with a memory of successes, and what SCRAM asks for.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/user_file.hpp"
#include "base/clock.hpp"

namespace posthorn::auth {

// Checks passwords against a UserFile. Built anew at reload, shared by all sessions.
//
// THREADS: users(), user_named() and scram_of() read what never changes: any thread, microseconds. verify()
// may be called from any thread at once; it takes tens of milliseconds unless it finds the cached success, so
// call it in the crypto pool. cached() takes microseconds and may be called on a shard before that.
class Credentials {
public:
    Credentials(UserFile users, Duration success_cache);
    ~Credentials();

    // True when the user exists and the password is right. An unknown user costs the time of a wrong
    // password: a hash of the same scheme as the file's commonest is computed, so that the time says nothing
    // about which names exist. A password is right as the client sent it, or prepared (RFC 4616 s2).
    [[nodiscard]] bool verify(std::string_view user, std::string_view password, SteadyTime now);
    // True when exactly these were verified less than success_cache ago; false says nothing.
    [[nodiscard]] bool cached(std::string_view user, std::string_view password, SteadyTime now);
    [[nodiscard]] std::size_t users() const { return users_.size(); }
    // The name as the users file writes it, by which a user is known from here on. REQUIRES: verify() or
    // cached() said yes.
    [[nodiscard]] const std::string& user_named(std::string_view user) const {
        return users_.find(user)->name;
    }

    // Why somebody who failed did, for the log.
    [[nodiscard]] std::string_view why_not(std::string_view user) const;

    // SCRAM is offered when every user that can log in has a secret for it: clients take the best mechanism
    // that is offered, and do not try another when that fails.
    [[nodiscard]] bool offers_scram() const { return offers_scram_; }
    // Some users of those who keep it from being offered: "joe, ann and 3 others"; empty when it is, or nobody has a
    // secret.
    [[nodiscard]] std::string without_scram() const;
    // A name that nobody has is shown a salt of its own, always the same, and a count of iterations that some
    // user has: what a stranger sees does not tell it from a user's.
    [[nodiscard]] ScramIdentity scram_of(std::string_view name) const;

    static constexpr std::size_t kCacheEntries =
        4096;  // bound of the success cache; the rest is verified anew

private:
    using Digest = std::array<std::uint8_t, 32>;
    struct DigestHash {
        std::size_t operator()(const Digest& digest) const;
    };
    // What differs between SCRAM secrets in sight of strangers.
    struct Form {
        std::uint32_t iterations = kScramIterations;
        std::size_t salt_size = kScramSaltSize;
        friend auto operator<=>(const Form&, const Form&) = default;
    };
    [[nodiscard]] ScramSecret secret_of_nobody(std::string_view name) const;
    [[nodiscard]] Digest digest(std::string_view user, std::string_view password) const;

    UserFile users_;
    Duration success_cache_;
    std::string dummy_hash_;
    bool offers_scram_ = false;
    std::vector<Form> forms_;  // each once, in order; never empty
    Sha256 salt_key_{};
    std::array<std::uint8_t, 32> process_key_{};  // so that the cache holds nothing a core dump could replay
    std::mutex mutex_;                            // guards cache_
    std::unordered_map<Digest, SteadyTime, DigestHash> cache_;  // HMAC of user and password -> when it ends
};

}  // namespace posthorn::auth
