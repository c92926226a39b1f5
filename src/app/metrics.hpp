// The daemon's figures under their names in Prometheus.
#pragma once

#include <vector>

#include "base/metric.hpp"
#include "net/server_tls.hpp"
#include "delivery/agent.hpp"
#include "delivery/delivery_tally.hpp"
#include "delivery/sts_policies.hpp"
#include "delivery/tls_report.hpp"
#include "dns/resolver.hpp"
#include "queue/store.hpp"
#include "smtp/server/server.hpp"

namespace posthorn::app {

[[nodiscard]] std::vector<Metric> store_metrics(const queue::StoreHealth& health);
[[nodiscard]] std::vector<Metric> server_metrics(const smtp::server::ServerFigures& figures);
// Of system users who did not log in: by sendmail, its spool, a unix socket.
[[nodiscard]] std::vector<Metric> local_metrics(const smtp::server::ServerFigures& figures, std::uint64_t messages);
[[nodiscard]] std::vector<Metric> delivery_metrics(const delivery::AgentFigures& figures,
                                                   const std::vector<delivery::RelayTroubles::Trouble>& troubles);
// By provider and class, and times.
[[nodiscard]] std::vector<Metric> tally_metrics(const delivery::DeliveryTally& tally);
// Sessions with receiving servers by how their TLS went, and MTA-STS policies.
[[nodiscard]] std::vector<Metric> tls_metrics(const delivery::TlsResults::Totals& totals, const delivery::StsFigures& sts);
// tls: null where TLS is not offered.
[[nodiscard]] std::vector<Metric> certificate_metrics(const net::ServerTls* tls);
[[nodiscard]] std::vector<Metric> dns_metrics(const dns::ResolverCounters& figures,
                                              const std::vector<dns::ServerFigures>& servers);

}  // namespace posthorn::app
