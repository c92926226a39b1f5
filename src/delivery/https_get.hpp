// One HTTPS request to a server that has to prove its name: what MTA-STS policies, TLS reports and webhooks need of the web.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/endpoint.hpp"
#include "base/web_address.hpp"
#include "delivery/options.hpp"
#include "net/asio.hpp"

namespace posthorn::dns {
class Resolver;
}
namespace posthorn::net {
class ClientTls;
class TaskGroup;
}

namespace posthorn::delivery {

// GET, or POST where there is a body. Has a constructor for coroutines' sake.
struct HttpsRequest {
    bool tls = true;                           // false: in the clear, for addresses that are near or an operator who wants it
    std::string host;                          // an address, or a name that is looked up, sent as SNI and Host, and looked for in the certificate (DNS-ID)
    std::uint16_t port = 443;
    std::string target;                        // "/.well-known/mta-sts.txt"
    std::string content_type;                  // of the body
    std::string body;
    std::vector<std::pair<std::string, std::string>> fields;   // of the header, beside our own
    std::size_t max_answer = 64 * 1024;        // octets of the answer's body
    Duration limit = std::chrono::minutes(1);  // for all of it
    bool allow_private_addresses = false;
    std::optional<IpAddress> source_v4, source_v6;   // where it is asked from; nothing: the kernel chooses

    // By the rules of delivery: which addresses may be asked, and from which of ours (source_v4, source_v6 of [delivery]).
    HttpsRequest(std::string name, std::uint16_t number, std::string path, const DeliveryOptions& rules);
    // To where the operator says: any address, whatever it is. Named, and for coroutines' sake no conversion.
    explicit HttpsRequest(const WebAddress& address);
};

// How far it came. Redirects are answers like any other: nothing is followed (STS-2).
enum class HttpsEnd : std::uint8_t {
    answered,                                  // status, content_type and body are the server's
    unreachable,                               // DNS, connection, broken TLS, broken HTTP, time
    untrusted,                                 // the certificate is not valid for the name
    too_large,
};

struct HttpsAnswer {
    HttpsEnd end = HttpsEnd::unreachable;
    unsigned status = 0;                       // also where the body was too large
    std::string content_type;                  // media type only, lower case
    std::string retry_after;                   // the field (RFC 9110 s10.2.3), as it came
    std::string body;
    std::string detail;                        // where not answered: why, in words for the operator

    HttpsAnswer() = default;
    HttpsAnswer(HttpsEnd how, std::string why) : end(how), detail(std::move(why)) {}
};

// Tries the addresses of the host in turn, at most kMaxHttpsAddresses; private ones only where they are allowed. HTTP/1.1, no
// proxy, no cache, the connection is closed afterwards. A stop of the group ends it as unreachable. On the executor of the
// caller; what it refers to outlives it.
net::awaitable<HttpsAnswer> https_request(HttpsRequest request, dns::Resolver& resolver, net::ClientTls& tls,
                                          net::TaskGroup& stop_with);
inline constexpr std::size_t kMaxHttpsAddresses = 4;

}  // namespace posthorn::delivery
