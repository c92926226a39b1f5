// What all stores have in common: which rows a revision concerns, and an error that nobody looked at.
#include "queue/store.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace posthorn::queue {

void throw_exception_from_error(const StoreError& error, const boost::source_location&) {
    throw std::runtime_error(error.what);
}

bool concerns(Revision revision, RecipientState state) {
    switch (revision) {
        case Revision::retry:
            return state != RecipientState::suspended;
        case Revision::hold:
            return state != RecipientState::held;
        case Revision::release:
            return state == RecipientState::held;
        case Revision::remove:
        case Revision::bounce:
            return true;
        case Revision::flush:
        case Revision::suspend:
            return state == RecipientState::waiting;
        case Revision::resume:
            return state == RecipientState::suspended;
    }
    return false;
}

void note_due(Revised& revised, DestinationDue noted) {
    const auto known = std::find_if(revised.due.begin(), revised.due.end(),
                                    [&](const DestinationDue& earlier) { return earlier.id == noted.id; });
    if (known == revised.due.end()) {
        revised.due.push_back(std::move(noted));
    } else {
        known->next_due = std::min(known->next_due, noted.next_due);
    }
}

}  // namespace posthorn::queue
