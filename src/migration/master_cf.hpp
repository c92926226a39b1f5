// master.cf as values: the services, and what their -o options say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "migration/parameters.hpp"

namespace posthorn::migration {

// One line of master.cf (master(5)).
struct Service {
    std::string name;                    // "smtp", "127.0.0.1:10025", "submission"
    std::string type;                    // inet, unix, fifo, pass
    std::string command;                 // "smtpd"
    std::vector<std::string> arguments;  // without the -o options
    std::vector<Assignment> overrides;   // the -o options, in order
    Origin origin;

    // The port of an inet service: its number, or that of its name as /etc/services has it. 0: unknown.
    [[nodiscard]] int port() const;
    [[nodiscard]] std::string host()
        const;  // before the colon, without brackets; empty: all of inet_interfaces
};

struct MasterCf {
    std::vector<Service> services;
    std::vector<Parameters::Fault> faults;

    [[nodiscard]] const Service* find(std::string_view name, std::string_view type) const;
};

[[nodiscard]] MasterCf parse_master_cf(std::string_view text, const std::string& file);

// 25 of "smtp", 465 of "smtps" and "submissions", 587 of "submission", or the number itself; 0 where it is
// none of these.
[[nodiscard]] int port_number(std::string_view service);

}  // namespace posthorn::migration
