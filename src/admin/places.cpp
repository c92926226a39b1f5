// The rows of the table of endpoints.
#include "admin/places.hpp"

#include <algorithm>

namespace posthorn::admin {
namespace {

using enum Rights;

constexpr std::string_view kText = R"({"type":"string"})";
constexpr std::string_view kQueueId = R"({"type":"string","pattern":"^[0-9a-zA-Z]{13}$"})";
constexpr std::string_view kNumber = R"({"type":"integer","minimum":0})";
constexpr std::string_view kTrue = R"({"enum":["true"]})";
constexpr std::string_view kDay = R"({"type":"string","format":"date"})";
constexpr std::string_view kPlainText = "text/plain";

std::vector<Place> rows_of_the_queue() {
    return {
        {"GET", "/mailq", own, get_mailq, "The whole queue as text, in the form of Postfix's mailq.", kPlainText},
        {"POST", "/mailq/flush", own, post_flush, "What waits is tried at once: all of it, one message, or mail to one domain.", kPlainText,
         {{"id", "the message", false, kQueueId}, {"site", "the recipients' domain"}}},
        {"GET", "/v1/queue", own, get_queue, "One page of the waiting messages, oldest first.", "Queue",
         {{"after", "the `next` of the page before", false, kQueueId},
          {"limit", "messages on the page, 50 where it is not said", false, R"({"type":"integer","minimum":1,"maximum":200})"},
          {"domain", "only messages with recipients of this domain"},
          {"from", "only those of this sender; empty: bounces"},
          {"user", "only what this login handed in"},
          {"uid", "only what this system user handed in", false, kNumber}}},
        {"GET", "/v1/queue/{id}", own, get_message, "One message and all that is known of its recipients.", "Message"},
        {"DELETE", "/v1/queue/{id}", all, delete_message, "Takes it out of the queue; nobody is told.", "Changed"},
        {"POST", "/v1/queue/{id}/retry", all, post_retry, "Tries it now, past all suspensions.", "Changed"},
        {"POST", "/v1/queue/{id}/hold", all, post_hold, "Keeps it until it is released.", "Changed"},
        {"POST", "/v1/queue/{id}/release", all, post_release, "Lets it go on.", "Changed"},
        {"POST", "/v1/queue/{id}/bounce", all, post_bounce, "Gives it up, and tells its sender.", "Changed"},
        {"GET", "/v1/survey", read, get_survey, "How old waiting mail is, and how deliveries ended of late.", "Survey",
         {{"by", "what ages are counted by", false, R"({"enum":["domain","sender","provider"]})"},
          {"limit", "rows, 20 where it is not said", false, R"({"type":"integer","minimum":1,"maximum":1000})"}}},
        {"GET", "/v1/why", read, get_why, "Why mail waits, or what became of it.", "Why",
         {{"what", "a queue id, a recipient, a domain or a provider", true, R"({"type":"string","maxLength":400})"}}},
    };
}

std::vector<Place> rows_of_stopping() {
    const Parameter user{"user", "the login or system user", true, kText};
    const Parameter uid{"uid", "the number of the system user of that name", false, kNumber};
    const Parameter sender{"sender", "a domain, one of our addresses, or ip", true, kText};
    const Parameter provider{"provider", "a provider's name, a mail host, or a recipient domain", true, kText};
    const Parameter reason{"reason", "the operator's words"};
    const Parameter addresses{"address", "an address; several: a line each", true, kText};
    return {
        {"GET", "/v1/suspensions", read, get_suspensions, "Pairs of sender and provider whose mail is held.", "Suspensions"},
        {"POST", "/v1/suspensions/suspend", all, post_suspensions_suspend, "Holds a pair's mail.", "Pairs",
         {sender, provider, {"for", "how long, as 30m, 2h or 3d; not said: until it is resumed"}, reason}},
        {"POST", "/v1/suspensions/resume", all, post_suspensions_resume, "Lets a pair's mail go on.", "Pairs", {sender, provider}},
        {"GET", "/v1/users/suspended", read, get_suspended, "Who may not send for now.", "SuspendedUsers"},
        {"POST", "/v1/users/suspend", all, post_suspend, "Stops a user: new mail is refused, waiting mail is held.", "UserChanged",
         {user, uid, reason}},
        {"POST", "/v1/users/resume", all, post_resume, "Lets a user send again.", "UserChanged", {user, uid}},
        {"GET", "/v1/suppressions", read, get_suppressions, "Addresses that no mail goes to.", "Suppressions",
         {{"after", "the `next` of the page before"},
          {"limit", "addresses on the page, 100 where it is not said", false, R"({"type":"integer","minimum":1,"maximum":1000})"}}},
        {"POST", "/v1/suppressions/add", all, post_suppressions_add, "No mail goes to these any more.", "Suppressed", {addresses, reason}},
        {"POST", "/v1/suppressions/remove", all, post_suppressions_remove, "Mail goes to these again.", "Unsuppressed", {addresses}},
        {"GET", "/v1/guard", read, get_guard, "Addresses with failed logins and bans.", "Guard"},
        {"POST", "/v1/guard/forgive", all, post_forgive, "Forgets an address, or all.", "Forgiven",
         {{"address", "the address as the list has it"}, {"all", "forgets everybody", false, kTrue}}},
    };
}

std::vector<Place> rows_of_looking() {
    const Parameter domain{"domain", "one of our domains, such as example.com", true, kText};
    return {
        {"GET", "/v1/health", read, get_health, "Whether mail can be stored: 503 with the reason when not.", "Health"},
        {"GET", "/v1/status", read, get_status, "The figures of store and daemon.", "Status"},
        {"GET", "/metrics", read, get_metrics, "All figures as Prometheus reads them (docs/metrics.md).", kPlainText},
        {"GET", "/v1/config", read, get_config, "The settings in force, secrets masked.", "Config"},
        {"GET", "/v1/sandbox", all, get_sandbox, "What confines the daemon, and what it could not do when it tried just now.", "Sandbox"},
        {"POST", "/v1/reload", all, post_reload, "Reads the configuration anew; 422 with the mistakes where the old one stays.", "Reloaded"},
        {"GET", "/v1/events", read, get_events,
         "What happens, live and without end: a JSON object a line, or with `Accept: text/event-stream` server-sent events.", "application/x-ndjson",
         {{"id", "only of this message", false, kQueueId}, {"domain", "only of this domain, or an address in it"}}},
        {"GET", "/v1/senders", read, get_senders, "Who has sent how much of late, by user and script.", "Senders"},
        {"GET", "/v1/history", read, get_history, "Figures of the past, by minutes.", "History",
         {{"hours", "how far back, 24 where it is not said", false, R"({"type":"integer","minimum":1,"maximum":168})"},
          {"step", "minutes of a row", false, R"({"type":"integer","minimum":1,"maximum":1440})"}}},
        {"GET", "/v1/domains", read, get_domains, "Our domains, and how their last examination ended.", "Domains"},
        {"GET", "/v1/doctor", read, get_doctor, "The doctor's findings about a domain; it may take half a minute.", "Doctor", {domain}},
        {"GET", "/v1/records", read, get_records, "The DNS records that a domain must publish, and what is there.", "Records", {domain}},
        {"GET", "/v1/diagnosis", read, get_diagnosis, "SPF, DKIM, DMARC, reverse DNS: what receivers find, and what to repair.", "Diagnosis",
         {{"domain", "of From", true, kText},
          {"sender", "the domain of MAIL FROM; as domain where it is not said"},
          {"ip", "the address that mail leaves from"}}},
        {"GET", "/v1/route", read, get_route, "What would happen to mail from one domain to another, and why.", "Route",
         {{"domain", "the recipients' domain", true, kText}, {"sender", "the sender's domain"}}},
        {"GET", "/v1/alarms", read, get_alarms, "The alarms that are raised.", "Alarms"},
        {"POST", "/v1/alarms/test", all, post_alarms_test, "Sends a test alarm by all outputs.", "AlarmTest"},
        {"GET", "/v1/webhooks", read, get_webhooks, "How far the receivers of webhooks are.", "Webhooks"},
        {"POST", "/v1/webhooks/replay", all, post_webhooks_replay, "Tells a webhook everything from this number on once more.", "Replayed",
         {{"name", "the webhook", true, kText}, {"from", "the number of the journal", true, kNumber}}},
        {"GET", "/v1/tls-reports", read, get_tls_reports, "What was counted of TLS, by day and domain.", "TlsDays"},
        {"GET", "/v1/tls-reports/show", read, get_tls_report, "The report of RFC 8460 as it would be sent now.", "TlsReport",
         {{"day", "as the list has it", true, kDay}, {"domain", "as the list has it", true, kText}}},
        {"POST", "/v1/tls-reports/send", all, post_tls_reports, "Sends the reports of days that are over.", "TlsRun",
         {{"day", "of this day alone", false, kDay}}},
    };
}

std::vector<Place> rows_of_the_door() {
    return {
        {"GET", "/", none, get_asset, "The dashboard's page.", "text/html"},
        {"GET", "/assets/{version}/{file}", none, get_asset, "Its parts.", "*/*"},
        {"GET", "/v1/session", none, get_session, "Who asks, and what he may.", "Session"},
        {"POST", "/v1/session", none, post_session, "A browser logs in: sets the cookie of a session.", "Session", {}, "Login"},
        {"POST", "/v1/session/end", none, post_session_end, "Ends the session of the request's cookie.", "Session"},
        {"GET", "/v1/openapi.json", none, get_openapi, "This description.", "OpenApi"},
    };
}

}  // namespace

const std::vector<Place>& places() {
    static const std::vector<Place> rows = [] {
        std::vector<Place> made = rows_of_the_door();
        for (auto make : {rows_of_the_queue, rows_of_stopping, rows_of_looking})
            for (Place& place : make()) made.push_back(std::move(place));
        std::stable_sort(made.begin(), made.end(), [](const Place& a, const Place& b) { return a.path < b.path; });
        return made;
    }();
    return rows;
}

}  // namespace posthorn::admin
