// Queue entries and times as JSON: the one form that the endpoints write and the command line reads.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "auth/suspension.hpp"
#include "base/clock.hpp"
#include "queue/store.hpp"

namespace posthorn::admin {

// RFC 3339 in UTC with milliseconds: "2026-11-21T20:52:01.000Z".
[[nodiscard]] std::string format_time(TimePoint when);
[[nodiscard]] std::optional<TimePoint> parse_time(std::string_view text);  // that form only

// Names, addresses and replies may hold any octets; JSON is UTF-8.
[[nodiscard]] std::string printable(const std::string& text);

// With "suspension" where its submitter is in the list (null: nobody is).
[[nodiscard]] boost::json::object to_json(const queue::QueueEntry& entry, const auth::Suspensions* suspensions = nullptr);
[[nodiscard]] boost::json::object to_json(const auth::Suspension& suspension);  // "since" and "reason"

}  // namespace posthorn::admin
