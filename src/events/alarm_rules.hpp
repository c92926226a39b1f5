// From figures to alarms: what is wrong now.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "delivery/alarm.hpp"
#include "events/options.hpp"
#include "events/provider_success.hpp"

namespace posthorn::events {

// What is looked at in each round. Pure values.
struct Figures {
    TimePoint now{};
    std::uint64_t queued = 0;                   // recipients
    Duration oldest{};                          // age of the message that waits longest
    std::optional<TimePoint> last_delivery;     // nothing: none since the journal's beginning
    TimePoint started{};                        // of the daemon: before it nothing could leave
    std::vector<ProviderSuccess::Share> providers;
    struct CertificateEnd {
        std::string file, names;
        TimePoint not_after{};
    };
    std::vector<CertificateEnd> certificates;
    std::string queue_directory;
    std::optional<std::uint64_t> disk_free;     // nothing: it could not be told
    std::uint64_t min_free_space = 0;           // queue.min_free_space
    std::vector<std::string> users_at_limit;
    struct KeyTrouble {
        std::string name;                       // "m1._domainkey.example.com"
        std::string words;                      // what DNS has
        std::string record;                     // what it should have
        bool coming = false;                    // it does not sign yet: it waits for this record
    };
    std::vector<KeyTrouble> keys;
};

// The kinds that alarms_of() is the whole truth of.
inline constexpr std::array kFigureKinds = {
    delivery::alarm_kind::kNothingLeaves, delivery::alarm_kind::kSuccessFalls, delivery::alarm_kind::kOldestMail,
    delivery::alarm_kind::kKeyUnpublished, delivery::alarm_kind::kCertificate, delivery::alarm_kind::kAccountThrottled,
    delivery::alarm_kind::kDiskFull};

// `raised`: names "kind subject" of those that are raised, as a rule lets go of one only when things are clearly better.
[[nodiscard]] std::vector<delivery::Alarm> alarms_of(const Figures& figures, const AlarmOptions& options,
                                                     const std::vector<std::string>& raised);

}  // namespace posthorn::events
