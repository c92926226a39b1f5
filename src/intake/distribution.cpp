// Parcels of a message, and what DSN parameters mean when a name becomes addresses: see distribution.hpp.
#include "intake/distribution.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"

namespace posthorn::intake {
namespace {

constexpr std::string_view kDeliveredTo = "Delivered-To";

// RFC 3461 s5.2.7 (SM-49): a list of its own has reports of its own (5.2.7.1); one address stands for the name and gets all that
// was asked for (5.2.7.2); of several nobody is the name, so that none of them reports success (5.2.7.3).
mail::EnvelopeRecipient recipient_for(const Target& target, const Expansion& expansion, const mail::EnvelopeRecipient& asked) {
    mail::EnvelopeRecipient recipient;
    recipient.address = target.address;
    if (target.reverse_path) return recipient;
    recipient.notify = asked.notify;
    recipient.orcpt = asked.orcpt;
    if (asked.notify != mail::Notify::unset && asked.orcpt.empty()) recipient.orcpt = "rfc822;" + expansion.delivered_to;
    if (expansion.targets.size() > 1 && (asked.notify & mail::Notify::success) != 0) {
        recipient.notify = static_cast<std::uint8_t>(asked.notify & ~mail::Notify::success);
        if (recipient.notify == mail::Notify::unset) recipient.notify = mail::Notify::never;
    }
    return recipient;
}

// The members of one expansion that go out under one reverse-path.
struct Group {
    const std::string* reverse_path;   // null: the message's
    std::vector<queue::NewRecipient> recipients;
};

Group& group_of(std::vector<Group>& groups, const std::optional<std::string>& reverse_path) {
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
        return reverse_path ? group.reverse_path != nullptr && *group.reverse_path == *reverse_path : group.reverse_path == nullptr;
    });
    if (found != groups.end()) return *found;
    groups.push_back(Group{reverse_path ? &*reverse_path : nullptr, {}});
    return groups.back();
}

}  // namespace

std::variant<std::vector<Parcel>, Refusal> distribute(AcceptedMail accepted, const std::vector<Expansion>& expansions) {
    std::unordered_map<std::string_view, const Expansion*> by_name;
    for (const Expansion& expansion : expansions) by_name.emplace(expansion.recipient, &expansion);

    Parcel plain;
    std::vector<std::pair<const Expansion*, queue::NewRecipient>> local;
    std::unordered_set<std::string> seen;
    for (queue::NewRecipient& recipient : accepted.recipients) {
        if (const auto found = by_name.find(recipient.recipient.address); found != by_name.end()) {
            local.emplace_back(found->second, std::move(recipient));
        } else if (seen.insert(recipient.recipient.address).second) {
            plain.recipients.push_back(std::move(recipient));
        }
    }
    std::vector<Parcel> parcels;
    if (!plain.recipients.empty()) {
        plain.message = accepted.message;
        parcels.push_back(std::move(plain));
    }
    if (local.empty()) return parcels;

    // SM-48: what we sent out for this name has come back to it.
    const mail::HeaderBlock header(accepted.message->header);
    for (const mail::HeaderField& field : header.all(kDeliveredTo)) {
        for (const auto& [expansion, recipient] : local) {
            if (!text::iequals(text::trim(field.value), expansion->delivered_to)) continue;
            Refusal refusal;
            refusal.code = 554;
            refusal.enhanced = "5.4.6";
            refusal.text = "Mail loop: this message was delivered to " + text::safe_for_log(expansion->delivered_to, 200) + " before";
            return refusal;
        }
    }

    for (const auto& [expansion, asked] : local) {
        std::vector<Group> groups;
        for (const Target& target : expansion->targets) {
            if (!seen.insert(target.address).second) continue;
            queue::NewRecipient added;
            added.recipient = recipient_for(target, *expansion, asked.recipient);
            added.domain = mail::destination_of(target.address);
            added.due_at = asked.due_at;
            group_of(groups, target.reverse_path).recipients.push_back(std::move(added));
        }
        for (Group& group : groups) {
            Parcel parcel;
            parcel.message = std::make_shared<mail::Message>(*accepted.message);
            mail::Message& message = *parcel.message;
            message.header = std::string(kDeliveredTo) + ": " + expansion->delivered_to + "\r\n" + accepted.message->header;
            // A report must not go to a list's owner, nor make one (RFC 5321 s4.5.5).
            if (group.reverse_path != nullptr && !message.reverse_path.empty()) {
                message.reverse_path = *group.reverse_path;
                message.envid.clear();
                message.ret = mail::DsnReturn::unset;
            }
            parcel.recipients = std::move(group.recipients);
            parcel.delivered_to = expansion->delivered_to;
            parcels.push_back(std::move(parcel));
        }
    }
    return parcels;
}

}  // namespace posthorn::intake
