// getifaddrs(3).
#include "net/interfaces.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "net/socket_address.hpp"

namespace posthorn::net {

std::vector<IpAddress> interface_addresses() {
    std::vector<IpAddress> found;
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0) {
        return found;
    }
    for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
        const sockaddr* const address = each->ifa_addr;
        if (address == nullptr || (address->sa_family != AF_INET && address->sa_family != AF_INET6)) {
            continue;
        }
        sockaddr_storage storage{};
        std::memcpy(&storage, address,
                    address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
        const std::optional<IpAddress> ip = SocketAddress::from(storage).ip;
        if (ip && std::find(found.begin(), found.end(), *ip) == found.end()) {
            found.push_back(*ip);
        }
    }
    ::freeifaddrs(first);
    return found;
}

}  // namespace posthorn::net
