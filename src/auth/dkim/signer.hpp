// Makes DKIM-Signature fields (RFC 6376) for a message that is ready to leave.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/dkim/canonical.hpp"
#include "auth/dkim/key.hpp"
#include "auth/options.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::auth::dkim {

// One signature that a domain puts on its mail.
struct SigningIdentity {
    std::string domain;    // d=, A-label form
    std::string selector;  // s=
    PrivateKeyPtr key;
    Canonical header = Canonical::relaxed;
    Canonical body = Canonical::relaxed;
    Duration expire_after{};  // x= is t= plus this; 0: no x=
};

// Body hashes in the forms that the identities use. A form that nobody asks for may be left zero.
struct BodyHashes {
    BodyHash relaxed{};
    BodyHash simple{};
};

// The header of the message as it will be sent, in pieces from top to bottom, each of whole fields with CRLF:
// what delivery prepends, then the stored header block. Signed are the fields of DK-3 with all their
// instances, the last first (RFC 6376 s5.4.2); those of DK-5 are named once more than they occur, so that
// nobody can add another (s8.15). Never l=.
using HeaderParts = std::span<const std::string_view>;

// "DKIM-Signature: ...\r\n", folded to at most 78 columns; to be prepended to the message. Takes the time of
// one private key operation (RSA-2048 some 0.25 ms): call it in the crypto pool. Error: no From field (RFC
// 6376 s5.4), or libcrypto failed.
[[nodiscard]] Result<std::string> sign(HeaderParts header, const BodyHash& body_hash,
                                       const SigningIdentity& identity, TimePoint now);

// One field per identity, RSA on top, since some receivers look at the first only (DK-2).
[[nodiscard]] Result<std::string> sign_all(HeaderParts header, const BodyHashes& hashes,
                                           std::span<const SigningIdentity> identities, TimePoint now);

}  // namespace posthorn::auth::dkim
