// From the name of the daemon's host to addresses, in a program that has no name service (static glibc).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"

namespace posthorn::app::sendmail {

// Addresses of a name in the text of /etc/hosts; names compare without case.
[[nodiscard]] std::vector<IpAddress> find_in_hosts(std::string_view hosts, std::string_view name);

// An address as it is, else /etc/hosts, else DNS after /etc/resolv.conf with its search list: A, then AAAA. Waits for some two
// seconds a server at most (SM-38). Empty: there is none.
[[nodiscard]] std::vector<IpAddress> resolve(const std::string& name);

}  // namespace posthorn::app::sendmail
