// Mailboxes in header fields: the address lists of From, Sender, Reply-To, To, Cc, Bcc (RFC 5322 s3.4, s4.4).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace posthorn::mail {

struct Mailbox {
    std::string display;  // quotes undone, encoded words left as they are; may be empty
    std::string local;    // quoted where it must be; never empty
    std::string domain;   // as written but for comments and blanks around it; "[...]" for a literal; not yet
                         // A-labels; never empty
    [[nodiscard]] std::string address() const { return local + "@" + domain; }
    friend bool operator==(const Mailbox&, const Mailbox&) = default;
};

struct MailboxList {
    std::vector<Mailbox> mailboxes;  // in order, members of groups too; at most kMaxMailboxes
    bool clean = true;               // false: something was skipped or guessed
};
inline constexpr std::size_t kMaxMailboxes = 10000;

// Reads the value of a field (folded or not). Takes what real mail has: comments anywhere and nested, groups
// (also empty), source routes, quoted strings with any content, unquoted dots and "@" in display names,
// missing or extra commas, "<" without its ">". Never throws, linear in the length. An "@" inside quotes,
// comments or a display name is never taken for an address when an angle address follows.
[[nodiscard]] MailboxList parse_mailboxes(std::string_view value);

}  // namespace posthorn::mail
