// Columns of ages, and their sums.
#include "queue/age_table.hpp"

#include <algorithm>
#include <numeric>

namespace posthorn::queue {

std::size_t age_column(TimePoint accepted_at, TimePoint now) {
    const auto minutes = std::chrono::floor<std::chrono::minutes>(now - accepted_at).count();
    const auto column = std::upper_bound(kAgeMinutes.begin(), kAgeMinutes.end(), minutes,
                                         [](auto age, std::uint32_t end) { return age < static_cast<decltype(age)>(end); });
    return static_cast<std::size_t>(column - kAgeMinutes.begin());
}

std::uint64_t AgeRow::total() const { return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}); }

void AgeTable::add(const std::string& name, const AgeRow& row) {
    const bool known = rows_.contains(name);
    const std::string key = known || rows_.size() < kMostRows ? name : std::string(kOthers);
    AgeRow& sum = rows_[key];
    sum.name = key;
    for (std::size_t i = 0; i < kAgeColumns; ++i) sum.counts[i] += row.counts[i];
}

AgeRow AgeTable::total() const {
    AgeRow sum;
    sum.name = "TOTAL";
    for (const auto& [name, row] : rows_)
        for (std::size_t i = 0; i < kAgeColumns; ++i) sum.counts[i] += row.counts[i];
    return sum;
}

std::vector<AgeRow> AgeTable::fullest(std::size_t limit) const {
    std::vector<AgeRow> all;
    all.reserve(rows_.size());
    for (const auto& [name, row] : rows_) all.push_back(row);
    std::stable_sort(all.begin(), all.end(), [](const AgeRow& a, const AgeRow& b) { return a.total() > b.total(); });
    if (all.size() > limit) all.resize(limit);
    return all;
}

}  // namespace posthorn::queue
