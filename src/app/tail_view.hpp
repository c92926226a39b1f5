// One event of the daemon as a line for people.
#pragma once

#include <string>

#include <boost/json/object.hpp>

namespace posthorn::app {

// "10:04:31 deferred  <bob@dest.test>: 451 4.7.1 come back (class grey, next try in 5m, 0abc..., mx.dest.test[192.0.2.1])". The time is
// UTC as the event has it. What became of recipients is said in words; of other events all values are shown. One line without its end,
// with nothing in it that could fool a terminal.
[[nodiscard]] std::string event_line(const boost::json::object& event);

}  // namespace posthorn::app
