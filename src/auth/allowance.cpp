// Token buckets and who has which.
#include "auth/allowance.hpp"

#include <algorithm>
#include <cmath>

#include "base/bound.hpp"

namespace posthorn::auth {
namespace {

constexpr double kHour = std::chrono::duration<double>(std::chrono::hours(1)).count();

// Until `missing` tokens have come; never less than a second, so that nobody is told to come back at once.
Duration time_for(double missing, std::uint32_t per_hour) {
    const double seconds = std::max(1.0, std::ceil(missing * kHour / per_hour));
    return std::chrono::seconds(static_cast<std::int64_t>(seconds));
}

// Rates are not exact in binary: a whole token that is short of a billionth is there.
constexpr double kAlmost = 1e-6;

}  // namespace

double TokenBucket::capacity(std::uint32_t per_hour, Duration burst) {
    return std::max(1.0, std::floor(per_hour * std::chrono::duration<double>(burst).count() / kHour));
}

void TokenBucket::fill(std::uint32_t per_hour, double capacity, SteadyTime now) {
    if (tokens_ < 0) {
        tokens_ = capacity;
    } else if (now > filled_) {
        tokens_ += std::chrono::duration<double>(now - filled_).count() * per_hour / kHour;
    }
    tokens_ = std::min(tokens_, capacity);  // also when a reload made it smaller
    filled_ = std::max(filled_, now);
}

Allowances::Use& Allowances::use_of(std::string_view user, SteadyTime now) {
    auto found = users_.find(user);
    if (found == users_.end()) {
        if (users_.size() >= kMostUsers) {
            note_reached(Bound::allowance_users);
            users_.erase(std::min_element(users_.begin(), users_.end(), [](const auto& a, const auto& b) {
                return a.second.last_asked < b.second.last_asked;
            }));
        }
        found = users_.emplace(std::string(user), Use()).first;
    }
    found->second.last_asked = now;
    return found->second;
}

std::optional<Allowances::Overrun> Allowances::judge(Use& use, const AllowanceLimits& limits,
                                                     std::uint32_t recipients, SteadyTime now) {
    std::optional<Overrun> overrun;
    const auto look = [&](TokenBucket& bucket, std::uint32_t per_hour, double wanted, Overrun::What what) {
        if (per_hour == 0) return;
        const double capacity = TokenBucket::capacity(per_hour, limits.burst);
        bucket.fill(per_hour, capacity, now);
        if (overrun || bucket.tokens() + kAlmost >= wanted) return;
        overrun.emplace();
        overrun->what = wanted > capacity ? Overrun::What::one_message : what;
        overrun->per_hour = per_hour;
        overrun->at_once = static_cast<std::uint32_t>(capacity);
        overrun->wait = time_for(std::min(wanted, capacity) - bucket.tokens(), per_hour);
    };
    look(use.messages, limits.messages_per_hour, 1, Overrun::What::messages);
    look(use.recipients, limits.recipients_per_hour, recipients, Overrun::What::recipients);
    if (overrun && overrun->what != Overrun::What::one_message &&
        (!use.reported || now - *use.reported >= kReportInterval)) {
        use.reported = now;
        overrun->report = true;
    }
    return overrun;
}

std::optional<Allowances::Overrun> Allowances::ask(std::string_view user, const AllowanceLimits& limits,
                                                   std::uint32_t recipients, SteadyTime now) {
    if (limits.messages_per_hour == 0 && limits.recipients_per_hour == 0) return std::nullopt;
    return judge(use_of(user, now), limits, recipients, now);
}

std::optional<Allowances::Overrun> Allowances::take(std::string_view user, const AllowanceLimits& limits,
                                                    std::uint32_t recipients, SteadyTime now) {
    if (limits.messages_per_hour == 0 && limits.recipients_per_hour == 0) return std::nullopt;
    Use& use = use_of(user, now);
    std::optional<Overrun> overrun = judge(use, limits, recipients, now);
    if (overrun) return overrun;
    if (limits.messages_per_hour != 0) use.messages.take(1);
    if (limits.recipients_per_hour != 0) use.recipients.take(recipients);
    return std::nullopt;
}

std::vector<std::string> Allowances::at_limit(SteadyTime now) const {
    std::vector<std::string> users;
    for (const auto& [user, use] : users_) {
        if (use.reported && now - *use.reported < kReportInterval) users.push_back(user);
    }
    return users;
}

}  // namespace posthorn::auth
