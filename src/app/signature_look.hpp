// The signatures of a message with the keys that DNS has for them, for commands that verify.
#pragma once

#include <string>
#include <vector>

#include "auth/dkim/verifier.hpp"
#include "base/clock.hpp"
#include "net/asio.hpp"

namespace posthorn::dns {
class Resolver;
}

namespace posthorn::app {

using SignatureReports = std::vector<auth::dkim::SignatureReport>;

// Asks for the keys, for at most 30 s, and judges as at `now`. resolver, message and found outlive it; found is left as it was only where DNS
// gave the rules no end, which they have within that time.
[[nodiscard]] net::awaitable<void> look_at_signatures(dns::Resolver& resolver, const std::string& message, TimePoint now, SignatureReports& found);

}  // namespace posthorn::app
