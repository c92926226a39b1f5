// Which keys sign for a From domain: the key table made from the configured domains, and what happens where
// there is no key.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/dkim/signer.hpp"
#include "auth/options.hpp"

namespace posthorn::auth::dkim {

// What to do with mail of one From domain. Points into the table: keep the KeyTablePtr as long as you use it.
struct Selection {
    std::span<const SigningIdentity> identities;  // RSA first; empty: cannot be signed
    std::string reason;  // why it cannot be signed and what repairs it; empty when it can
    UnsignedPolicy policy = UnsignedPolicy::hold;  // what to do when it cannot be signed

    [[nodiscard]] bool can_sign() const { return !identities.empty(); }
};

class KeyTable;
using KeyTablePtr = std::shared_ptr<const KeyTable>;

// Immutable; built at start and at reload, swapped as a whole. Any thread.
class KeyTable {
public:
    using KeySource = std::function<Result<PrivateKeyPtr>(const std::string& path)>;

    // A key that cannot be had takes the signatures of its own domain away and no other's: the table is
    // always made. source is for tests; PrivateKey::load by default.
    [[nodiscard]] static KeyTablePtr build(const std::vector<DomainOptions>& domains,
                                           const DkimOptions& options,
                                           const KeySource& source = &PrivateKey::load);

    // The configured domain equal to from_domain or the nearest parent of it, so that d= is aligned (RFC 7489
    // s3.1.1, relaxed). A domain of which only some keys could be loaded signs with those. Any case; a
    // trailing dot is ignored.
    [[nodiscard]] Selection select(std::string_view from_domain) const;

    // One line a domain whose keys could not all be loaded, and one a key that should be better: for the log
    // at start.
    [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }
    // Forms of the body hash that some identity needs; the relaxed one comes with the message.
    [[nodiscard]] bool needs_simple_body() const { return needs_simple_body_; }
    [[nodiscard]] std::vector<std::string> domains() const;

private:
    struct Entry {
        std::vector<SigningIdentity> identities;
        std::string reason;
        UnsignedPolicy policy = UnsignedPolicy::hold;
    };
    std::map<std::string, Entry, std::less<>> entries_;
    UnsignedPolicy unknown_domain_ = UnsignedPolicy::hold;
    std::vector<std::string> problems_;
    bool needs_simple_body_ = false;
};

}  // namespace posthorn::auth::dkim
