// Counting by the hour, warning, and the memory of what was reached.
#include "delivery/bulk_mark.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/bound.hpp"
#include "base/utc.hpp"

namespace posthorn::delivery {
namespace {

constexpr Duration kSaveEvery = std::chrono::minutes(1);

std::int64_t hour_of(TimePoint now) { return std::chrono::floor<std::chrono::hours>(now).time_since_epoch().count(); }

std::string_view domain_of(std::string_view key) { return key.substr(0, key.rfind('|')); }
std::string_view provider_of_key(std::string_view key) { return key.substr(key.rfind('|') + 1); }

}  // namespace

std::uint64_t BulkMarks::Count::total() const { return std::accumulate(sent.begin(), sent.end(), std::uint64_t{0}); }

void BulkMarks::Count::move_to(std::int64_t now_hour) {
    if (now_hour <= hour) return;          // a clock that was set back forgets nothing
    if (now_hour - hour >= static_cast<std::int64_t>(kHours)) sent.fill(0);
    else
        for (std::int64_t each = hour + 1; each <= now_hour; ++each) sent[static_cast<std::size_t>(each) % kHours] = 0;
    hour = now_hour;
}

void BulkMarks::configure(const std::vector<ProviderOptions>& providers) {
    marks_.clear();
    for (const ProviderOptions& provider : providers) {
        if (provider.daily_mark == 0) continue;
        Mark mark;
        mark.mark = provider.daily_mark;
        // Who sets a lower mark and no warning is warned at that mark.
        mark.warning = provider.daily_warning == 0 ? provider.daily_mark : std::min(provider.daily_warning, provider.daily_mark);
        marks_[provider.name] = mark;
    }
}

void BulkMarks::load(std::string_view key, std::string_view value, TimePoint) try {
    const boost::json::value parsed = boost::json::parse(boost::json::string_view(value.data(), value.size()));
    const boost::json::object& json = parsed.as_object();
    Count count;
    count.hour = json.at("hour").to_number<std::int64_t>();
    const boost::json::array& sent = json.at("sent").as_array();
    if (sent.size() != kHours || count.hour < 0) return;
    for (std::size_t i = 0; i < kHours; ++i) count.sent[i] = sent[i].to_number<std::uint32_t>();
    if (const auto reached = json.at("reached").to_number<std::int64_t>(); reached != 0) count.reached = TimePoint(Duration(reached));
    count.warned = json.at("warned").as_bool();
    counts_.insert_or_assign(std::string(key), count);
} catch (const std::exception&) {
    return;                                // of another version
}

void BulkMarks::heed(const Flow& flow, const std::vector<Judged>& judged, TimePoint now) {
    if (flow.sender_org.empty() || marks_.find(flow.provider) == marks_.end()) return;
    const auto taken = std::count_if(judged.begin(), judged.end(),
                                     [](const Judged& item) { return !item.at_once && item.outcome.result == Disposition::delivered; });
    if (taken == 0) return;
    const std::string key = flow.sender_org + "|" + flow.provider;
    auto at = counts_.find(key);
    if (at == counts_.end()) {
        if (counts_.size() >= kMaxMarks) {
            note_reached(Bound::bulk_marks);
            auto least = counts_.end();
            for (auto it = counts_.begin(); it != counts_.end(); ++it)
                if (!it->second.reached && (least == counts_.end() || it->second.total() < least->second.total())) least = it;
            if (least == counts_.end()) return;
            SavedState gone;
            gone.key = least->first;
            changes_.saved.push_back(std::move(gone));
            unsaved_.erase(least->first);
            counts_.erase(least);
        }
        at = counts_.emplace(key, Count()).first;
        at->second.hour = hour_of(now);
    }
    Count& count = at->second;
    count.move_to(hour_of(now));
    count.sent[static_cast<std::size_t>(count.hour) % kHours] += static_cast<std::uint32_t>(taken);
    if (unsaved_.empty()) unsaved_since_ = now;
    unsaved_.insert(key);
    judge(key, count, now);
}

void BulkMarks::judge(const std::string& key, Count& count, TimePoint now) {
    const auto mark = marks_.find(provider_of_key(key));
    if (mark == marks_.end()) return;
    const std::uint64_t total = count.total();
    const std::string domain(domain_of(key)), provider(mark->first);
    const std::string subject = domain + " at " + provider;
    const std::string number = std::to_string(mark->second.mark);
    if (count.warned && total < mark->second.warning * std::uint64_t{3} / 4) {
        count.warned = false;
        changes_.cleared.emplace_back(alarm_kind::kBulkMark, subject);
        save(key, count, now);
    }
    const bool reached = total >= mark->second.mark && !count.reached;
    const bool close = total >= mark->second.warning && !count.warned && !count.reached;
    if (!reached && !close) return;
    count.warned = true;
    Alarm alarm;
    alarm.kind = alarm_kind::kBulkMark;
    alarm.subject = subject;
    if (reached) {
        count.reached = now;
        alarm.text = provider + " has taken " + number + " messages of " + domain +
                     " and the domains below it within 24 hours. From that number on it treats the domain as a bulk sender, and does so for good.";
    } else {
        alarm.text = provider + " has taken " + std::to_string(total) + " messages of " + domain +
                     " and the domains below it within 24 hours. From " + number + " on it treats the domain as a bulk sender, for good.";
    }
    alarm.advice = "A bulk sender needs SPF, DKIM and a DMARC record, From aligned with them, one-click unsubscribing in mail that was subscribed "
                   "to, and few complaints (docs/THROTTLING.md). Look at who sends so much: posthorn senders.";
    changes_.raised.push_back(std::move(alarm));
    ShapingNotice line;
    line.event = "bulk-mark";
    line.fields = {{"domain", domain}, {"provider", provider}, {"sent", std::to_string(total)}, {"mark", number},
                   {"state", reached ? "reached" : "close"}};
    changes_.notices.push_back(std::move(line));
    save(key, count, now);
}

void BulkMarks::save(const std::string& key, const Count& count, TimePoint now) {
    boost::json::array sent;
    for (const std::uint32_t each : count.sent) sent.push_back(each);
    boost::json::object json;
    json["hour"] = count.hour;
    json["sent"] = std::move(sent);
    json["reached"] = count.reached ? count.reached->time_since_epoch().count() : 0;
    json["warned"] = count.warned;
    SavedState state;
    state.key = key;
    state.value = boost::json::serialize(json);
    state.expires = now + (count.reached ? kRemembered : Duration(std::chrono::hours(48)));
    changes_.saved.push_back(std::move(state));
    unsaved_.erase(key);
}

void BulkMarks::tick(TimePoint now) {
    if (!unsaved_.empty() && now - unsaved_since_ >= kSaveEvery)
        for (const std::string& key : std::set<std::string>(unsaved_)) save(key, counts_[key], now);
    if (hour_of(now) == swept_) return;
    swept_ = hour_of(now);
    for (auto it = counts_.begin(); it != counts_.end();) {
        it->second.move_to(swept_);
        judge(it->first, it->second, now);
        // Of whom nothing was sent for a day only what he has reached is of interest.
        const bool idle = it->second.total() == 0 && !it->second.reached;
        if (idle) unsaved_.erase(it->first);
        it = idle ? counts_.erase(it) : std::next(it);
    }
}

std::optional<TimePoint> BulkMarks::next_change() const {
    if (counts_.empty()) return std::nullopt;
    const TimePoint next_hour{std::chrono::hours(swept_ + 1)};
    return unsaved_.empty() ? next_hour : std::min(next_hour, unsaved_since_ + kSaveEvery);
}

RestraintChanges BulkMarks::take_changes() { return std::exchange(changes_, RestraintChanges()); }

std::vector<BulkMarkView> BulkMarks::view(std::size_t limit, TimePoint now) const {
    std::vector<BulkMarkView> all;
    for (const auto& [key, count] : counts_) {
        const auto mark = marks_.find(provider_of_key(key));
        if (mark == marks_.end()) continue;
        Count moved = count;
        moved.move_to(hour_of(now));
        BulkMarkView one;
        one.domain = std::string(domain_of(key));
        one.provider = mark->first;
        one.sent = moved.total();
        one.mark = mark->second.mark;
        one.reached = count.reached;
        all.push_back(std::move(one));
    }
    std::stable_sort(all.begin(), all.end(), [](const BulkMarkView& a, const BulkMarkView& b) { return a.sent > b.sent; });
    if (all.size() > limit) all.resize(limit);
    return all;
}

}  // namespace posthorn::delivery
