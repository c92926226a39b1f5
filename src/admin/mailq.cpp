// Columns and words of the listing.
#include "admin/mailq.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/text.hpp"

namespace posthorn::admin {
namespace {

constexpr std::size_t kMargin = 42;         // where recipients begin
constexpr std::size_t kLongestReply = 400;  // of what a peer said
constexpr std::size_t kLongestAddress = 400;

// "Thu Nov 19 10:11:12", in the time zone of this machine.
std::string local_time(TimePoint when) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(when));
    std::tm parts{};
    ::localtime_r(&seconds, &parts);
    return fmt::format("{:%a %b %d %H:%M:%S}", parts);
}

// Why a recipient waits; empty while nothing has happened to it.
std::string reason_of(const queue::Recipient& recipient) {
    if (recipient.state == queue::RecipientState::suspended) return "its user is suspended by the administrator";
    std::string reply = recipient.last_reply;
    std::replace(reply.begin(), reply.end(), '\n', ' ');
    reply.erase(std::remove(reply.begin(), reply.end(), '\r'), reply.end());
    if (!recipient.last_host.empty()) reply = recipient.last_host + ": " + reply;
    reply = text::safe_for_log(reply, kLongestReply);
    if (recipient.state == queue::RecipientState::held) return recipient.last_reply.empty() ? "held by the administrator" : "held; " + reply;
    return recipient.last_reply.empty() ? std::string() : reply;
}

}  // namespace

std::string MailqListing::add(const queue::QueueEntry& entry) {
    std::string out;
    if (messages_ == 0) {
        out = "-Queue ID-----  --Size-- ----Arrival Time---- -Sender/Recipient-------\n";
    }
    ++messages_;
    octets_ += entry.size;
    const auto& recipients = entry.recipients;
    const bool active = std::any_of(recipients.begin(), recipients.end(), [](const auto& one) { return one.claimed; });
    const bool held = std::all_of(recipients.begin(), recipients.end(),
                                  [](const auto& one) { return one.state != queue::RecipientState::waiting; });
    out += fmt::format("{:<14} {:>9} {:<20} {}\n", entry.id.to_string() + (active ? "*" : held ? "!" : ""), entry.size,
                       local_time(entry.accepted_at),
                       entry.reverse_path.empty() ? "MAILER-DAEMON" : text::safe_for_log(entry.reverse_path, kLongestAddress));
    std::string said;
    for (const queue::Recipient& recipient : recipients) {
        const std::string reason = reason_of(recipient);
        if (!reason.empty() && reason != said) out += fmt::format("{:>{}}\n", "(" + reason + ")", kMargin + 36);
        said = reason;
        out += std::string(kMargin, ' ') + text::safe_for_log(recipient.address, kLongestAddress) + "\n";
    }
    if (entry.recipient_count > recipients.size()) {
        out += fmt::format("{}... and {} more\n", std::string(kMargin, ' '), entry.recipient_count - recipients.size());
    }
    return out + "\n";
}

std::string MailqListing::end(std::uint64_t spooled) const {
    std::string out;
    if (spooled > 0) {
        out = fmt::format("({} message{} in the sendmail program's spool {} not in the queue yet; the log says why: pickup_)\n", spooled,
                          spooled == 1 ? "" : "s", spooled == 1 ? "is" : "are");
    }
    if (messages_ == 0) return out + "Mail queue is empty\n";
    return out + fmt::format("-- {} Kbytes in {} Request{}.\n", (octets_ + 1023) / 1024, messages_, messages_ == 1 ? "" : "s");
}

}  // namespace posthorn::admin
