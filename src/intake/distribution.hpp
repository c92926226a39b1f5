// What is stored of an accepted message whose recipients were local names: one message for each name that leads somewhere.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "intake/intake.hpp"
#include "intake/local_names.hpp"

namespace posthorn::intake {

// One message to be stored in place of the one that was handed in.
struct Parcel {
    std::shared_ptr<mail::Message> message;   // the id of all but the first is to be set by the caller, who has the generator
    std::vector<queue::NewRecipient> recipients;
    std::string delivered_to;                 // the local name it is for, or empty
};

// Turns an accepted message into the messages to be stored: recipients that are no local names stay together, each local name
// whose way ends somewhere gets a message of its own, since it says Delivered-To and may have another reverse-path. Nobody gets
// two of them. Empty: all was discarded. Expansions are found by their `recipient`; refused ones are nobody's. The DSN parameters follow RFC 3461 s5.2.7 (SM-49). All share the body: where it is in
// a spool file, each parcel but the first needs a file of its own (SpoolWriter::link).
// A header that says Delivered-To one of the names is a loop (SM-48): the refusal says so.
[[nodiscard]] std::variant<std::vector<Parcel>, Refusal> distribute(AcceptedMail accepted, const std::vector<Expansion>& expansions);

}  // namespace posthorn::intake
