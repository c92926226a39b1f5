// Who may submit: the users file with its crypt(3) hashes, and the check of a password against it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::auth {

// The users file: lines "name:hash", empty lines, and comments that begin with '#'. A name is what AUTH
// sends, so it may hold '@' but no ':', blank or control character. A hash is what crypt(3) reads (yescrypt
// "$y$", "$6$", "$2b$", ...).
class UserFile {
public:
    // All mistakes at once in the error, one a line, each "file:line: what is wrong". file_name is for
    // messages only.
    [[nodiscard]] static Result<UserFile> parse(std::string_view text, const std::string& file_name);
    // The same from a file. warning: who else may read the file, or empty.
    [[nodiscard]] static Result<UserFile> load(const std::string& path, std::string* warning = nullptr);

    [[nodiscard]] const std::string* hash_of(std::string_view user) const;
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] std::size_t size() const { return hashes_.size(); }

private:
    std::map<std::string, std::string, std::less<>> hashes_;
};

// A yescrypt hash with a random salt, for the users file. Takes 10-100 ms on purpose.
[[nodiscard]] Result<std::string> make_hash(std::string_view password);

enum class UserChange : std::uint8_t {
    add,      // the user must be new
    replace,  // the user must be there
    remove,   // the user must be there; password is not looked at
};

// Changes one line of the file and keeps all others (comments too) as they are; a missing file is made by
// `add` with mode 0600. Atomic: readers see the old file or the new one. Two changes at the same moment: the
// later one may be refused, none is lost.
[[nodiscard]] Result<void> change_user(const std::string& path, UserChange change, std::string_view user,
                                       std::string_view password);

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
        4096;                                         // bound of the success cache; the rest is verified anew
    static constexpr std::size_t kMaxPassword = 512;  // CRYPT_MAX_PASSPHRASE_SIZE; longer ones are wrong

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
