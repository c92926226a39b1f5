// A question to DNS that a subcommand asks itself, without the daemon: a resolver of its own, for as long as it takes.
#pragma once

#include <functional>
#include <stop_token>

#include "base/result.hpp"
#include "dns/options.hpp"
#include "net/asio.hpp"

namespace posthorn::dns {
class Resolver;
}

namespace posthorn::app {

using DnsErrand = std::function<net::awaitable<void>(dns::Resolver&)>;

// Runs the coroutine to its end on the calling thread. Error: no resolver could be made, or what the coroutine threw. Only errors are logged
// meanwhile.
[[nodiscard]] Result<void> run_dns_errand(const dns::DnsOptions& options, DnsErrand errand);
// The same within the daemon, whose log stays as it is; `stop` ends it before its end, and that is an error.
[[nodiscard]] Result<void> run_dns_errand(const dns::DnsOptions& options, DnsErrand errand, const std::stop_token& stop);

}  // namespace posthorn::app
