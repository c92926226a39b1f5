// Settings of the admin interface ([admin]).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace posthorn::admin {

struct AdminOptions {
    std::string socket = "/run/posthorn/admin.sock";  // HTTP over a unix socket; empty: no admin interface
    // Everybody may connect: each sees his own mail, and the kernel says who he is.
    std::uint32_t socket_mode = 0666;
    std::vector<std::string> operators;  // system users, by name or number, who may do all that root may
};

}  // namespace posthorn::admin
