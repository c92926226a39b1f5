// The decision about suppression, and the list in memory.
#include "delivery/suppression.hpp"

#include <algorithm>
#include <utility>

#include "base/bound.hpp"
#include "base/text.hpp"
#include "delivery/judgement.hpp"
#include "mail/address.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::size_t kMostStrikes = 50'000;
// The list is in memory, and whoever answers 550 to everything decides how long its words are; all of them are in report and journal.
constexpr std::size_t kMostWords = 400;

std::string calendar_day(TimePoint time) {
    const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(time));
    const auto two = [](unsigned number) { return (number < 10 ? "0" : "") + std::to_string(number); };
    return std::to_string(static_cast<int>(day.year())) + "-" + two(static_cast<unsigned>(day.month())) + "-" +
           two(static_cast<unsigned>(day.day()));
}

}  // namespace

std::string suppression_key(std::string_view address) {
    const std::string domain = mail::destination_of(address);
    if (domain.empty()) return {};
    return text::to_lower(address.substr(0, address.rfind('@'))) + '@' + domain;
}

std::uint32_t refusals_needed(const Outcome& outcome) {
    if (outcome.result != Disposition::failed || outcome.failure_class != Class::rcpt_perm) return 0;
    // Our own findings (no such domain, a null MX) may be somebody's passing mistake in DNS, and cost no connection.
    if (!outcome.judgement || outcome.reply.code == 0) return 0;
    return outcome.judgement->suppress_after;
}

void SuppressionList::add(queue::Suppression entry) {
    std::string key = entry.address;
    entries_.try_emplace(std::move(key), std::move(entry));
}

bool SuppressionList::remove(std::string_view address) {
    const std::string key = suppression_key(address);
    strikes_.erase(key);
    return entries_.erase(key) != 0;
}

const queue::Suppression* SuppressionList::find(std::string_view address) const {
    if (entries_.empty()) return nullptr;
    const auto at = entries_.find(suppression_key(address));
    return at == entries_.end() ? nullptr : &at->second;
}

const queue::Suppression* SuppressionList::stops(const mail::Message& message, std::string_view address, SuppressedMail mail) const {
    if (mail == SuppressedMail::off || (mail == SuppressedMail::streams && message.stream.empty())) return nullptr;
    return find(address);
}

std::optional<queue::Suppression> SuppressionList::heed(const Outcome& outcome, const queue::Recipient& recipient, TimePoint now) {
    if (outcome.result == Disposition::delivered) {
        if (!strikes_.empty()) strikes_.erase(suppression_key(recipient.address));   // somebody is there after all
        return std::nullopt;
    }
    const std::uint32_t needed = refusals_needed(outcome);
    std::string key = suppression_key(recipient.address);
    if (needed == 0 || key.empty() || entries_.contains(key)) return std::nullopt;
    if (entries_.size() >= kMostByRefusal) {
        note_reached(Bound::suppressions);
        ++missed_;
        return std::nullopt;
    }
    if (needed > 1) {
        const std::uint32_t count = strikes(key, now) + 1;
        if (count < needed) {
            restore_strikes(std::move(key), count, now + kStrikeLifetime);
            return std::nullopt;
        }
        strikes_.erase(key);
    }
    queue::Suppression entry;
    entry.address = std::move(key);
    entry.since = now;
    entry.failure_class = to_string(outcome.failure_class);
    entry.reply = outcome.reply.verbatim();
    if (entry.reply.size() > kMostWords) {
        entry.reply.resize(kMostWords);
        entry.reply += " ...";
    }
    entry.message = recipient.message;
    return entry;
}

std::uint32_t SuppressionList::strikes(std::string_view address, TimePoint now) const {
    if (strikes_.empty()) return 0;
    const auto at = strikes_.find(suppression_key(address));
    return at == strikes_.end() || at->second.until <= now ? 0 : at->second.count;
}

// Beyond the bound the one that would be forgotten first goes.
void SuppressionList::restore_strikes(std::string key, std::uint32_t count, TimePoint until) {
    if (strikes_.size() >= kMostStrikes && !strikes_.contains(key)) {
        note_reached(Bound::suppression_strikes);
        strikes_.erase(std::min_element(strikes_.begin(), strikes_.end(),
                                        [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
    }
    strikes_[std::move(key)] = Strikes{count, until};
}

Outcome suppressed_outcome(const queue::Suppression& entry) {
    const bool by_operator = entry.failure_class == kByOperator;
    std::string words = "Not sent: this server's suppression list has the address since " + calendar_day(entry.since);
    if (!entry.reply.empty()) words += by_operator ? ", by its operator: " + entry.reply : ", when it was refused: " + entry.reply;
    std::replace_if(words.begin(), words.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
    return own_outcome(Disposition::failed, Class::suppressed, Scope::recipient, 550, {5, 1, 1}, std::move(words));
}

}  // namespace posthorn::delivery
