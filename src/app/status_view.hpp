// What `posthorn status` shows beside counts: certificates, the guard of the door, suspended users. As JSON.
#pragma once

#include <string>

#include "auth/dkim/keys.hpp"
#include "auth/suspension.hpp"
#include "base/clock.hpp"
#include "net/server_tls.hpp"
#include "smtp/server/door_guard.hpp"

namespace posthorn::app {

// An array with an object for each: file, names, days_left (whole days, negative when it has ended). Null:
// empty.
[[nodiscard]] std::string certificates_json(const net::ServerTls* tls, TimePoint now);

// How many addresses are banned and how many have failures that count; both up to kMostGuarded.
inline constexpr std::size_t kMostGuarded = 1000;
[[nodiscard]] std::string guard_json(const smtp::server::DoorGuard& guard, SteadyTime now);

// An array with an object for each domain whose mail is held because no key of it signs: domain, reason. At most kMostUnsigned.
inline constexpr std::size_t kMostUnsigned = 100;
[[nodiscard]] std::string unsigned_json(const auth::dkim::KeyTable& keys);

// An array of names.
[[nodiscard]] std::string suspended_json(const auth::Suspensions& suspensions);

}  // namespace posthorn::app
