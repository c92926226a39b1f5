// A web address of the operator's settings, taken apart: "https://hooks.example.com:8443/posthorn?x=1".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace posthorn {

// Schemes http and https alone (RFC 9110 s4.2); no user and password, no fragment.
struct WebAddress {
    bool tls = true;         // https
    std::string host;        // lower case name, or an address without brackets
    std::uint16_t port = 443;
    std::string target;      // path and query, "/" where there is none

    // The error says what is wrong, in words that fit behind "is \"...\", ".
    [[nodiscard]] static Result<WebAddress> parse(std::string_view text);

    // The host is an address, or a name that is this machine by definition (localhost, RFC 6761 s6.3).
    [[nodiscard]] bool is_literal() const;
    // What is said to it does not leave the machine or the private network: loopback and private addresses, localhost. A name says
    // nothing of where it leads.
    [[nodiscard]] bool is_near() const;
    // For the field Host: with the port where it is not the scheme's own.
    [[nodiscard]] std::string authority() const;
};

// Where a web address leads, without what may be a secret in it: "https://hooks.example.com/...". Receivers of webhooks often know who
// calls by the path or the query alone. What is no web address is cut in the same places.
[[nodiscard]] std::string without_secrets(std::string_view url);

}  // namespace posthorn
