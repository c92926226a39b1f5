// What the server's sessions share until the next reload: settings, users, the certificate, the rules of intake.
#pragma once

#include <memory>
#include <string>

#include "intake/intake.hpp"
#include "smtp/server/options.hpp"

namespace posthorn::auth {
class Credentials;
}
namespace posthorn::net {
class ServerTls;
}

namespace posthorn::smtp::server {

// Immutable once it is shared. A session keeps the one it began with, so that a reload never changes a dialogue under way.
struct Runtime {
    std::string hostname;
    RelayOptions relay;
    ServerLimits limits;
    ServerTimeouts timeouts;
    Duration store_deadline = std::chrono::seconds(30);
    std::shared_ptr<auth::Credentials> users;         // null: nobody can authenticate. Its cache of successes is its own.
    std::shared_ptr<const net::ServerTls> tls;        // null: TLS is not offered
    std::shared_ptr<const intake::Rules> rules;       // never null
};

}  // namespace posthorn::smtp::server
