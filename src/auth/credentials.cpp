// Password checks by crypt_r(3), equal in time for known and unknown users.
#include "auth/credentials.hpp"

#include <crypt.h>
#include <openssl/crypto.h>

#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

#include "auth/crypto.hpp"

namespace posthorn::auth {
namespace {

bool matches(const std::string& password, const std::string& hash) {
    // 32 KiB: too much for the stack of a pool thread that may be small.
    auto data = std::make_unique<crypt_data>();
    const char* computed = crypt_rn(password.c_str(), hash.c_str(), data.get(), sizeof *data);
    const bool same = computed != nullptr && *computed != '*' &&
                      equal_secret({reinterpret_cast<const std::uint8_t*>(computed), std::strlen(computed)},
                                   {reinterpret_cast<const std::uint8_t*>(hash.data()), hash.size()});
    OPENSSL_cleanse(data.get(), sizeof *data);
    return same;
}

}  // namespace

// The octets of an HMAC are as good as random: any eight of them are a hash.
std::size_t Credentials::DigestHash::operator()(const Digest& digest) const {
    std::size_t value = 0;
    std::memcpy(&value, digest.data(), sizeof value);
    return value;
}

Credentials::Credentials(UserFile users, Duration success_cache)
    : users_(std::move(users)), success_cache_(success_cache) {
    if (!random_octets(process_key_))
        throw std::runtime_error("the system has no randomness: " + openssl_error());
    if (const auto* hash = users_.typical_hash()) {
        dummy_hash_ = *hash;
    } else if (auto made = make_hash("no user has this")) {
        dummy_hash_ = *made;
    }
}

Credentials::~Credentials() {
    OPENSSL_cleanse(process_key_.data(), process_key_.size());
}

Credentials::Digest Credentials::digest(std::string_view user, std::string_view password) const {
    std::string both;
    both.reserve(user.size() + 1 + password.size());
    both.append(user).append(1, '\0').append(password);  // NUL can be in neither: no two pairs look alike
    const auto result = hmac_sha256(process_key_, both);
    OPENSSL_cleanse(both.data(), both.size());
    return result;
}

bool Credentials::cached(std::string_view user, std::string_view password, SteadyTime now) {
    const auto key = digest(user, password);
    const std::lock_guard lock(mutex_);
    const auto found = cache_.find(key);
    if (found == cache_.end()) return false;
    if (found->second > now) return true;
    cache_.erase(found);
    return false;
}

bool Credentials::verify(std::string_view user, std::string_view password, SteadyTime now) {
    // crypt(3) reads to the first NUL and refuses long input at once; cut for the dummy's sake, wrong in any
    // case.
    bool possible =
        password.find('\0') == std::string_view::npos && user.find('\0') == std::string_view::npos;
    if (password.size() >= CRYPT_MAX_PASSPHRASE_SIZE) {
        possible = false;
        password = password.substr(0, CRYPT_MAX_PASSPHRASE_SIZE - 1);
    }
    if (possible && cached(user, password, now)) return true;

    const auto* hash = users_.hash_of(user);
    std::string text(password);
    const bool right = matches(text, hash != nullptr ? *hash : dummy_hash_) && hash != nullptr && possible;
    OPENSSL_cleanse(text.data(), text.size());
    if (!right) return false;
    if (success_cache_ <= Duration::zero()) return true;

    const auto key = digest(user, password);
    const std::lock_guard lock(mutex_);
    if (cache_.size() >= kCacheEntries) {
        std::erase_if(cache_, [&](const auto& entry) { return entry.second <= now; });
        if (cache_.size() >= kCacheEntries) cache_.clear();
    }
    cache_[key] = now + success_cache_;
    return true;
}

}  // namespace posthorn::auth
