// The settings of what is told to others: [journal], [[webhook]], [alarm].
#include "config/field.hpp"
#include "config/schema.hpp"

namespace posthorn::config {

std::vector<Setting<Config>> event_settings() {
    using namespace binding;
    using std::chrono::hours;
    using std::chrono::milliseconds;
    using std::chrono::minutes;
    using std::chrono::seconds;
    constexpr std::uint64_t kMiB = 1024 * 1024;
    return {
        {"journal", "max_rows", integer<Config>(FIELD(queue.journal.max_rows), 0, 100'000'000),
         "How many entries are kept at most, one for each recipient in each attempt; about 400 octets each, more for what was "
         "refused. 0: no journal; then there are no webhooks either, and `posthorn why` knows only what is still queued."},
        {"journal", "keep", duration<Config>(FIELD(queue.journal.keep), minutes(1), hours(24 * 3650)),
         "How long entries are kept at most; older ones go as new ones come."},

        {"alarm", "command", texts<Config>(FIELD(events.alarm.command), "a list such as [\"/usr/local/bin/alarm\", \"--pager\"]"),
         "A program that is run for each alarm, one at a time, without a shell: the alarm as JSON on its standard input, the same in "
         "POSTHORN_ALARM_KIND, _SUBJECT, _STATE, _TEXT and _ADVICE. Empty: none."},
        {"alarm", "command_timeout", duration<Config>(FIELD(events.alarm.command_timeout), milliseconds(100), minutes(10)),
         "How long it may take before it is killed."},
        {"alarm", "webhook", web_address<Config>(FIELD(events.alarm.webhook), "an https:// address, or \"\""),
         "Where each alarm is posted as signed JSON, as events are to a [[webhook]]. Empty: nowhere."},
        {"alarm", "webhook_secret_file", path<Config>(FIELD(events.alarm.webhook_secret_file), true),
         "A file that holds what it is signed with; `openssl rand -hex 32` makes such a secret."},
        {"alarm", "repeat", duration<Config>(FIELD(events.alarm.repeat), minutes(1), hours(24 * 30)),
         "After what time an alarm that lasts is told again."},
        {"alarm", "interval", duration<Config>(FIELD(events.alarm.interval), milliseconds(100), hours(1)),
         "How often the figures are looked at."},
        {"alarm", "nothing_leaves", duration<Config>(FIELD(events.alarm.nothing_leaves), seconds(0), hours(24 * 30)),
         "Alarm when mail has waited this long and none was delivered in that time. 0s: never."},
        {"alarm", "oldest", duration<Config>(FIELD(events.alarm.oldest), seconds(0), hours(24 * 30)),
         "Alarm when some message has waited this long. 0s: never."},
        {"alarm", "success", real<Config>(FIELD(events.alarm.success), 0, 1),
         "Alarm when less than this share of the attempts of the last hour towards one provider ended in a delivery; addresses that do "
         "not exist are not counted. 0: never."},
        {"alarm", "success_least", integer<Config>(FIELD(events.alarm.success_least), 1, 1'000'000),
         "How many attempts there must have been in that hour to say anything."},
        {"alarm", "certificate", duration<Config>(FIELD(events.alarm.certificate), seconds(0), hours(24 * 3650)),
         "Alarm when a certificate of ours ends within this time. 0s: never."},
        {"alarm", "disk_free", size<Config>(FIELD(events.alarm.disk_free), 0, 1024 * 1024 * 1024 * kMiB),
         "Alarm when less than this is free where the queue lies. At queue.min_free_space mail is refused. 0: never."},
        {"alarm", "key_check", duration<Config>(FIELD(events.alarm.key_check), seconds(0), hours(24 * 7)),
         "How often DNS is asked whether it has our DKIM keys; alarm when it has not. 0s: never."},
        {"alarm", "webhook_failing", duration<Config>(FIELD(events.alarm.webhook_failing), seconds(0), hours(24 * 7)),
         "Alarm when a webhook has taken nothing for this time though there is something to tell."},
    };
}

const std::vector<Setting<events::WebhookOptions>>& webhook_settings() {
    using namespace binding;
    using std::chrono::hours;
    using std::chrono::milliseconds;
    using std::chrono::minutes;
    using std::chrono::seconds;
    using W = events::WebhookOptions;
    static const std::vector<Setting<W>> all = {
        {"webhook", "name", text<W>(FIELD(name), "a name of letters, digits, '.', '-' and '_'"),
         "Its name in the log and in alarms. How far it has been told is remembered under this name: one that gets a new name begins "
         "with what happens from then on.",
         {}, true},
        {"webhook", "url", web_address<W>(FIELD(url), "an https:// address"),
         "Where events are posted. The certificate must be valid for the host; redirects are not followed. http:// only to this machine "
         "and to private addresses, unless allow_http is set.",
         {}, true},
        {"webhook", "secret", secret<W>(FIELD(secret)), "What requests are signed with (HMAC-SHA256). Better in secret_file."},
        {"webhook", "secret_file", path<W>(FIELD(secret_file), true), "A file that holds it."},
        {"webhook", "old_secret_file", path<W>(FIELD(old_secret_file), true),
         "While the receiver's secret is being changed: the one before. Requests carry a signature of each."},
        {"webhook", "events", texts<W>(FIELD(events), "a list of \"delivered\", \"deferred\", \"failed\" and \"suppressed\""),
         "Which events. Empty: all."},
        {"webhook", "senders", texts<W>(FIELD(senders), "a list of domains \"example.com\" or \"*.example.com\" for all below one"),
         "Only mail whose envelope sender is at one of these domains. Empty: all."},
        {"webhook", "streams", texts<W>(FIELD(streams), "a list of names of [[stream]]s"), "Only mail of these streams. Empty: all."},
        {"webhook", "batch", integer<W>(FIELD(batch), 1, 1000), "Events in one request, at most."},
        {"webhook", "batch_wait", duration<W>(FIELD(batch_wait), milliseconds(0), minutes(10)),
         "How long the first event of a request waits for others."},
        {"webhook", "timeout", duration<W>(FIELD(timeout), milliseconds(100), minutes(2)), "How long a request and its answer may take."},
        {"webhook", "retry_first", duration<W>(FIELD(retry_first), milliseconds(10), hours(1)),
         "When a request that was not taken is sent again; the time doubles with each failure."},
        {"webhook", "retry_max", duration<W>(FIELD(retry_max), milliseconds(10), hours(24)), "The longest time between two tries."},
        {"webhook", "ca_file", path<W>(FIELD(ca_file), true),
         "Certificate authorities in PEM that its certificate is checked by. Empty: as delivery.tls_ca_file."},
        {"webhook", "allow_http", boolean<W>(FIELD(allow_http)),
         "Whether an http:// address may be one beyond this machine and private networks: then anybody on the way reads the events."},
    };
    return all;
}

}  // namespace posthorn::config
