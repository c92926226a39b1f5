// Queue ids as text, and their source: see queue_id.hpp.
#include "base/queue_id.hpp"

#include "base/text.hpp"

namespace posthorn {

namespace {

constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";  // Crockford: no i, l, o, u
constexpr std::size_t kLength = 13;
constexpr unsigned kCounterBits = 20;

}  // namespace

std::string QueueId::to_string() const {
    std::string text(kLength, '0');
    auto rest = static_cast<std::uint64_t>(value_);
    for (std::size_t at = kLength; at-- > 0; rest >>= 5) text[at] = kAlphabet[rest & 31];
    return text;
}

std::optional<QueueId> QueueId::parse(std::string_view text) {
    if (text.size() != kLength || text.front() > '7')
        return std::nullopt;  // 13 * 5 = 65 bits: the top two are zero
    std::uint64_t value = 0;
    for (const char c : text) {
        const std::size_t digit = kAlphabet.find(text::to_lower(c));
        if (digit == std::string_view::npos) return std::nullopt;
        value = value << 5 | digit;
    }
    if (value == 0) return std::nullopt;
    return QueueId(static_cast<std::int64_t>(value));
}

TimePoint QueueId::time() const { return TimePoint(Duration(value_ >> kCounterBits)); }

QueueId QueueIdSource::next(TimePoint now) {
    const std::int64_t count = counter_ & ((1U << kCounterBits) - 1);
    counter_ += step_;
    std::int64_t id = now.time_since_epoch().count() << kCounterBits | count;
    if (id <= last_)
        id = last_ + step_;  // the clock stepped back, or the counter came round within a millisecond
    last_ = id;
    return QueueId(id);
}

}  // namespace posthorn
