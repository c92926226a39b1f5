// The sandbox as operators see it: what is in force, what was tried, and what came of it.
#pragma once

#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "app/sandbox_plan.hpp"
#include "sandbox/trial.hpp"

namespace posthorn::app {

// Tries everything from inside the calling process, which may take milliseconds, and says how it went:
//   {"user", "root", "landlock", "no_landlock", "system_calls", "no_seccomp", "programs", "read": [...], "write": [...], "run": [...],
//    "kernel": {"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0000000000000000", ...}, "trials": [{"what", "guard", "as_wanted", "answer"}]}
// kernel: lines of /proc/self/status, so that it is not our word alone.
[[nodiscard]] boost::json::object examine_sandbox(const Confined& confined, const std::string& state_directory);

// The same in words; `verbose`: with all places.
[[nodiscard]] std::string sandbox_text(const boost::json::object& told, bool verbose);
// Whether every trial ended as it should.
[[nodiscard]] bool sandbox_holds(const boost::json::object& told);

}  // namespace posthorn::app
