// The header a proxy puts before a connection's octets to say who its client is: PROXY protocol, versions 1
// and 2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/endpoint.hpp"

namespace posthorn::smtp::protocol {

// What it says (HAProxy's proxy-protocol.txt, s2).
struct ProxyHeader {
    // The client. Nothing: the proxy speaks for itself (LOCAL: a health check) or cannot name the client
    // (UNKNOWN, a unix socket). Who the client is is unknown then, also where the proxy's own address is well
    // known.
    std::optional<IpAddress> client;
    std::uint16_t client_port = 0;
    int version = 0;  // 1 or 2

    friend bool operator==(const ProxyHeader&, const ProxyHeader&) = default;
};

// Reads one header, however it is sliced. Owned by the connection that has not begun yet; knows no clock: the
// header's deadline is the driver's.
//
// Strict: what is not the header of a TCP connection as the specification has it is malformed. Version 1 has
// at most 107 octets with its CRLF; of version 2 the extensions (TLV) are stepped over, a CRC32c among them
// is checked.
class ProxyHeaderReader {
public:
    static constexpr std::size_t kMaxVersion1 = 107;
    static constexpr std::size_t kMaxVersion2 =
        4096;  // what TLVs can reasonably hold; the format allows 64 KiB

    enum class Progress : std::uint8_t { incomplete, complete, malformed };
    struct Step {
        Progress progress = Progress::incomplete;
        std::size_t taken = 0;  // octets of `in` that belong to the header; what follows them is the client's
    };

    // `incomplete` takes all of `in`. REQUIRES: not complete or malformed before.
    [[nodiscard]] Step feed(std::string_view in);
    // REQUIRES: complete.
    [[nodiscard]] const ProxyHeader& header() const { return header_; }
    // What is wrong, for the operator's log. REQUIRES: malformed.
    [[nodiscard]] std::string_view problem() const { return problem_; }

private:
    Step malformed(std::string_view why);
    // Octets the header has for certain, by what is known of it; 0 when it cannot be one.
    [[nodiscard]] std::size_t wanted() const;
    bool read_version1(std::string_view line);
    bool read_version2();
    bool check_extensions(std::string_view extensions, std::size_t at);

    std::string octets_;
    ProxyHeader header_;
    std::string_view problem_;
};

}  // namespace posthorn::smtp::protocol
