// What is wrong with the machine at the start, though a daemon runs on it: told in the log, once.
#pragma once

#include <string>

#include "base/clock.hpp"
#include "config/config.hpp"

namespace posthorn::app {

// DO-18. When this program was configured to be built; the clock of a machine that runs it cannot truly be earlier.
[[nodiscard]] TimePoint build_time();
// Empty: nothing is wrong.
[[nodiscard]] std::string clock_fault(TimePoint now, TimePoint built);
// DO-15. The same of the queue's directory, by the network's file system that it lies on ("NFS"; empty: a disk's).
[[nodiscard]] std::string place_fault(const std::string& directory, const std::string& network_type);

// Logs that the clock is wrong (DO-18) and that the queue lies on a network's file system (DO-15).
void warn_about_machine(const config::Config& config, TimePoint now);

}  // namespace posthorn::app
