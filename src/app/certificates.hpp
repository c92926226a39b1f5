// The server's certificates, as the configuration names them: read, made where asked for, and spoken about.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "net/server_tls.hpp"

namespace posthorn::app {

// The pairs in the order of the configuration, the default first; empty: TLS is not offered.
[[nodiscard]] std::vector<net::CertificateFiles> certificate_files(const config::Config& config);

// Reads them. Null, and no error: none is named, or the self-signed one was not made yet.
[[nodiscard]] Result<std::shared_ptr<const net::ServerTls>> load_certificates(
    const config::Config& config, std::shared_ptr<net::TicketKeys> tickets);

// With tls.self_signed: makes the certificate in the state directory where there is none, or one for another
// hostname, or one whose end is near; says so in the log. True: it was made.
[[nodiscard]] Result<bool> make_due_certificate(const config::Config& config, TimePoint now);

// What is wrong with good certificates: that none is for our hostname.
[[nodiscard]] std::vector<std::string> certificate_warnings(const net::ServerTls& tls,
                                                            const config::Config& config);

}  // namespace posthorn::app
