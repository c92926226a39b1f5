// The guard of the door as the operator sees it: lends the server's to the admin interface.
#pragma once

#include "admin/server.hpp"
#include "smtp/server/server.hpp"

namespace posthorn::app {

// REQUIRES: the server outlives what it is lent to.
void lend_guard(admin::Daemon& lent, smtp::server::Server& server);

}  // namespace posthorn::app
