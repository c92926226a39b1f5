// Lanes: whose mail, and of which flow, so that senders take turns at a site and bulk mail is overtaken.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "mail/message.hpp"

namespace posthorn::delivery {

// Mail to one recipient domain is queued and scheduled by lane. A lane is about who sends and in which manner, never about
// one message: VERP's local parts, message ids and client addresses are not in it.
struct Lane {
    std::string sender_domain;   // of the reverse-path, of From where that is null; lower case A-labels; empty: none is known
    std::string flow;            // "user=alice", "uid=33", "stream=news", "dsn"; empty: nobody in particular
    bool bulk = false;           // list mail, and mail to many recipients of the domain: may be overtaken by the other
    std::string author_domain{}; // of From, where it is another than sender_domain; empty: the same, or not known (older versions)

    friend bool operator==(const Lane&, const Lane&) = default;
};

// More recipients of one domain than this are a mailing, not a letter.
inline constexpr std::size_t kLetterRecipients = 10;

[[nodiscard]] Lane lane_of(const mail::Message& message, std::size_t recipients_of_domain);

// The text kept in the queue: printable ASCII without quotes, at most kMaxLaneText octets, whatever the sender wrote. A flow
// that is too long stands there as its hash, an author's domain that does not fit is left out. lane_from(to_text(lane)) is the lane,
// but for those; lane_from() takes any text, also the empty one of mail queued before there were lanes.
inline constexpr std::size_t kMaxLaneText = 1216;
[[nodiscard]] std::string to_text(const Lane& lane);
[[nodiscard]] Lane lane_from(std::string_view text);

}  // namespace posthorn::delivery
