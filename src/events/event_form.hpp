// Events as receivers see them: which a webhook wants, and the JSON of one and of a batch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "delivery/alarm.hpp"
#include "events/alarm_book.hpp"
#include "events/options.hpp"
#include "queue/journal.hpp"

namespace posthorn::events {

// All of it pure. Text of others that is no UTF-8 is shown with \xNN, so that the JSON is JSON.

[[nodiscard]] bool wants(const WebhookOptions& options, const queue::JournalEntry& entry);

// The fields of docs/EVENTS.md; those that are empty are left out, but for `from`.
[[nodiscard]] boost::json::object event_json(const queue::JournalEntry& entry);
// The journal gave up these numbers, both included, before the webhook was told of them.
[[nodiscard]] boost::json::object gap_json(std::uint64_t first, std::uint64_t last, TimePoint now);
[[nodiscard]] std::string batch_text(std::string_view server, std::string_view webhook, boost::json::array events);

[[nodiscard]] std::string alarm_text(std::string_view server, const Notice& notice);

}  // namespace posthorn::events
