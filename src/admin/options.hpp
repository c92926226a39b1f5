// Settings of the admin interface ([admin]).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/endpoint.hpp"

namespace posthorn::admin {

struct AdminOptions {
    std::string socket = "/run/posthorn/admin.sock";  // HTTP over a unix socket; empty: no admin interface
    // Everybody may connect: each sees his own mail, and the kernel says who he is.
    std::uint32_t socket_mode = 0666;
    std::vector<std::string> operators;  // system users, by name or number, who may do all that root may

    // The same by TCP, for programs elsewhere and for browsers. Over it nobody may anything but who shows a token.
    Endpoint listen;                     // of loopback, unless beyond_loopback; empty: none. Port 0: the kernel's choice (tests)
    bool beyond_loopback = false;        // listen may be reached from other machines, in clear text
    std::vector<std::string> names;      // the hosts of the addresses it is reached by, beside localhost, IP addresses and hostname
    std::string token, token_file;                      // opens everything; at least kShortestToken octets
    std::string read_only_token, read_only_token_file;  // shows everything, and changes nothing
    bool read_only = false;              // every token is as read_only_token
    bool dashboard = true;               // serves the page and lets browsers log in

    [[nodiscard]] bool has_token() const { return !token.empty() || !token_file.empty() || !read_only_token.empty() || !read_only_token_file.empty(); }
};

inline constexpr std::size_t kShortestToken = 20;

}  // namespace posthorn::admin
