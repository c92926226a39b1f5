// What the journal keeps of a delivery: one entry for each recipient whom something became of.
#pragma once

#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "delivery/verdict.hpp"
#include "mail/message.hpp"
#include "queue/journal.hpp"
#include "queue/store.hpp"

namespace posthorn::delivery {

// Pure. Recipients that are only sent again at once, in another way, have no entry: nothing became of them yet. The transcript, where
// there is one, stands in the entry of the first who did not get the message (of a send-test in the first): it is one session's. REQUIRES: judged and verdicts
// of equal size.
[[nodiscard]] std::vector<queue::JournalEntry> journal_of(const mail::Message& message, const std::vector<Judged>& judged,
                                                          const std::vector<queue::Verdict>& verdicts, std::string_view group,
                                                          std::string_view transcript, TimePoint now);

}  // namespace posthorn::delivery
