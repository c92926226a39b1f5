// Message identifiers (RFC 5322 s3.6.4).
#pragma once

#include <string>
#include <string_view>

#include "base/queue_id.hpp"

namespace posthorn::mail {

// "<0abc...@example.com>": unique because queue ids are, within the domain.
[[nodiscard]] std::string make_message_id(QueueId id, std::string_view domain);

// One msg-id in angle brackets, comments and folding around it allowed; the left side as real programs write
// it.
[[nodiscard]] bool is_valid_message_id(std::string_view value);

}  // namespace posthorn::mail
