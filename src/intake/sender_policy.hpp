// As whom mail of this machine's programs leaves: the envelope's sender and From, derived or put right so that they pass (SD-2).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/sender_rules.hpp"
#include "intake/caller.hpp"
#include "intake/options.hpp"
#include "mail/mailbox.hpp"

namespace posthorn::intake {

// What holds for the callers of one site, or for all who belong to none. Immutable.
struct SenderPolicy {
    std::string site;                  // [[site]] name, for log and queue; empty: of those who belong to none
    std::vector<std::string> domains;  // whose addresses are ours; lower case A-labels, the first completes names. Never empty
    auth::SenderRules ours;            // of_domains(domains)
    std::string address;               // the default sender; empty: the caller's name at domains.front()
    ForeignFrom foreign = ForeignFrom::rewrite;
    std::string fallback = "postmaster";  // local part of the default sender where the caller has no name (clients over TCP)
    // Names of this machine beside those that is_machine_name knows: hostname, /etc/mailname, repair.local_domains. Lower case.
    // None of them is in `domains`.
    std::vector<std::string> machine_names;
};

enum class Standing : std::uint8_t {
    ours,     // one of the policy's domains, or below one
    machine,  // a name that means nothing outside: none, one label, localhost, *.localdomain, a literal, the machine's own
    foreign,
};
// `domain` as it stands in an address; empty for a bare name.
[[nodiscard]] Standing standing_of(const SenderPolicy& policy, std::string_view domain);

// Whether a domain can only mean this machine or its network, whoever's it is: empty, one label ("3f2a9c1b7d44"), an address
// literal, or below localdomain, localhost, local, internal, lan, home.arpa, invalid, ... (RFC 6761, RFC 6762, RFC 8375).
[[nodiscard]] bool is_machine_name(std::string_view domain);

// What is known when the header is complete.
struct SenderClaim {
    bool asked = true;                    // a sender was named (-f, MAIL FROM); false: derive it
    std::string_view reverse_path;        // "local@domain", a bare name, or empty: the null reverse-path if it was asked for
    const mail::Mailbox* from = nullptr;  // null: there is no From. A bare name has an empty domain
    const mail::Mailbox* sender = nullptr;
    bool has_reply_to = false;
    std::string_view user;                // the system user's name; empty: not known
    std::string_view full_name;           // -F or passwd's, for a From that is missing (SM-4, SM-23); may be empty
};

// What to make of it. `from` says which address From must have; everything else of the field is as before, but for `on_behalf`.
struct SenderDecision {
    std::string reverse_path;             // empty: null
    enum class From : std::uint8_t {
        keep,       // as it is
        domain,     // its domain becomes from_address's
        address,    // its address becomes from_address: the site's own, for mail of the user himself
        on_behalf,  // it was somebody else's: from_display and from_address; he goes to Reply-To, if `reply_to`
        made,       // there was none: from_display and from_address
    };
    From from = From::keep;
    std::string from_address;             // what From holds in the end, in every case
    std::string from_display;             // of on_behalf and made; may be empty, may hold encoded words
    bool reply_to = false;
    bool drop_sender = false;             // the Sender field names nobody of ours
    std::vector<std::string> done;        // in words for the log: "rewrote From visitor@gmail.com -> www-data@example.com"
    std::string refusal;                  // not empty: 550 5.7.1 and this text
};

// The rules, in docs/SENDERS.md as a table (SD-1 to SD-4, SD-17, SM-3, SM-4, SM-23, SM-50):
//  - the envelope's sender is the asked one if its domain is ours, else From's if its domain is, else the default. The null one
//    stays. A name of the machine stands for the site: the caller's own name there is the default, others get the first domain
//  - From at a name of the machine likewise; at somebody else's domain it is rewritten, refused or kept (ForeignFrom)
//  - so both are ours in the end, SPF and DKIM are asked at domains that align with From's, but where `keep` was wished
[[nodiscard]] SenderDecision decide_sender(const SenderPolicy& policy, const SenderClaim& claim);

// All policies; made at each reload, immutable, shared.
class Sites {
public:
    struct Facts {
        std::vector<std::string> domains;        // of all [[domain]]s, in their order
        std::vector<std::string> machine_names;  // the hostname, what the kernel calls this machine, repair.local_domains
        std::string hostname;         // completes names where there is no domain at all
        std::string qualify_domain;   // repair.qualify_domain: completes names if it is ours; or empty
        std::string mailname;         // of /etc/mailname: completes names if it is a [[domain]], else it is a machine name; or empty
    };
    Sites() = default;
    Sites(const SenderOptions& options, const std::vector<SiteOptions>& sites, const Facts& facts);  // facts.hostname: never empty

    // By the door he came through, then by his name or uid, then users = ["*"], then that of all others. Null only if made by
    // default. Valid as long as one of the copies of this object.
    [[nodiscard]] const SenderPolicy* of(const Caller& caller) const;
    // For clients that send over TCP without a login; null: their senders stay as they are.
    [[nodiscard]] const SenderPolicy* of_clients() const { return clients_.get(); }

private:
    using Ptr = std::shared_ptr<const SenderPolicy>;
    Ptr others_, clients_;
    std::map<std::string, Ptr, std::less<>> by_door_, by_user_;   // users by name and by uid in digits
};

}  // namespace posthorn::intake
