// Making a certificate that nobody has vouched for, so that TLS can be offered where there is no other.
#pragma once

#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::net {

struct SelfSigned {
    std::string certificate;  // PEM
    std::string key;          // PEM, PKCS#8
};

// EC P-256, SHA-256, for one DNS name, no CA (RFC 5280 s4.2.1.9), valid from an hour before now, since clocks
// differ.
[[nodiscard]] Result<SelfSigned> make_self_signed(const std::string& hostname, TimePoint now,
                                                  std::chrono::days lifetime);

}  // namespace posthorn::net
