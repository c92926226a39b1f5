// The few variables that stand for tables, so that a container needs no file: POSTHORN_DOMAINS, _LISTENERS,
// _SITES, _RELAYHOST.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "config/findings.hpp"

namespace posthorn::config {

using Environment = std::vector<std::pair<std::string, std::string>>;

// A variable that is no key of the table of settings: the manual and the reader have all of them from here.
struct TableVariable {
    std::string_view name;  // each also with _FILE at its end
    std::string_view example;
    std::string_view doc;  // what it stands for, for the operator
};
[[nodiscard]] const std::vector<TableVariable>& table_variables();

// One of these, with _FILE or without.
[[nodiscard]] bool is_table_variable(std::string_view variable);

// Whether the environment says enough for a start without a file: the host name or the domains are there,
// empty or not (DO-16).
[[nodiscard]] bool stands_for_a_file(const Environment& environment);

// Variables of the sendmail program (docs/SENDMAIL.md) that may stand in the same container: no slip of the
// finger.
[[nodiscard]] bool is_sendmail_variable(std::string_view variable);

// Adds the tables to the config, once all other settings are read, since directories depend on them.
// Listeners take the place of the file's; domains, sites and the relay stand beside them, and a domain that
// the file has stays as it is there. A variable that is empty is as good as none. `alone`: there is no file;
// then what nobody said is the preset "internal", and domains are required.
void add_tables(const Environment& environment, bool alone, Config& config, Places& places,
                Findings& findings);

}  // namespace posthorn::config
