// The organisational domain of a name: what its owner registered, by the Public Suffix List (RFC 7489 s3.2).
#pragma once

#include <string>
#include <string_view>

namespace posthorn::mail {

// "example.co.uk" of "news.example.co.uk". Takes lower case A-labels; what has no domain above a public suffix ("co.uk",
// "localhost", an address literal, "") is given back as it is. The list is the one built into libpsl: no file is read.
[[nodiscard]] std::string organisational_domain(std::string_view domain);

}  // namespace posthorn::mail
