// What delivery puts above a stored message: list headers for one recipient, and the DKIM signatures over all of it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "auth/dkim/keys.hpp"
#include "auth/options.hpp"
#include "auth/unsubscribe.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "mail/message.hpp"

namespace posthorn::delivery {

struct SigningRules {
    auth::dkim::KeyTablePtr keys;
    const std::vector<auth::StreamOptions>* streams = nullptr;     // never null when used
    const auth::UnsubscribeTokens* unsubscribe = nullptr;          // null: no streams
};

// Decided before any key is touched; cheap.
struct SigningPlan {
    auth::dkim::KeyTablePtr keys;             // keeps the selection's identities alive
    auth::dkim::Selection selection;
    std::string from_domain;
    std::string list_header;                  // whole fields, or empty
    std::string hold_reason;                  // not empty: the message must not leave as things are; what to do about it
};

// The domain of the first mailbox in From, lower case A-labels; empty: there is none.
[[nodiscard]] std::string from_domain_of(const mail::Message& message);

// Pure. DK-12, DK-15, SD-4: chosen by the domain of From; without a key the domain's policy decides, never an accident.
// `recipient` is looked at for list mail only.
[[nodiscard]] SigningPlan plan_signing(const mail::Message& message, std::string_view recipient, const SigningRules& rules,
                                       TimePoint now);

// The text to send before message.header. Takes a private key operation and, where an identity signs the simple body form, a pass
// over the body: run it in the crypto pool. spool_directory is where a body outside of memory lies.
[[nodiscard]] Result<std::string> render_prefix(const SigningPlan& plan, const mail::Message& message,
                                                const std::string& spool_directory, TimePoint now);

}  // namespace posthorn::delivery
