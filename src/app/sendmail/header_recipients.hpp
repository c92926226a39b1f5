// Recipients out of a message's header, for -t (SM-1).
#pragma once

#include <string>
#include <vector>

namespace posthorn::app::sendmail {

struct HeaderRecipients {
    std::string header;                   // without its Bcc and Resent-Bcc fields; every other octet is where it was
    std::vector<std::string> addresses;   // in order, members of groups too; local names without a domain
    std::vector<std::string> unsound;     // what stands there and is no address
};

// From To, Cc and Bcc; when any of Resent-To, Resent-Cc and Resent-Bcc is there, from those only (RFC 5322 s3.6.6). Pure.
[[nodiscard]] HeaderRecipients take_recipients(std::string header);

// The first address of From, or of Sender where From has none: what a peer is told that cannot derive a sender itself. Empty: none.
[[nodiscard]] std::string author_of(const std::string& header);

}  // namespace posthorn::app::sendmail
