// Settings of identity and proof: users, signing domains, list streams ([auth], [[domain]], [[stream]]).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::auth {

struct CredentialsOptions {
    std::string users_file;                                  // lines "name:crypt(3) hash:SCRAM secret"; empty: no users
    std::string dovecot_socket;                              // of Dovecot's auth service, instead of a users file; or empty
    Duration success_cache = std::chrono::minutes(5);        // how long a verified password is remembered (as an HMAC)
};

enum class Canonical : std::uint8_t { simple, relaxed };

// What happens to mail from a domain that has no usable key.
enum class UnsignedPolicy : std::uint8_t { hold, send_unsigned };

struct DkimKeyOptions {
    std::string selector;
    std::string key_file;                                    // PEM, PKCS#1 or PKCS#8, RSA or Ed25519
};

struct DomainOptions {
    std::string name;                                        // lower case A-label; also signs for its subdomains
    std::vector<DkimKeyOptions> keys;                        // one signature each, RSA on top
    UnsignedPolicy unsigned_policy = UnsignedPolicy::hold;
    std::string bounce_to;                                   // who gets the DSNs for senders of this domain; empty: themselves
    std::vector<std::string> mailboxes;                      // senders who do get their own
    std::string source_v4, source_v6;                        // where its mail leaves from; empty: as for all
    std::string key_directory;                               // keys that Posthorn makes and changes itself; empty: none
};

struct DkimOptions {
    Canonical header = Canonical::relaxed;
    Canonical body = Canonical::relaxed;
    Duration expire_after{};                                 // x=; 0: no x= tag
    UnsignedPolicy unknown_domain = UnsignedPolicy::hold;    // From domain that no [[domain]] covers
    // Of key directories:
    bool autogenerate = true;                                // a directory without a key gets one
    bool sign_unpublished = false;                           // the only key signs although DNS does not have it yet; false: mail is held
    Duration rotate_every{};                                 // a key signs so long, then the next one is made; 0: by hand only
    Duration settle = std::chrono::hours(1);                 // a record has been at all servers so long before its key signs
    Duration keep_record{};                                  // of a key that retired; 0: queue.lifetime and seven days
    Duration look_every = std::chrono::minutes(10);          // how often DNS is asked about keys that are not in use yet
};

// Which messages belong to a list stream: any of the given criteria.
struct StreamOptions {
    std::string name;                                        // value of the header X-Posthorn-Stream that selects it
    std::vector<std::string> users;                          // authenticated users
    std::vector<std::string> from;                           // From addresses "news@example.com" or domains "@example.com"
    std::vector<std::string> list_ids;                       // values of List-Id without the brackets
    bool precedence_bulk = false;                            // Precedence: bulk or list
    std::string unsubscribe_url;                             // https URI with {token}
    std::string unsubscribe_mailto;                          // address with {token}, or empty
};

struct UnsubscribeOptions {
    std::string key_file;                                    // 32 or more random octets in hex or base64; needed by streams
};

// What somebody who logged in may do; of a system user who did not, how much he may send. Of the one that holds for all
// others, name and stream are not used.
struct AccountOptions {
    std::string name;                                        // the user, exactly as AUTH or Dovecot names him; a system user or his number
    // Addresses "alice@example.com", domains "@example.com", all below one "@*.example.com", or "*" for any. Empty: the
    // signing domains and what lies below them; any where mail of unknown domains may leave unsigned.
    std::vector<std::string> senders;
    std::uint32_t messages_per_hour = 2000;                  // 0: no limit
    std::uint32_t recipients_per_hour = 5000;                // 0: no limit
    Duration burst = std::chrono::hours(1);                  // that many hours' worth may be sent at once
    std::string stream;                                      // all his mail belongs to this list stream; empty: none
};

struct AuthOptions {
    CredentialsOptions credentials;
    AccountOptions account;                                  // of users without a [[user]] table
    AccountOptions system_account;                           // of system users without one ([local]); only how much is used
    std::vector<AccountOptions> accounts;                    // [[user]], as logins
    std::vector<AccountOptions> system_accounts;             // the same tables for system users; only how much is used
    DkimOptions dkim;
    std::vector<DomainOptions> domains;
    std::vector<StreamOptions> streams;
    UnsubscribeOptions unsubscribe;
};

}  // namespace posthorn::auth
