// To whom a DSN goes: the sender, or whom the operator has named for senders who cannot receive (DSN-13). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::delivery {

// One [[domain]] with bounce_to.
struct DomainBounces {
    std::string name;                     // and all below it; lower case
    std::string bounce_to;
    std::vector<std::string> mailboxes;   // senders of it that do receive: they are told themselves
};

struct BounceRules {
    std::string hostname;                 // ours
    std::string bounce_to;                // for senders at our own host name, or at none; empty: they are told themselves
    std::vector<DomainBounces> domains;
    std::uint64_t returned_size = 50 * 1024;   // RET=FULL: larger originals return as header only; 0: always
    std::uint32_t per_hour = 100;         // DSNs to one address in an hour, the rest is summed up in one message; 0: no limit
};

// One rule, the first that applies: the nearest [[domain]] with bounce_to, unless the sender is one of its mailboxes; the
// general bounce_to for senders like root@, www-data@ at this host's own name, at "localhost" or at no domain; the sender.
// REQUIRES: sender is not the null path, about which there is no DSN at all (RFC 5321 s4.5.5).
[[nodiscard]] std::string bounce_address(std::string_view sender, const BounceRules& rules);

}  // namespace posthorn::delivery
