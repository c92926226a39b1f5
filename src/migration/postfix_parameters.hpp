// The names and defaults of Postfix's parameters, one "name = default" a line, as `postconf -d` of
// Postfix 3.7 tells them.
#pragma once

#include <string_view>

namespace posthorn::migration {

// Without those that depend on the machine or the process: config_directory, mydomain, myhostname,
// mynetworks, process_id, process_name, mail_release_date.
[[nodiscard]] std::string_view postfix_parameters();

}  // namespace posthorn::migration
