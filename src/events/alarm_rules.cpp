// One function for each kind of alarm.
#include "events/alarm_rules.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/utc.hpp"

namespace posthorn::events {
namespace {

namespace kind = delivery::alarm_kind;
using delivery::Alarm;

Alarm alarm(std::string_view kind, std::string subject, std::string text, std::string advice) {
    Alarm made;
    made.kind = kind;
    made.subject = std::move(subject);
    made.text = std::move(text);
    made.advice = std::move(advice);
    return made;
}

std::string hours(Duration time) {
    const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(time).count();
    if (minutes < 120) return std::to_string(minutes) + " minutes";
    return minutes < 60 * 72 ? std::to_string(minutes / 60) + " hours" : std::to_string(minutes / (60 * 24)) + " days";
}

// With little room around the bound, so that one who swings about it is not told each minute.
constexpr double kBetter = 1.2;

class Rules {
public:
    Rules(const Figures& figures, const AlarmOptions& options, const std::vector<std::string>& raised)
        : figures_(figures), options_(options), raised_(raised) {}

    std::vector<Alarm> all() {
        nothing_leaves();
        oldest();
        success();
        certificates();
        disk();
        users();
        keys();
        return std::move(found_);
    }

private:
    [[nodiscard]] bool is_raised(std::string_view kind, std::string_view subject) const {
        return std::find(raised_.begin(), raised_.end(), std::string(kind) + " " + std::string(subject)) != raised_.end();
    }

    void nothing_leaves() {
        const Duration bound = options_.nothing_leaves;
        if (bound == Duration::zero() || figures_.queued == 0 || figures_.oldest < bound) return;
        // A machine that was off, or a daemon that was stopped, has had no time to deliver.
        const TimePoint last = std::max(figures_.last_delivery.value_or(TimePoint{}), figures_.started);
        if (figures_.now - last < bound) return;
        found_.push_back(alarm(kind::kNothingLeaves, "queue",
                               fmt::format("No mail has left for {}, though {} recipients are queued; the oldest mail has waited for {}.",
                                           hours(figures_.now - last), figures_.queued, hours(figures_.oldest)),
                               "posthorn status tells what stands in the way; posthorn queue list shows the last reply for each message. Is "
                               "port 25 open to the outside, and does DNS answer?"));
    }

    void oldest() {
        if (options_.oldest == Duration::zero() || figures_.queued == 0 || figures_.oldest < options_.oldest) return;
        found_.push_back(alarm(kind::kOldestMail, "queue", fmt::format("The oldest mail in the queue has waited for {}.", hours(figures_.oldest)),
                               "posthorn queue list shows what it waits for; posthorn why ID tells all about one message."));
    }

    void success() {
        for (const ProviderSuccess::Share& share : figures_.providers) {
            const double part = static_cast<double>(share.delivered) / static_cast<double>(share.tried);
            const bool known = is_raised(kind::kSuccessFalls, share.group);
            // Few results say nothing new: what is raised lasts until there are enough that say otherwise.
            const bool few = share.tried < options_.success_least;
            if (few ? !known : part >= (known ? options_.success * kBetter : options_.success)) continue;
            found_.push_back(alarm(kind::kSuccessFalls, share.group,
                                   fmt::format("Of the last hour's {} attempts towards {} only {} ended in a delivery. The last refusal: {}",
                                               share.tried, share.group, share.delivered, share.last_reply),
                                   "posthorn why " + share.group + " tells what stands in the way."));
        }
    }

    void certificates() {
        for (const Figures::CertificateEnd& one : figures_.certificates) {
            if (options_.certificate == Duration::zero() || one.not_after - figures_.now > options_.certificate) continue;
            const bool over = one.not_after <= figures_.now;
            found_.push_back(alarm(kind::kCertificate, one.file.empty() ? one.names : one.file,
                                   fmt::format("The certificate for {} {} {}.", one.names, over ? "has ended on" : "ends on", utc_text(one.not_after)),
                                   "Renew it, and look why that did not happen by itself (certbot renew --dry-run). A new file is taken up at once."));
        }
    }

    void disk() {
        if (options_.disk_free == 0 || !figures_.disk_free) return;
        const bool known = is_raised(kind::kDiskFull, figures_.queue_directory);
        const double bound = static_cast<double>(options_.disk_free) * (known ? kBetter : 1.0);
        if (static_cast<double>(*figures_.disk_free) >= bound) return;
        found_.push_back(alarm(kind::kDiskFull, figures_.queue_directory,
                               fmt::format("Only {} MiB are free where the queue lies ({}). Below {} MiB new mail is refused.",
                                           *figures_.disk_free / (1024 * 1024), figures_.queue_directory, figures_.min_free_space / (1024 * 1024)),
                               "Make room on this file system, or move queue.directory to another."));
    }

    void users() {
        for (const std::string& user : figures_.users_at_limit)
            found_.push_back(alarm(kind::kAccountThrottled, user,
                                   fmt::format("{} has sent as much as he may in an hour; more is put off (450).", user),
                                   fmt::format("A newsletter, or somebody has the password: posthorn senders shows who sends what. posthorn "
                                               "user suspend {} stops him; [[user]] raises his limits.",
                                               user)));
    }

    void keys() {
        for (const Figures::KeyTrouble& key : figures_.keys)
            found_.push_back(alarm(kind::kKeyUnpublished, key.name,
                                   fmt::format("DNS has not the key that we {} at {}: {}{} {}", key.coming ? "are to sign with next" : "sign with", key.name,
                                               key.words, key.words.ends_with('.') ? "" : ".",
                                               key.coming ? "The rotation waits for it; without another key, the domain's mail does, too."
                                                          : "Receivers take our signatures for false."),
                                   (key.coming ? "Publish this record:\n" : "Publish this record, or change the selector to one whose key is published:\n") +
                                       key.record));
    }

    const Figures& figures_;
    const AlarmOptions& options_;
    const std::vector<std::string>& raised_;
    std::vector<Alarm> found_;
};

}  // namespace

std::vector<Alarm> alarms_of(const Figures& figures, const AlarmOptions& options, const std::vector<std::string>& raised) {
    return Rules(figures, options, raised).all();
}

}  // namespace posthorn::events
