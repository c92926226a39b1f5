// Looks for one key in DNS: at every server of its zone, and at the resolver.
#pragma once

#include <string>
#include <vector>

#include "auth/dkim/key.hpp"
#include "auth/dkim/rotation.hpp"
#include "auth/dkim/testkey.hpp"
#include "dns/authorities.hpp"
#include "dns/resolver.hpp"
#include "net/asio.hpp"

namespace posthorn::app {

struct KeyLook {
    std::string name;  // "selector._domainkey.domain"
    std::string zone;
    std::vector<auth::dkim::KeySight> authorities;
    auth::dkim::KeySight resolver;
    std::string no_authority;  // why none was asked; empty: some were

    KeyLook() = default;
};

// Both live as long as the question. Past all caches of ours; ends as Authorities::ask and Resolver::look_up do.
[[nodiscard]] net::awaitable<KeyLook> look_for_key(dns::Resolver& resolver, dns::Authorities& authorities, std::string domain,
                                                   std::string selector, auth::dkim::PrivateKeyPtr key);

// Pure. What a rotation wants to know of it.
[[nodiscard]] auth::dkim::KeySeen seen_of(const KeyLook& look);

}  // namespace posthorn::app
