// What deliveries have in common beyond the queue: policies, results and memory, lent to the agent by the app.
#pragma once

namespace posthorn::delivery {

class AlarmSink;
class DeliveryMemory;
class StsPolicies;
class TlsResults;

// Owned by app::Daemon, each outlives the agent; null: there is none (tests of other things). On the home shard.
struct Learnt {
    StsPolicies* sts = nullptr;                // MTA-STS: policy(), renewed()
    TlsResults* tls_results = nullptr;         // note() once for each session in which TLS was decided
    DeliveryMemory* memory = nullptr;
    AlarmSink* alarms = nullptr;               // alarm.hpp: what the operator must hear of at once
};

}  // namespace posthorn::delivery
