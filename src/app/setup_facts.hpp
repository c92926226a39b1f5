// This machine as `posthorn setup` finds it: names, addresses, certificates. Asks nobody outside.
#pragma once

#include <string>

#include "setup/interview.hpp"

namespace posthorn::app {

// `directory`: the configuration's, where relative paths begin.
[[nodiscard]] setup::Machine look_at_machine(const std::string& directory);

// Whether something answers on 127.0.0.1:25, where a new configuration listens.
[[nodiscard]] bool is_port_25_taken();

// Whether /usr/sbin/sendmail is there and not Posthorn's.
[[nodiscard]] bool has_other_sendmail();

// The path of the sendmail program that came with this one, or "sendmail" where it is not beside it.
[[nodiscard]] std::string our_sendmail();

}  // namespace posthorn::app
