// The blocking client of the admin interface: one request, one answer, for the command line.
#pragma once

#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::admin {

struct ClientAnswer {
    unsigned status = 0;  // the HTTP status
    std::string body;     // JSON
};

// Connects to the unix socket at socket_path, sends one request and reads the whole answer (at most 64 MiB)
// within `deadline`. The error says what the operator can do: is the daemon running, may this user open the
// socket.
[[nodiscard]] Result<ClientAnswer> request(const std::string& socket_path, const std::string& method,
                                           const std::string& target,
                                           Duration deadline = std::chrono::seconds(70));

// Percent-encodes one value of a query string (RFC 3986 s2.1).
[[nodiscard]] std::string url_encode(const std::string& value);

}  // namespace posthorn::admin
