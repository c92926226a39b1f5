// TLS results and their reports as the operator sees them: lends the reporter's to the admin interface.
#pragma once

#include "admin/server.hpp"
#include "delivery/tls_report.hpp"
#include "delivery/tls_reporter.hpp"

namespace posthorn::app {

// REQUIRES: both outlive what they are lent to.
void lend_tls_reports(admin::Daemon& lent, const delivery::TlsResults& results, delivery::TlsReporter& reporter);

}  // namespace posthorn::app
