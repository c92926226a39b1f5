// A listener on all addresses is reached by each of the machine's; one on a single address by that alone.
#include "delivery/own_address.hpp"

#include <algorithm>

namespace posthorn::delivery {

bool OwnAddresses::lead_back(const IpAddress& address, std::uint16_t port) const {
    // Linux connects 0.0.0.0 and :: to the machine itself.
    const bool here = address.is_loopback() || address.is_unspecified() ||
                      std::find(machine.begin(), machine.end(), address) != machine.end();
    return std::any_of(listeners.begin(), listeners.end(), [&](const Endpoint& listener) {
        if (listener.is_unix() || listener.port != port) return false;
        const bool every_v4 = listener.host.empty() || listener.host == "*";
        const auto bound = IpAddress::parse(every_v4 ? "0.0.0.0" : listener.host);
        if (!bound) return false;
        if (bound->is_unspecified()) return here && bound->is_v4() == address.is_v4();
        return *bound == address || (address.is_unspecified() && bound->is_loopback());
    });
}

}  // namespace posthorn::delivery
