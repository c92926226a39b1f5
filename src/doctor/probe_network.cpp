// Connections to port 25, questions that test the resolver, requests to web servers.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "base/web_address.hpp"
#include "delivery/https_get.hpp"
#include "delivery/source_address.hpp"
#include "dns/resolver.hpp"
#include "doctor/probes.hpp"
#include "net/connect.hpp"
#include "net/deadline.hpp"
#include "net/task_group.hpp"
#include "net/tls_context.hpp"

namespace posthorn::doctor {
namespace {

using net::awaitable;

constexpr Duration kConnectPatience = std::chrono::seconds(10);
constexpr std::size_t kMaxGreeting = 512;

SteadyTime sooner(SteadyTime end, Duration patience) {
    return std::min(end, std::chrono::steady_clock::now() + patience);
}

// The first line of what the server says, within the limit.
awaitable<std::string> greeting(net::Stream& stream, SteadyTime limit) {
    net::Deadline deadline(stream);
    deadline.set(limit);
    std::array<char, kMaxGreeting> buffer{};
    std::string text;
    while (text.find('\n') == std::string::npos && text.size() < kMaxGreeting) {
        const auto [ec, size] = co_await stream.read_some(buffer);
        if (ec) break;
        text.append(buffer.data(), size);
    }
    const std::string line = text::safe_for_log(text::trim(text.substr(0, text.find('\n'))), 60);
    co_return line;
}

PortFact::Outcome outcome_of(const net::error_code& failed) {
    if (failed == net::asio::error::connection_refused) return PortFact::Outcome::refused;
    if (failed == net::asio::error::timed_out || failed == net::asio::error::operation_aborted)
        return PortFact::Outcome::silent;
    return PortFact::Outcome::unreachable;
}

}  // namespace

const std::vector<PortTarget>& port_targets() {
    static const std::vector<PortTarget> kTargets = {
        {"gmail", "gmail.com"}, {"yahoo", "yahoo.com"}, {"outlook", "outlook.com"}, {"icloud", "icloud.com"}};
    return kTargets;
}

awaitable<PortFact> probe_port(dns::Resolver& resolver, const delivery::DeliveryOptions& delivery,
                               PortTarget target, bool v4, SteadyTime end, net::TaskGroup& group) {
    PortFact fact;
    fact.provider = target.provider;
    fact.v4 = v4;
    fact.host = target.domain;
    const dns::MxAnswer mx = co_await resolver.mx(target.domain);
    if (mx.status != dns::Status::ok || mx.hosts.empty()) {
        fact.words = mx.detail;
        co_return fact;
    }
    fact.host = mx.hosts.front().name;
    const dns::AddressAnswer found =
        co_await resolver.addresses(fact.host, v4 ? dns::Family::v4 : dns::Family::v6);
    const std::vector<IpAddress>& addresses = v4 ? found.v4 : found.v6;
    if (addresses.empty()) {
        fact.words = found.detail;
        co_return fact;
    }
    const IpAddress address = addresses.front();
    fact.address = address.to_string();
    std::optional<IpAddress> source;
    if (const auto configured = IpAddress::parse(v4 ? delivery.source_v4 : delivery.source_v6))
        source = *configured;
    const SteadyTime limit = sooner(end, kConnectPatience);
    net::ConnectResult connected = co_await net::connect(address, delivery.port, source, limit, &group);
    if (!connected.ok()) {
        fact.outcome = outcome_of(connected.error);
        if (fact.outcome == PortFact::Outcome::unreachable) fact.words = connected.error.message();
        co_return fact;
    }
    fact.words = co_await greeting(*connected.stream, limit);
    // A firewall that takes the connection and says nothing is as good as one that does not.
    fact.outcome = fact.words.starts_with("220") || !fact.words.empty() ? PortFact::Outcome::open
                                                                        : PortFact::Outcome::silent;
    if (fact.outcome == PortFact::Outcome::silent) fact.words = "the connection stands, but nothing is said";
    co_return fact;
}

awaitable<ResolverFact> probe_resolver(dns::Resolver& resolver, std::string odd) {
    ResolverFact fact;
    for (const dns::ServerFigures& server : resolver.servers())
        fact.servers += (fact.servers.empty() ? "" : ", ") + server.address;
    const auto begun = std::chrono::steady_clock::now();
    const dns::Lookup root = co_await resolver.look_up(".", dns::RecordType::ns, true);
    fact.took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
    fact.validates = root.status == dns::Status::ok && root.authenticated;
    // "NS of : 192.0.2.53:53 does not answer": the root's name is nothing to show.
    const std::size_t reason = root.detail.find(": ");
    fact.detail = reason == std::string::npos ? root.detail : root.detail.substr(reason + 2);
    bool heard = root.status != dns::Status::temporary;
    for (const char* const zone : {"invalid", "com", "net"}) {
        const std::string name = odd + "." + zone;
        const dns::Lookup answer = co_await resolver.look_up(name, dns::RecordType::a, true);
        heard = heard || answer.status != dns::Status::temporary;
        if (answer.status == dns::Status::ok) fact.made_up.push_back(name + " has an address, it says");
        if (fact.detail.empty()) fact.detail = answer.detail;
    }
    fact.answers = heard;
    co_return fact;
}

awaitable<UrlFact> probe_url(dns::Resolver& resolver, const delivery::DeliveryOptions& delivery,
                             UrlFact about, bool act, SteadyTime end, net::TaskGroup& group) {
    const auto address = WebAddress::parse(about.url);
    if (!address) {
        about.detail = "it is " + address.error().what;
        co_return about;
    }
    net::ClientTls tls(delivery.tls_ca_file);
    if (act) {
        delivery::HttpsRequest request(*address);
        request.content_type = "application/x-www-form-urlencoded";
        request.body = "List-Unsubscribe=One-Click";
        request.limit =
            std::max(Duration(std::chrono::seconds(1)),
                     std::chrono::duration_cast<Duration>(end - std::chrono::steady_clock::now()));
        const delivery::HttpsAnswer answer =
            co_await delivery::https_request(std::move(request), resolver, tls, group);
        about.resolves = answer.end != delivery::HttpsEnd::unreachable;
        about.trusted = about.resolves && answer.end != delivery::HttpsEnd::untrusted;
        about.asked = true;
        about.status = answer.status;
        about.detail = answer.detail;
        co_return about;
    }
    std::vector<IpAddress> addresses;
    if (const auto literal = IpAddress::parse(address->host)) {
        addresses.push_back(*literal);
    } else {
        const dns::AddressAnswer found = co_await resolver.addresses(address->host);
        addresses = found.all();
        about.detail = found.detail;
    }
    const SteadyTime limit = sooner(end, kConnectPatience);
    std::optional<IpAddress> no_source;
    for (const IpAddress& one : addresses) {
        net::ConnectResult connected = co_await net::connect(one, address->port, no_source, limit, &group);
        if (!connected.ok()) {
            about.detail = connected.error.message();
            continue;
        }
        about.resolves = true;
        if (!address->tls) {
            about.detail = "it is not https";
            co_return about;
        }
        net::Deadline deadline(*connected.stream);
        deadline.set(limit);
        net::TlsTarget target(address->host, address->port, true);
        const net::HandshakeResult shaken =
            co_await connected.stream->handshake_client(tls, std::move(target));
        about.trusted = shaken.ok();
        about.detail = shaken.detail;
        co_return about;
    }
    co_return about;
}

}  // namespace posthorn::doctor
