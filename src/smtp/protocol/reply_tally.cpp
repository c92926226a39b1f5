// Counting refusals.
#include "smtp/protocol/reply_tally.hpp"

#include "base/bound.hpp"
#include "base/text.hpp"

namespace posthorn::smtp::protocol {

void ReplyTally::count(std::string_view wire) {
    if (wire.size() < 4 || (wire[0] != '4' && wire[0] != '5')) return;
    const auto code = text::parse_unsigned(wire.substr(0, 3));
    if (!code) return;
    count(Kind{static_cast<std::uint16_t>(*code),
               EnhancedCode::parse(wire.substr(4)).value_or(EnhancedCode{})});
}

void ReplyTally::count(Kind kind) {
    if (kind.code < 400) return;
    const auto known = counts_.find(kind);
    if (known != counts_.end()) {
        ++known->second;
    } else if (counts_.size() < kMaxKinds) {
        counts_.emplace(kind, 1);
    } else {
        note_reached(Bound::refusal_codes);
        ++others_;
    }
}

}  // namespace posthorn::smtp::protocol
