// Settings of the admin interface ([admin]).
#pragma once

#include <cstdint>
#include <string>

namespace posthorn::admin {

struct AdminOptions {
    std::string socket = "/run/posthorn/admin.sock";  // HTTP over a unix socket; empty: no admin interface
    std::uint32_t socket_mode = 0600;
};

}  // namespace posthorn::admin
