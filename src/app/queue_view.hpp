// Waiting messages as an operator reads them: two lines and more in a list of 80 columns, or a page with
// everything.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace posthorn::app {

// As the admin interface gives them (admin/queue_json.hpp). A field that is missing shows as "-": the daemon
// may be older.
[[nodiscard]] std::string message_lines(const boost::json::object& message, TimePoint now);
[[nodiscard]] std::string message_page(const boost::json::object& message, TimePoint now);

// "42s", "17m", "3h", "5d": how an age or a waiting time is shown.
[[nodiscard]] std::string short_duration(Duration duration);
// "812", "12K", "3.4M".
[[nodiscard]] std::string short_size(std::uint64_t octets);

}  // namespace posthorn::app
