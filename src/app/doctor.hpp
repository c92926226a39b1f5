// The doctor as commands call it: `posthorn doctor`, and the end of `posthorn setup`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/daemon_call.hpp"

namespace posthorn::app {

struct DoctorOptions : DaemonOptions {
    std::vector<std::string> domains;      // empty: all that are configured
    std::string sender;                    // the domain of MAIL FROM; empty: that of From
    std::vector<std::string> ips;          // our public addresses; empty: found out
    std::string provider;                  // "gmail", "yahoo", "outlook"; empty: all three
    std::vector<std::string> block_lists;  // zones; empty: none is asked
    std::vector<std::string> only, skip;   // checks by their ids (docs/DOCTOR.md); only empty: all
    bool no_port25 = false;
    bool urls = false;                     // make the POST of RFC 8058, which acts
    bool strict = false;                   // warnings count as failures
    std::uint32_t limit = 45;              // seconds, for all of it
};

// Prints the report (progress to standard error where that is a terminal) and gives the exit code: 0 nothing fails, 1 something does, 75 nothing
// fails, but not all could be found out; 65 and 78 for mistakes in the options and the configuration.
[[nodiscard]] int run_doctor(const DoctorOptions& options);

// At the end of `posthorn setup`: the verdict, and what fails or is warned of beside the records that were shown as missing. known: those, as
// zone-file lines. see_all: the command that tells the rest.
void tell_verdict(const DoctorOptions& options, const std::vector<std::string>& known, const std::string& see_all);

}  // namespace posthorn::app
