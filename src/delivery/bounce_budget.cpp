// Counting DSNs by address.
#include "delivery/bounce_budget.hpp"

#include <utility>

#include "base/bound.hpp"

namespace posthorn::delivery {

bool BounceBudget::take(const std::string& to, std::uint32_t per_hour, SteadyTime now) {
    if (per_hour == 0) return true;
    auto at = windows_.find(to);
    // What was put off keeps its window until due() has told of it.
    if (at != windows_.end() && now - at->second.begun >= kBounceWindow && at->second.put_off == 0) {
        windows_.erase(at);
        at = windows_.end();
    }
    if (at == windows_.end()) {
        if (windows_.size() >= kMaxBounceWindows)
            std::erase_if(windows_, [&](const auto& item) { return item.second.put_off == 0 && now - item.second.begun >= kBounceWindow; });
        if (windows_.size() >= kMaxBounceWindows) {
            note_reached(Bound::bounce_windows);
            return true;
        }
        at = windows_.emplace(to, Window{now, 0, 0, {}}).first;
    }
    if (at->second.taken >= per_hour) return false;
    at->second.taken += 1;
    return true;
}

void BounceBudget::put_off(const std::string& to, mail::DigestLine line, SteadyTime now) {
    Window& window = windows_.emplace(to, Window{now, 0, 0, {}}).first->second;
    window.put_off += 1;
    if (line.diagnostic.size() > kMaxDigestWords) line.diagnostic.resize(kMaxDigestWords);
    if (window.lines.size() < kMaxDigestLines) window.lines.push_back(std::move(line));
}

std::vector<BounceBudget::Summary> BounceBudget::due(SteadyTime now) {
    std::vector<Summary> out;
    for (auto at = windows_.begin(); at != windows_.end();) {
        Window& window = at->second;
        if (now < window.begun + kBounceWindow) {
            ++at;
            continue;
        }
        if (window.put_off > 0) out.push_back(Summary{at->first, window.put_off, std::move(window.lines)});
        at = windows_.erase(at);
    }
    return out;
}

std::vector<BounceBudget::Summary> BounceBudget::drain() { return due(SteadyTime::max()); }

void BounceBudget::give_back(Summary summary, SteadyTime now) {
    Window& window = windows_.emplace(summary.to, Window{now, 0, 0, {}}).first->second;
    window.put_off += summary.count;
    for (mail::DigestLine& line : summary.lines)
        if (window.lines.size() < kMaxDigestLines) window.lines.push_back(std::move(line));
}

}  // namespace posthorn::delivery
