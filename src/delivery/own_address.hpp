// Which addresses lead back to this very program: mail sent there would come round in a circle.
#pragma once

#include <cstdint>
#include <vector>

#include "base/endpoint.hpp"

namespace posthorn::delivery {

// Made at start and at each reload. Pure. RFC 5321 s5.1: a host among the MX that is ourselves ends the list. Being
// on this machine is not enough for that: another program's port 25 may be where the mailboxes are.
struct OwnAddresses {
    std::vector<IpAddress> machine;   // of its interfaces, loopback left out or not
    std::vector<Endpoint> listeners;  // ours; unix sockets are ignored

    // A connection to that address and port would be answered by one of our listeners.
    [[nodiscard]] bool lead_back(const IpAddress& address, std::uint16_t port) const;
};

}  // namespace posthorn::delivery
