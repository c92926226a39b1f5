// The kernel's routing tables as /proc shows them: which addresses are default gateways.
#pragma once

#include <string_view>
#include <vector>

#include "base/endpoint.hpp"

namespace posthorn {

// The gateways of default routes (0.0.0.0/0 and ::/0), each once, in the order of the file. Lines that are
// not as the kernel writes them are passed over: the file is the kernel's, and a new column must not stop a
// mail server.
//
// Text of /proc/net/route (proc(5), net/ipv4/fib_trie.c fib_route_seq_show).
[[nodiscard]] std::vector<IpAddress> default_gateways_v4(std::string_view route_table);
// Text of /proc/net/ipv6_route (net/ipv6/route.c, ip6_route_seq_show).
[[nodiscard]] std::vector<IpAddress> default_gateways_v6(std::string_view route_table);

}  // namespace posthorn
