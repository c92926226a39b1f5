// Which alarms are raised, and when each is told: once, again each day, and when it is over.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "delivery/alarm.hpp"

namespace posthorn::events {

enum class NoticeState : std::uint8_t { raised, repeated, cleared, test };
[[nodiscard]] std::string_view to_string(NoticeState state);

// One thing to tell.
struct Notice {
    delivery::Alarm alarm;
    NoticeState state = NoticeState::raised;
    TimePoint since{};
    TimePoint at{};
};

struct RaisedAlarm {
    delivery::Alarm alarm;
    TimePoint since{};
    TimePoint told{};      // the last time that all outputs had it, or gave it up; 1970: not yet
    bool in_hand = false;  // the outputs are at it; not remembered over a restart, after which they begin anew

    // For DeliveryMemory. Nothing: not what to_text() wrote.
    [[nodiscard]] std::string to_text() const;
    [[nodiscard]] static std::optional<RaisedAlarm> parse(std::string_view text);
};

// Pure: time is an argument. An alarm's name is its kind and subject.
class AlarmBook {
public:
    using Name = std::pair<std::string, std::string>;
    static constexpr std::size_t kMost = 1000;   // beyond it new ones are told, but not remembered
    static constexpr std::size_t kMostOfStrangers = 20;   // new ones of a kind in an hour that are told one by one; then one for all the others

    // Something to tell where it is new. Of one that is known: the words are renewed.
    std::optional<Notice> raise(delivery::Alarm alarm, TimePoint now);
    // The outputs are done with what they were given last.
    void told(const Name& name, TimePoint now);
    // Something to tell where it was told.
    std::optional<Notice> clear(const Name& name, TimePoint now);
    // What is to be told now: what a restart found untold, and what lasts since it was told so long ago. Incidents go.
    struct Due {
        std::vector<Notice> notices;
        std::vector<Name> forgotten;
    };
    Due due(TimePoint now, Duration repeat);

    void load(RaisedAlarm alarm);
    [[nodiscard]] const std::map<Name, RaisedAlarm>& raised() const { return raised_; }

private:
    // False: not to be told one by one.
    bool has_room(const std::string& kind, TimePoint now);

    std::map<Name, RaisedAlarm> raised_;
    struct Hour {
        TimePoint began{};
        std::size_t told = 0;
    };
    std::map<std::string, Hour> of_strangers_;   // by kind, of which there are a dozen
};

}  // namespace posthorn::events
