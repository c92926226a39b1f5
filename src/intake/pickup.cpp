// Each entry of a spool is judged by what the kernel says of it.
#include "intake/pickup.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"
#include "mail/mailbox.hpp"

namespace posthorn::intake {
namespace {

using Kind = EntryVerdict::Kind;

constexpr std::uint32_t kWritableByOthers = 022;

constexpr std::size_t kMaxEnvid = 100;   // RFC 3461 s4.4, s4.2
constexpr std::size_t kMaxOrcpt = 500;

// Its type goes into RCPT's line as it is, and of the type utf-8 all of it.
bool may_be_orcpt(std::string_view orcpt) {
    if (orcpt.empty()) return true;
    const std::size_t semicolon = orcpt.find(';');
    if (semicolon == std::string_view::npos || semicolon == 0 || orcpt.size() > kMaxOrcpt) return false;
    const std::string_view type = orcpt.substr(0, semicolon), address = orcpt.substr(semicolon + 1);
    if (!std::all_of(type.begin(), type.end(), [](char c) { return text::is_alnum(c) || c == '-'; })) return false;
    return !text::iequals(type, "utf-8") || (address.find(' ') == std::string_view::npos && text::is_utf8(address));
}

EntryVerdict judge_error(int error) {
    switch (error) {
        case ENOENT:
            return {Kind::gone, {}};
        case ELOOP:
            return {Kind::refuse, "it is a symbolic link"};
        case ENXIO:
            return {Kind::refuse, "it is a socket or a device"};
        case EACCES:
        case EPERM:
            return {Kind::leave, "the daemon may not read it: the spool's directories must be setgid and of the daemon's group, and "
                                 "files readable for it (0640)"};
        default:
            return {Kind::later, std::string("it cannot be opened: ") + std::strerror(error)};
    }
}

}  // namespace

EntryVerdict judge(const SpoolEntry& entry) {
    // What it is comes before whether it can be opened: a FIFO nobody may read is put aside all the same.
    if (entry.kind == SpoolEntry::Kind::symlink) return judge_error(ELOOP);
    if (entry.error == ENOENT) return judge_error(ENOENT);
    if (entry.kind == SpoolEntry::Kind::other) return {Kind::refuse, "it is no regular file"};
    if (entry.error != 0) return judge_error(entry.error);
    // Whoever links another's file here would have it sent, read back by a DSN, and removed.
    if (entry.links != 1) return {Kind::refuse, "it has " + std::to_string(entry.links) + " names (hard links)"};
    // Who may rename another's file (a site's directory that www-data may write to, with files of the site's owner in it) could move it
    // here, and what he had written into it would be the owner's mail. Files that are written here have the spool's group.
    if (entry.spool_gid && entry.gid != *entry.spool_gid)
        return {Kind::refuse, "it was not written in this spool: it has the group " + std::to_string(entry.gid) + ", and not the spool's, " +
                                  std::to_string(*entry.spool_gid)};
    if ((entry.mode & kWritableByOthers) != 0) return {Kind::refuse, "others than its owner may write to it"};
    if (!mail::is_handoff_name(entry.name)) return {Kind::refuse, "its name is none that the sendmail program gives"};
    return {};
}

EntryVerdict judge(mail::HandoffFault fault) {
    if (fault == mail::HandoffFault::none) return {};
    const std::string reason(mail::to_string(fault));
    if (fault == mail::HandoffFault::other_version) return {Kind::leave, reason};
    return {Kind::refuse, reason};
}

std::string forged(const mail::Handoff& handoff) {
    const mail::Envelope& envelope = handoff.envelope;
    const auto unclean = [](std::string_view octets) {
        return std::any_of(octets.begin(), octets.end(), [](char c) { return text::is_control(c); });
    };
    if (!envelope.reverse_path.empty()) {
        const auto parsed = mail::parse_path("<" + envelope.reverse_path + ">", mail::PathKind::reverse_or_name, true);
        if (!parsed || parsed->consumed != envelope.reverse_path.size() + 2) return "its sender is no address";
    }
    if (unclean(envelope.envid) || unclean(handoff.name)) return "a value in it has control characters";
    if (envelope.envid.size() > kMaxEnvid || !text::is_ascii(envelope.envid)) return "its ENVID is none (RFC 3461 s4.4)";
    for (const mail::EnvelopeRecipient& recipient : envelope.recipients) {
        if (unclean(recipient.address) || unclean(recipient.orcpt)) return "a recipient in it has control characters";
        if (!may_be_orcpt(recipient.orcpt)) return "an ORCPT in it is none (RFC 3461 s4.2)";
    }
    return {};
}

std::vector<RefusedRecipient> refuse_malformed(mail::Envelope& envelope) {
    std::vector<RefusedRecipient> refused;
    std::erase_if(envelope.recipients, [&](mail::EnvelopeRecipient& recipient) {
        const auto parsed = mail::parse_path("<" + recipient.address + ">", mail::PathKind::forward_or_name, true);
        if (parsed && parsed->consumed == recipient.address.size() + 2) {
            recipient.address = parsed->address.to_string();
            return false;
        }
        refused.push_back({std::move(recipient), 553, "5.1.3", parsed ? "This is more than an address" : parsed.error().what});
        return true;
    });
    return refused;
}

bool is_abandoned(TimePoint modified, TimePoint now, Duration after) {
    return modified + after <= now || modified > now + after;
}

std::string refused_name(const SpoolEntry& entry, unsigned attempt) {
    constexpr std::size_t kLongest = 200;  // of 255
    std::string name = std::to_string(entry.uid) + '-' + entry.name.substr(0, kLongest);
    if (attempt > 0) name += '-' + std::to_string(attempt);
    return name;
}

std::string report_to(const Submission& submission, const mail::Envelope& envelope, std::string_view beginning) {
    if (submission.sender_asked && envelope.reverse_path.empty()) return {};
    if (submission.sender_policy == nullptr) return envelope.reverse_path;
    SenderClaim claim;
    claim.asked = submission.sender_asked;
    claim.reverse_path = envelope.reverse_path;
    if (submission.caller) claim.user = submission.caller->user;
    const mail::HeaderBlock header{std::string(beginning.substr(0, beginning.find("\r\n\r\n")))};
    mail::MailboxList from;
    if (const auto field = header.first("From")) from = mail::parse_mailboxes(field->value);
    if (!from.mailboxes.empty()) claim.from = &from.mailboxes.front();
    const SenderDecision decision = decide_sender(*submission.sender_policy, claim);
    if (!decision.reverse_path.empty()) return decision.reverse_path;
    // A sender that is refused for what it is: then the site's own hears of it.
    claim.asked = false;
    claim.from = nullptr;
    return decide_sender(*submission.sender_policy, claim).reverse_path;
}

std::vector<std::string> forgettable(const std::vector<queue::Pickup>& remembered, const LastScan& scan, TimePoint now) {
    std::vector<std::string> keys;
    for (const queue::Pickup& pickup : remembered) {
        const bool scanned = pickup.added_at + kRememberPickup <= scan.began;
        if (!scanned && pickup.added_at + kRememberUnseen > now) continue;
        // "33/NAME", and "33/NAME+1" or "33/NAME#r1" for further messages of the same hand-over.
        std::string_view name = pickup.key;
        name.remove_prefix(name.find('/') == std::string_view::npos ? 0 : name.find('/') + 1);
        name = name.substr(0, name.find_first_of("+#"));
        if (!scan.present(name)) keys.push_back(pickup.key);
    }
    return keys;
}

}  // namespace posthorn::intake
