// A gate's arithmetic: the bucket, the allowance, and what is worth keeping in memory for them.
#include "queue/gate.hpp"

namespace posthorn::queue {
namespace {

constexpr std::uint64_t kUnbounded = UINT64_MAX;
// Rows are loaded for what the rate lets start within this time: reading from the store takes no longer, and
// what waits in memory keeps others' mail out of it.
constexpr Duration kLookahead = std::chrono::seconds(5);

std::uint64_t product(std::uint64_t a, std::uint64_t b) {
    std::uint64_t result = 0;
    return __builtin_mul_overflow(a, b, &result) ? kUnbounded : result;
}

}  // namespace

bool Gate::set(const GateSettings& settings, TimePoint now) {
    if (settings == settings_) {
        return false;
    }
    const bool was_rated = is_rated();
    const std::uint64_t credit_now = was_rated ? credit(now) : 0;
    const auto former_cost = was_rated ? static_cast<std::uint64_t>(settings_.rate->per.count()) : 1;
    settings_ = settings;
    if (!is_rated()) {
        return true;
    }
    const auto cost = static_cast<std::uint64_t>(settings_.rate->per.count());
    const std::uint64_t full = product(burst(), cost);
    // What the bucket holds stays in it, the part of a recipient included.
    const std::uint64_t kept =
        product(credit_now / former_cost, cost) + product(credit_now % former_cost, cost) / former_cost;
    credit_ = was_rated ? std::min(kept, full) : full;
    credited_ = now;
    return true;
}

GateSettings Gate::settings() const {
    GateSettings settings = settings_;
    settings.concurrency = limit();
    return settings;
}

std::uint32_t Gate::limit() const {
    const std::uint32_t set = settings_.concurrency;
    return set == 0 || connections_ == 0 ? std::max(set, connections_) : std::min(set, connections_);
}

std::uint64_t Gate::kept(Claimant who) const {
    return who == Claimant::bulk ? std::min(burst() - 1, std::max<std::uint64_t>(1, burst() / 4)) : 0;
}

std::uint64_t Gate::credit(TimePoint now) const {
    const auto cost = static_cast<std::uint64_t>(settings_.rate->per.count());
    const std::uint64_t full = product(burst(), cost);
    if (now <= credited_ || credit_ >= full) {
        return std::min(credit_, full);
    }
    const auto passed = static_cast<std::uint64_t>((now - credited_).count());
    const std::uint64_t earned = product(passed, settings_.rate->count);
    return earned >= full - credit_ ? full : credit_ + earned;
}

std::uint64_t Gate::tokens(TimePoint now) const {
    return is_rated() ? credit(now) / static_cast<std::uint64_t>(settings_.rate->per.count()) : 0;
}

std::uint64_t Gate::allowed(Claimant who) const {
    if (!settings_.allowance) {
        return kUnbounded;
    }
    const std::uint64_t taken = recipients_ + (who == Claimant::letter ? 0 : settings_.allowance_for_letters);
    return *settings_.allowance - std::min(*settings_.allowance, taken);
}

std::uint64_t Gate::room(Claimant who, TimePoint now) const {
    if (limit() != 0 && active_ >= limit()) {
        return 0;
    }
    std::uint64_t room = allowed(who);
    if (is_rated()) {
        const std::uint64_t held = tokens(now);
        room = std::min(room, held - std::min(held, kept(who)));
    }
    return room;
}

std::uint64_t Gate::worth_loading(Claimant who, TimePoint now) const {
    std::uint64_t worth = allowed(who);
    if (is_rated()) {
        const std::uint64_t held = tokens(now);
        const auto soon = product(settings_.rate->count, static_cast<std::uint64_t>(kLookahead.count())) /
                          static_cast<std::uint64_t>(settings_.rate->per.count());
        worth = std::min(worth, held - std::min(held, kept(who)) + soon);
    }
    return worth;
}

std::optional<TimePoint> Gate::opens(Claimant who, TimePoint now) const {
    if (!is_rated() || tokens(now) > kept(who)) {
        return std::nullopt;
    }
    const std::uint64_t needed =
        product(kept(who) + 1, static_cast<std::uint64_t>(settings_.rate->per.count())) - credit(now);
    const std::uint64_t wait = (needed + settings_.rate->count - 1) / settings_.rate->count;
    return now + Duration(static_cast<Duration::rep>(wait));
}

void Gate::begin(std::uint64_t recipients, TimePoint now) {
    take(1, recipients);
    if (is_rated()) {
        const std::uint64_t held = credit(now);
        credit_ = held - std::min(held, product(recipients,
                                                static_cast<std::uint64_t>(settings_.rate->per.count())));
        credited_ = now;
    }
}

void Gate::take(std::uint32_t deliveries, std::uint64_t recipients) {
    active_ += deliveries;
    recipients_ += recipients;
}

void Gate::drop(std::uint32_t deliveries, std::uint64_t recipients) {
    active_ -= std::min(active_, deliveries);
    recipients_ -= std::min(recipients_, recipients);
}

}  // namespace posthorn::queue
