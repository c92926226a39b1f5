// What groups of receivers and single hosts turned out to want of our connections: TLS, no IPv6, fewer extensions, fewer messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::delivery {

// Found out by a refusal that another connection can mend. So each has a message due again at once, and no message twice: what
// is known already mends nothing.
enum class Quirk : std::uint8_t {
    tls,            // of a group: it takes nothing in the clear (class TLSREQ)
    no_ipv6,        // of a group: it takes nothing over IPv6 from here
    no_pipelining,  // of a host: it stumbles over commands that do not wait for answers (class PROTO, RFC 2920)
    no_chunking,    // of a host: over BDAT (RFC 3030)
    no_smtputf8,    // of a host: over SMTPUTF8, though it offers it (RFC 6531)
    no_relaying,    // of a host, for a domain: it is an MX host of it and does not know so (class RELAY); key "host domain"
};
inline constexpr std::string_view kQuirkKind = "quirk";      // in delivery's memory
inline constexpr std::size_t kMaxQuirks = 10000;

// How long it is believed. A provider that wants TLS will not stop to want it; the rest somebody repairs.
[[nodiscard]] Duration lifetime_of(Quirk quirk);
[[nodiscard]] std::string_view to_string(Quirk quirk);       // "no-ipv6"

// What is known of the peers of one plan.
struct KnownQuirks {
    bool tls = false, no_ipv6 = false;                                   // of its group
    std::vector<std::pair<std::string, Quirk>> of_hosts;                 // by name

    [[nodiscard]] bool has(std::string_view host, Quirk quirk) const;
    // Open connections under another text are no good for it; empty: nothing is known.
    [[nodiscard]] std::string text() const;
    [[nodiscard]] std::vector<std::string> sentences(std::string_view group, std::string_view domain) const;
};

// Pure; on the wall's clock, as it outlives a restart. At most kMaxQuirks: what ends first is forgotten first. On the home shard.
class Quirks {
public:
    [[nodiscard]] bool holds(Quirk quirk, std::string_view of, TimePoint now) const;
    // True: it was not known.
    bool note(Quirk quirk, std::string_view of, TimePoint now);
    void forget(Quirk quirk, std::string_view of);
    // Of all groups and hosts; the keys that are forgotten, for delivery's memory.
    std::vector<std::string> forget_all(Quirk quirk);
    [[nodiscard]] KnownQuirks known(std::string_view group, const std::vector<std::string>& hosts, std::string_view domain,
                                    TimePoint now) const;
    // For delivery's memory: the key it is kept under ("no-ipv6 google"), and its reading back.
    [[nodiscard]] static std::string key_of(Quirk quirk, std::string_view of);
    void restore(std::string_view key, TimePoint until);
    [[nodiscard]] std::size_t size() const { return until_.size(); }

    // PR-19: a connection of the group ended before its next message, after so many of them. `said`: with words about that limit;
    // in silence it may have been something else, and counts when it comes twice after the same number.
    void note_end_after(std::string_view group, std::uint32_t messages, bool said, TimePoint now);
    // The most messages of one connection that this taught; 0: nothing. For a day.
    [[nodiscard]] std::uint32_t messages_per_connection(std::string_view group, TimePoint now) const;

private:
    struct Ends {
        std::uint32_t last = 0;        // in silence
        std::uint32_t limit = 0;
        TimePoint until{};
    };
    std::map<std::string, TimePoint, std::less<>> until_;
    std::map<std::string, Ends, std::less<>> ends_;
};

}  // namespace posthorn::delivery
