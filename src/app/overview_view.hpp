// The first page of `posthorn status`: is all well, what is held back and why, how deliveries end, how old the waiting mail is.
#pragma once

#include <string>

#include <boost/json/object.hpp>

namespace posthorn::app {

// From the status as JSON, with "ages" and "success" of the survey and "alarms" in it. The first line answers; then sections, each only
// where there is something; then the table of ages as Postfix's qshape prints it. Safe for terminals.
[[nodiscard]] std::string overview_text(const boost::json::object& status);

}  // namespace posthorn::app
