// Between intake and the store: which recipients are claimed as they are stored, and what the scheduler hears of them then.
#include <algorithm>

#include "delivery/agent_state.hpp"
#include "delivery/lane.hpp"

namespace posthorn::delivery {

Admission DeliveryAgent::admit(queue::NewMessage& message) { return state_->admit(message); }

void DeliveryAgent::on_added(Admission admission, const queue::Added& added) {
    state_->on_added(std::move(admission), added);
}

void DeliveryAgent::on_not_added(const Admission& admission) {
    for (const Admission::Entry& entry : admission.entries)
        if (entry.reserved > 0) state_->scheduler.on_not_added(entry.reserved);
}

Admission DeliveryAgent::State::admit(queue::NewMessage& message) {
    Admission admission;
    admission.message = message.message;
    admission.entries.reserve(message.recipients.size());
    const TimePoint now = wall_now();
    // Recipients of one domain are decided together: they are one delivery, and their number says whether it is bulk mail.
    struct Decision {
        std::size_t recipients = 0;
        std::string lane;
        bool made = false;
        bool claim = false;
    };
    std::unordered_map<std::string_view, Decision> domains;
    for (const queue::NewRecipient& recipient : message.recipients) domains[recipient.domain].recipients += 1;
    for (queue::NewRecipient& recipient : message.recipients) {
        Admission::Entry entry;
        Decision& decision = domains.at(recipient.domain);
        if (!decision.made) {
            decision.made = true;
            decision.lane = to_text(lane_of(*message.message, decision.recipients));
            if (!stopping && recipient.due_at <= now) {
                const std::uint64_t octets = message.message->size();
                decision.claim = scheduler.wants_hot(recipient.domain, decision.lane, octets, now);
                if (decision.claim) entry.reserved = octets;
            }
        }
        recipient.lane = decision.lane;
        recipient.claim = decision.claim;
        entry.row.lane = decision.lane;
        entry.domain = recipient.domain;
        entry.claimed = decision.claim;
        entry.row.message = message.message->id;
        entry.row.address = recipient.recipient.address;
        entry.row.orcpt = recipient.recipient.orcpt;
        entry.row.notify = recipient.recipient.notify;
        entry.row.due_at = recipient.due_at;
        entry.row.expires_at = message.message->expires_at;
        entry.row.personal = !message.message->stream.empty();
        admission.entries.push_back(std::move(entry));
    }
    return admission;
}

void DeliveryAgent::State::on_added(Admission admission, const queue::Added& added) {
    const TimePoint now = wall_now();
    struct Group {
        std::string domain;
        std::string lane;
        std::vector<queue::ReadyRecipient> ready;
        std::uint64_t reserved = 0;
    };
    std::vector<std::pair<queue::DestinationId, Group>> groups;   // mostly one
    for (std::size_t i = 0; i < admission.entries.size(); ++i) {
        Admission::Entry& entry = admission.entries[i];
        const queue::DestinationId destination = added.recipients[i].destination;
        if (!entry.claimed) {
            scheduler.on_due(destination, entry.domain, entry.row.lane, entry.row.due_at);
            continue;
        }
        auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& item) { return item.first == destination; });
        if (group == groups.end()) {
            groups.emplace_back(destination, Group{std::move(entry.domain), entry.row.lane, {}, 0});
            group = std::prev(groups.end());
        }
        entry.row.id = added.recipients[i].id;
        entry.row.destination = destination;
        group->second.reserved += entry.reserved;
        group->second.ready.push_back(queue::ReadyRecipient{std::move(entry.row), admission.message});
    }
    for (auto& [destination, group] : groups)
        scheduler.on_added(destination, group.domain, group.lane, std::move(group.ready), group.reserved, now);
    wake();
}

}  // namespace posthorn::delivery
