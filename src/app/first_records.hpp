// What a domain must publish, told in the log when its first key has been made: the first run of a container
// needs no other place to look (DO-17).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "auth/dkim/key.hpp"
#include "config/config.hpp"

namespace posthorn::app {

// Facts that hold for all domains, taken from the configuration and this machine's addresses.
struct FirstRun {
    std::string hostname;
    std::vector<IpAddress> ips;  // public ones that mail leaves from; a container knows none
    bool ipv6 = true;
};
[[nodiscard]] FirstRun first_run_of(const config::Config& config);

// One event `dns_record` for each record, by `setup::wanted_records` without asking DNS: `posthorn dns show`
// compares with what is there.
void tell_first_records(const FirstRun& facts, const std::string& domain,
                        const std::vector<std::pair<std::string, auth::dkim::PrivateKeyPtr>>& keys);

}  // namespace posthorn::app
