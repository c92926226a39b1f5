// The doctor's hands: connections and look-ups that end in facts. Thin; what the facts mean is decided in
// machine.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/endpoint.hpp"
#include "delivery/options.hpp"
#include "doctor/machine.hpp"
#include "net/asio.hpp"
#include "net/certificate.hpp"

namespace posthorn::dns {
class Resolver;
}
namespace posthorn::net {
class TaskGroup;
}

namespace posthorn::doctor {

// A provider's domain whose first MX host is connected to.
struct PortTarget {
    std::string provider;  // "gmail"
    std::string domain;    // "gmail.com"
};
[[nodiscard]] const std::vector<PortTarget>& port_targets();

// Coroutines of the resolver's shard; what they refer to outlives them. None takes longer than `end`, and
// none outlasts a stop of the group.
[[nodiscard]] net::awaitable<PortFact> probe_port(dns::Resolver& resolver,
                                                  const delivery::DeliveryOptions& delivery,
                                                  PortTarget target, bool v4, SteadyTime end,
                                                  net::TaskGroup& group);
// `odd`: a label that nobody has registered.
[[nodiscard]] net::awaitable<ResolverFact> probe_resolver(dns::Resolver& resolver, std::string odd);
// Without `act`: name, connection and certificate alone; with it the POST of RFC 8058.
[[nodiscard]] net::awaitable<UrlFact> probe_url(dns::Resolver& resolver,
                                                const delivery::DeliveryOptions& delivery, UrlFact about,
                                                bool act, SteadyTime end, net::TaskGroup& group);

// Blocking, of the moment.
[[nodiscard]] ClockFact look_at_clock(TimePoint now, const std::vector<std::string>& files);
[[nodiscard]] CertificateFact look_at_certificate(const net::CertificateFiles& files,
                                                  const std::string& hostname,
                                                  const std::string& authorities);
[[nodiscard]] FileFact look_at_file(std::string path, std::string what);
// The address the kernel takes for connections to the IPv4 Internet; nothing where there is no way there. Nothing is sent.
[[nodiscard]] std::optional<IpAddress> kernel_source_v4();
[[nodiscard]] DiskFact look_at_disk(const std::string& directory, std::uint64_t min_free);

}  // namespace posthorn::doctor
