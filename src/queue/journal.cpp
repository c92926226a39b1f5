// Which numbers of the journal a question looks at, which entries it means, and where the next one goes on.
#include "queue/journal.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace posthorn::queue {

bool matches(const JournalQuery& query, QueueId message, std::string_view to, std::string_view group) {
    return (!query.message || query.message == message) && (query.group.empty() || query.group == group) &&
           (query.to.empty() || text::iequals(query.to, to)) &&
           (query.domain.empty() || mail::destination_of(to) == query.domain);
}

JournalPage::Range JournalPage::range(const JournalQuery& query) const {
    const std::uint64_t scan = std::max<std::uint64_t>(1, query.scan);
    Range range;
    range.low = std::max(first, query.after + 1);
    range.high = std::min(last, query.before == 0 ? 0 : query.before - 1);
    if (last == 0 || range.low > range.high) {
        return {};
    }
    if (query.newest_first) {
        range.low = std::max(range.low, range.high >= scan ? range.high - scan + 1 : 0);
    } else {
        range.high = std::min(range.high, range.low + scan - 1);
    }
    return range;
}

void JournalPage::note_end(const JournalQuery& query, Range looked) {
    if (looked.low > looked.high) {
        looked_to = query.newest_first ? query.before : query.after;
        complete = true;
        return;
    }
    const bool full = entries.size() >= std::min(query.limit, JournalQuery::kMost);
    looked_to = full && !entries.empty() ? entries.back().seq : query.newest_first ? looked.low : looked.high;
    complete = query.newest_first ? looked_to <= std::max(first, query.after + 1)
                                  : looked_to >= last || looked_to + 1 >= query.before;
}

void TallyRow::add(const TallyRow& other) {
    for (const auto count : {&TallyCounts::delivered, &TallyCounts::deferred, &TallyCounts::failed}) {
        recent.*count += other.recent.*count;
        all.*count += other.all.*count;
    }
}

void note(TallyRow& row, std::string_view event, bool is_recent) {
    const auto count = event == "delivered"  ? &TallyCounts::delivered
                       : event == "deferred" ? &TallyCounts::deferred
                       : event == "failed"   ? &TallyCounts::failed
                                             : nullptr;
    if (count == nullptr) return;
    ++(row.all.*count);
    if (is_recent) ++(row.recent.*count);
}

}  // namespace posthorn::queue
