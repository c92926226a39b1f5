// What the server's sessions share until the next reload: settings, users, the certificate, the rules of intake.
#pragma once

#include <memory>
#include <string>

#include "auth/account.hpp"
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
    GuardOptions guard;
    ServerLimits limits;
    ServerTimeouts timeouts;
    Duration store_deadline = std::chrono::seconds(30);
    std::shared_ptr<auth::Credentials> users;         // null: no users file. Its cache of successes is its own.
    std::string dovecot_socket;                       // who else knows users; empty and no users: nobody can authenticate
    // What users may do. By default everything.
    std::shared_ptr<const auth::Accounts> accounts = std::make_shared<const auth::Accounts>();
    std::shared_ptr<const net::ServerTls> tls;        // null: TLS is not offered
    std::shared_ptr<const intake::Rules> rules;       // never null
};

}  // namespace posthorn::smtp::server
