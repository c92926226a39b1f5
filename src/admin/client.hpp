// The blocking client of the admin interface, by its socket or by TCP: one request, one answer, for the command line.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/web_address.hpp"

namespace posthorn::admin {

struct ClientAnswer {
    unsigned status = 0;  // the HTTP status
    std::string body;     // JSON
};

// Where the daemon is asked: by its socket, or by TCP (http alone) with a token.
struct DaemonAddress {
    std::string socket;             // used where there is no url
    std::optional<WebAddress> url;
    std::string token;              // may be empty
};

// As the functions below. By TCP no other addresses are asked than this machine's and private ones, since the token goes in clear text.
[[nodiscard]] Result<ClientAnswer> request(const DaemonAddress& where, const std::string& method, const std::string& target,
                                           Duration deadline = std::chrono::seconds(70));
[[nodiscard]] Result<ClientAnswer> request_long(const DaemonAddress& where, const std::string& method, const std::string& target,
                                                const std::function<void(std::string_view)>& sink, Duration deadline = std::chrono::seconds(70));

// Connects to the unix socket at socket_path, sends one request and reads the whole answer (at most 64 MiB)
// within `deadline`. The error says what the operator can do: is the daemon running, may this user open the
// socket.
[[nodiscard]] Result<ClientAnswer> request(const std::string& socket_path, const std::string& method,
                                           const std::string& target,
                                           Duration deadline = std::chrono::seconds(70));

// The same for a body of any length: `sink` gets its octets as they come, where the status is 200; of another answer the body is
// in the result. `deadline` is for each piece. An answer that was cut off is an error.
[[nodiscard]] Result<ClientAnswer> request_long(const std::string& socket_path, const std::string& method,
                                                const std::string& target, const std::function<void(std::string_view)>& sink,
                                                Duration deadline = std::chrono::seconds(70));

// Percent-encodes one value of a query string (RFC 3986 s2.1).
[[nodiscard]] std::string url_encode(const std::string& value);

}  // namespace posthorn::admin
