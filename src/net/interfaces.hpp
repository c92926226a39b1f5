// The addresses of this machine, as its interfaces have them now.
#pragma once

#include <vector>

#include "base/endpoint.hpp"

namespace posthorn::net {

// Loopback's among them; each once. Empty when the kernel does not say. Does not see what a NAT in front of the machine
// makes of them.
[[nodiscard]] std::vector<IpAddress> interface_addresses();

}  // namespace posthorn::net
