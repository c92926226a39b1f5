// What the settings of webhooks and alarms come to once the files they name were read.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "events/alarms.hpp"
#include "events/webhooks.hpp"

namespace posthorn::app {

struct EventPlan {
    std::vector<events::Webhook> webhooks;
    events::AlarmOutputs alarms;
    std::string ca_file;
};

// Problems keep the daemon from starting: a secret that is not there would be found out too late.
[[nodiscard]] EventPlan make_event_plan(const config::Config& config, std::vector<std::string>& problems,
                                        std::vector<std::string>& warnings);

}  // namespace posthorn::app
