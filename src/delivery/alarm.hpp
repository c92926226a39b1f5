// What an operator must hear of at once, and who takes it.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::delivery {

// One thing that is wrong. (kind, subject) is its name: while it lasts it is raised as often as it is noticed, and told once, then daily.
struct Alarm {
    std::string kind;     // a word of kAlarmKinds, or another in small letters and hyphens: "suspended", "key-unpublished"
    std::string subject;  // what it concerns, short and stable: "example.com at google", "mx1.example.com"; no times, no counts
    std::string text;     // what happened and what it means, in whole sentences; goes out unshortened
    std::string advice;   // what to do, with the command or the DNS record to paste; may be empty
    std::string detail;   // JSON of those who know more (a diagnosis); or empty
    bool of_stranger = false;  // the subject names a mail host, which anybody can make up by the thousand: only some of an hour are told
    bool incident = false;  // it happened, and does not last: told once, never cleared, forgotten after a day
};

// The kinds that Posthorn raises itself, in the order of docs/EVENTS.md.
namespace alarm_kind {
inline constexpr std::string_view kSuspended = "suspended";              // a pair of sender and provider; subject "example.com at google"
inline constexpr std::string_view kThrottled = "throttled";              // a provider slows us down for longer than an hour; subject: the gate
inline constexpr std::string_view kBulkMark = "bulk-mark";               // close to a provider's daily mark of bulk senders
inline constexpr std::string_view kNothingLeaves = "nothing-leaves";     // mail is queued, and none was delivered for hours
inline constexpr std::string_view kSuccessFalls = "success-falls";       // towards one provider; subject: the group
inline constexpr std::string_view kOldestMail = "oldest-mail";           // waits longer than alarm.oldest
inline constexpr std::string_view kKeyUnpublished = "key-unpublished";   // DNS has not our DKIM key; subject "selector._domainkey.example.com"
inline constexpr std::string_view kCertificate = "certificate-expiring"; // a listener's; subject: its file
inline constexpr std::string_view kAccountThrottled = "account-throttled";  // a user at his limit, or stopped; subject: his name
inline constexpr std::string_view kDiskFull = "disk-nearly-full";        // subject: the directory
inline constexpr std::string_view kWebhook = "webhook";                  // events do not get through; subject: the webhook's name
inline constexpr std::string_view kRefusal = "refusal";                  // by a rule with the action alert; subject: the rule
inline constexpr std::string_view kTest = "test";                        // posthorn alarms test
}  // namespace alarm_kind

// Takes alarms: outlives those who raise them. Never blocks, any thread. Repeating what is known costs a look-up, so that
// whoever notices a thing need not remember that he said it; what lasts over a restart is remembered here.
class AlarmSink {
public:
    virtual ~AlarmSink() = default;
    // True of the same name: new words replace the old ones and are not told before the daily repetition.
    virtual void raise(Alarm alarm) = 0;
    // It is over: said once, to whom it was told. Of what was not raised: nothing happens.
    virtual void clear(std::string_view kind, std::string_view subject) = 0;
};

}  // namespace posthorn::delivery
