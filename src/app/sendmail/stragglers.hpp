// Sends what lies in a spool that no daemon picks up: a container's own, whose daemon is reached by TCP alone (SM-37).
#pragma once

#include <string>

#include "app/sendmail/surroundings.hpp"

namespace posthorn::app::sendmail {

// What a daemon would have picked up long ago: it scans each minute.
inline constexpr int kStragglerSeconds = 300;
inline constexpr int kStragglersAtOnce = 10;   // the caller waits meanwhile

// After a message went by TCP: hands over older ones of this user (root: of all users), the oldest first, until one is not taken. Each
// file is locked meanwhile, so that of programs that run at once only one sends it. What is refused for good keeps lying there under the
// name NAME-refused, and is told. Returns lines for standard error; empty: nothing to tell.
[[nodiscard]] std::string send_stragglers(const Ways& ways);

}  // namespace posthorn::app::sendmail
