// Password checks by crypt_r(3), equal in time for known and unknown users; secrets for names that nobody
// has.
#include "auth/credentials.hpp"

#include <crypt.h>
#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

#include "auth/crypto.hpp"
#include "auth/saslprep.hpp"

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
    salt_key_ = users_.salt_key();
    std::size_t can_log_in = 0, with_secret = 0;
    for (const UserFile::User* user : users_.users()) {
        if (user->scram) forms_.push_back(Form{user->scram->iterations, user->scram->salt.size()});
        if (user->locked()) continue;
        ++can_log_in;
        if (user->scram) ++with_secret;
    }
    offers_scram_ = can_log_in > 0 && with_secret == can_log_in;
    if (forms_.empty()) forms_.emplace_back();
    std::sort(forms_.begin(), forms_.end());
    forms_.erase(std::unique(forms_.begin(), forms_.end()), forms_.end());
}

Credentials::~Credentials() {
    OPENSSL_cleanse(process_key_.data(), process_key_.size());
}

std::string_view Credentials::why_not(std::string_view user) const {
    const UserFile::User* found = users_.find(user);
    if (found == nullptr) return "there is no such user";
    return found->locked() ? "the user is locked" : "wrong password";
}

std::string Credentials::without_scram() const {
    constexpr std::size_t kNamed = 3;
    std::vector<std::string_view> names;
    bool any = false;
    for (const UserFile::User* user : users_.users()) {
        any = any || user->scram;
        if (!user->locked() && !user->scram) names.emplace_back(user->name);
    }
    if (!any || names.empty()) return {};
    const auto others = names.size() - std::min(names.size(), kNamed);
    names.resize(names.size() - others);
    return fmt::format("{}{}", fmt::join(names, ", "), others > 0 ? fmt::format(" and {} others", others) : "");
}

ScramSecret Credentials::secret_of_nobody(std::string_view name) const {
    const auto derived = [&](std::string_view what) {
        return hmac_sha256(salt_key_, fmt::format("{}{}{}", what, '\0', name));
    };
    const Sha256 choice = derived("form"), key = derived("key");
    const Form& form = forms_[(choice[0] << 8U | choice[1]) % forms_.size()];
    ScramSecret secret;
    secret.iterations = form.iterations;
    for (unsigned block = 0; secret.salt.size() < form.salt_size; ++block) {
        const Sha256 octets = derived(fmt::format("salt {}", block));
        secret.salt.append(octets.begin(), octets.end());
    }
    secret.salt.resize(form.salt_size);
    secret.stored_key = key;
    secret.server_key = key;
    return secret;
}

ScramIdentity Credentials::scram_of(std::string_view name) const {
    // Made in any case, so that the time says nothing.
    const auto prepared = saslprep(name);
    ScramIdentity identity{{}, secret_of_nobody(prepared ? *prepared : name)};
    const UserFile::User* user = users_.find(name);
    if (user == nullptr || !user->scram) return identity;
    identity.secret = *user->scram;  // of a locked user as well: it looks as it did before
    if (!user->locked()) identity.user = user->name;
    return identity;
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
    const std::string& against = hash != nullptr ? *hash : dummy_hash_;
    std::string text(password);
    bool right = matches(text, against);
    // Most passwords are their own prepared form; for the others that one counts, too, as hashes were made of
    // either.
    if (auto prepared = saslprep(password); !right && prepared && *prepared != password) {
        right = matches(*prepared, against);
        OPENSSL_cleanse(prepared->data(), prepared->size());
    }
    OPENSSL_cleanse(text.data(), text.size());
    right = right && hash != nullptr && possible;
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
