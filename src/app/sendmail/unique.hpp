// A name that no other hand-over has: mail::handoff_name of the clock, this process and the kernel's random octets.
#pragma once

#include <string>

namespace posthorn::app::sendmail {

[[nodiscard]] std::string unique_name();

}  // namespace posthorn::app::sendmail
