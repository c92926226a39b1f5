// Alarms raised, repeated and over.
#include "events/alarm_book.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/bound.hpp"

namespace posthorn::events {

namespace json = boost::json;

std::string_view to_string(NoticeState state) {
    switch (state) {
        case NoticeState::raised: return "raised";
        case NoticeState::repeated: return "repeated";
        case NoticeState::cleared: return "cleared";
        case NoticeState::test: break;
    }
    return "test";
}

std::string RaisedAlarm::to_text() const {
    json::object kept;
    kept["kind"] = alarm.kind;
    kept["subject"] = alarm.subject;
    kept["text"] = alarm.text;
    kept["advice"] = alarm.advice;
    kept["detail"] = alarm.detail;
    kept["incident"] = alarm.incident;
    kept["since"] = since.time_since_epoch().count();
    kept["told"] = told.time_since_epoch().count();
    return json::serialize(kept);
}

std::optional<RaisedAlarm> RaisedAlarm::parse(std::string_view text) {
    boost::system::error_code failed;
    const json::value value = json::parse(text, failed);
    const json::object* kept = failed ? nullptr : value.if_object();
    if (kept == nullptr) return std::nullopt;
    const auto word = [&](std::string_view key) {
        const json::value* found = kept->if_contains(key);
        const json::string* string = found == nullptr ? nullptr : found->if_string();
        return string == nullptr ? std::string() : std::string(string->begin(), string->end());
    };
    const auto time = [&](std::string_view key) {
        const json::value* found = kept->if_contains(key);
        const std::int64_t* number = found == nullptr ? nullptr : found->if_int64();
        return TimePoint(Duration(number == nullptr ? 0 : *number));
    };
    RaisedAlarm raised;
    raised.alarm.kind = word("kind");
    raised.alarm.subject = word("subject");
    raised.alarm.text = word("text");
    raised.alarm.advice = word("advice");
    raised.alarm.detail = word("detail");
    const json::value* incident = kept->if_contains("incident");
    raised.alarm.incident = incident != nullptr && incident->is_bool() && incident->get_bool();
    raised.since = time("since");
    raised.told = time("told");
    if (raised.alarm.kind.empty()) return std::nullopt;
    return raised;
}

namespace {

// Whoever has a domain makes up mail hosts for it, and what they answer: that is no reason to wake somebody a thousand times.
delivery::Alarm about_others(const std::string& kind) {
    delivery::Alarm alarm;
    alarm.kind = kind;
    alarm.subject = "others";
    alarm.text = "There were more than " + std::to_string(AlarmBook::kMostOfStrangers) +
                 " alarms of this kind within an hour, about mail hosts that are no provider's. The others are not told one by one.";
    alarm.advice = "`posthorn status` and the log name them all. Look who writes to so many unknown hosts: posthorn senders.";
    alarm.incident = true;
    return alarm;
}

}  // namespace

bool AlarmBook::has_room(const std::string& kind, TimePoint now) {
    Hour& hour = of_strangers_[kind];
    if (now - hour.began >= std::chrono::hours(1) || hour.began > now) hour = Hour{now, 0};
    if (hour.told >= kMostOfStrangers) return false;
    ++hour.told;
    return true;
}

std::optional<Notice> AlarmBook::raise(delivery::Alarm alarm, TimePoint now) {
    const auto known = raised_.find(Name(alarm.kind, alarm.subject));
    if (known != raised_.end()) {
        known->second.alarm = std::move(alarm);
        return std::nullopt;
    }
    if (alarm.of_stranger && !has_room(alarm.kind, now)) return raise(about_others(alarm.kind), now);
    Notice notice{alarm, NoticeState::raised, now, now};
    if (raised_.size() < kMost) {
        Name name(alarm.kind, alarm.subject);
        raised_.emplace(std::move(name), RaisedAlarm{std::move(alarm), now, {}, true});
    } else {
        note_reached(Bound::alarms_raised);
    }
    return notice;
}

void AlarmBook::told(const Name& name, TimePoint now) {
    const auto known = raised_.find(name);
    if (known == raised_.end()) return;
    known->second.told = now;
    known->second.in_hand = false;
}

std::optional<Notice> AlarmBook::clear(const Name& name, TimePoint now) {
    const auto known = raised_.find(name);
    if (known == raised_.end()) return std::nullopt;
    const bool was_told = known->second.told != TimePoint{} || known->second.in_hand;
    Notice notice{std::move(known->second.alarm), NoticeState::cleared, known->second.since, now};
    raised_.erase(known);
    if (!was_told) return std::nullopt;
    return notice;
}

AlarmBook::Due AlarmBook::due(TimePoint now, Duration repeat) {
    Due due;
    for (auto at = raised_.begin(); at != raised_.end();) {
        RaisedAlarm& raised = at->second;
        if (raised.in_hand) {
            ++at;
            continue;
        }
        const bool untold = raised.told == TimePoint{};
        // A clock that was set back must not silence an alarm for as long.
        const bool old = now - raised.told >= repeat || raised.told > now + repeat;
        if (!untold && old && raised.alarm.incident) {
            due.forgotten.push_back(at->first);
            at = raised_.erase(at);
            continue;
        }
        if (untold || old) {
            due.notices.push_back({raised.alarm, untold ? NoticeState::raised : NoticeState::repeated, raised.since, now});
            raised.in_hand = true;
        }
        ++at;
    }
    return due;
}

void AlarmBook::load(RaisedAlarm alarm) {
    if (raised_.size() >= kMost) return;
    Name name(alarm.alarm.kind, alarm.alarm.subject);
    raised_.emplace(std::move(name), std::move(alarm));
}

}  // namespace posthorn::events
