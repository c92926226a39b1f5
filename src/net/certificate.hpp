// A certificate as the rest of the program sees it.
#pragma once

#include <openssl/types.h>

#include <string>

namespace posthorn::net {

// tls-server-end-point (RFC 5929 s4.1): the certificate's digest, raw octets, by the hash of its signature, or
// by SHA-256 where that is MD5 or SHA-1. Empty for null, and where the signature names no single hash.
[[nodiscard]] std::string server_end_point(const X509* certificate);

}  // namespace posthorn::net
