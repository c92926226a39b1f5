// The record of a delivery on its way to the disk: verdicts and DSNs, one settlement, and what is said of it in the log.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "delivery/agent.hpp"
#include "delivery/verdict.hpp"
#include "mail/message.hpp"

namespace posthorn::delivery {

// Made by recording_of(), then record() once; where that fails record_in_time(); at last note_due().
struct Recording {
    Recording() = default;

    mail::MessagePtr message;
    std::shared_ptr<const Settings> settings;
    std::vector<Judged> judged;
    std::string transcript;                // Attempt::transcript: for the journal's entry of the first who did not get the message
    std::string group;                     // Attempt::group
    queue::Settlement settlement;          // verdicts in the order of judged, and the DSNs
    std::vector<Admission> admissions;     // of the DSNs
    TimePoint now{};                       // when it was judged
    bool told = false;                     // the log knows the outcomes
    queue::StoreError error;               // why the last try failed
};

}  // namespace posthorn::delivery
