// A flow: mail of one sender to one group of receivers, and the names of the gates it passes on its way there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace posthorn::delivery {

struct DeliveryPlan;
struct Lane;
struct Settings;

// What shaping tells mail apart by (PR-13, PR-41, PR-42). A plain value; domains are lower case A-labels. Empty: not known.
struct Flow {
    Flow() = default;

    std::string group;          // the provider's name, or the alphabetically first host of the MX set (DeliveryPlan::group)
    std::string provider;       // "google"; empty: no provider we know
    std::string site_key;       // DeliveryPlan::site_key
    std::string sender_org;     // organisational domain of From; of the envelope's sender where From is not known
    std::string dkim_domain;    // d= of the signature (the first where there are several); empty: not signed
    std::string spf_domain;     // of the envelope's sender; our own name for the null reverse-path (RFC 7208 s2.4)
    std::string source;         // the local address mail leaves from, "default" where the kernel chooses
    std::string author_domain;  // From's domain itself, where it is known: what a diagnosis looks at; no gate goes by it

    friend bool operator==(const Flow&, const Flow&) = default;
};

// Of mail of this lane that goes as planned. Without a key for From's domain, and for what was queued by older versions, whose
// lanes do not know it, the envelope's domain stands for it.
[[nodiscard]] Flow flow_of(const DeliveryPlan& plan, const Lane& lane, const Settings& settings);

// The gates' keys: "word|what|group". Gates of one flow are independent of each other; all must let a delivery through.
enum class GateKind : unsigned char { provider, site, ip, dkim, spf, sender };
[[nodiscard]] std::string_view to_string(GateKind kind);           // "provider", ...

// "provider|G", "site|S", "ip|SRC|G", "dkim|D|G", "spf|D|G", "sender|ORG|G"; empty where the flow has no such part.
[[nodiscard]] std::string gate_key(const Flow& flow, GateKind kind);
// All of a flow, in the order of GateKind, without the empty ones. Pass them as queue::SitePlace::gates.
[[nodiscard]] std::vector<std::string> gate_keys(const Flow& flow);

// A key taken apart again, for people: what it is about, and towards whom. Views into the key.
struct GateName {
    GateKind kind = GateKind::provider;
    std::string_view subject;   // the address, the domain, the site; empty for "provider|G"
    std::string_view group;     // empty for "site|S"
};
[[nodiscard]] GateName gate_name(std::string_view key);
// Whether a group is named after its mail hosts, which whoever owns a domain can make up: it is neither a provider nor a relay of ours.
[[nodiscard]] bool is_of_stranger(std::string_view group);
// "mail from the address 192.0.2.1 to google", "mail signed by example.com to google".
[[nodiscard]] std::string in_words(std::string_view key);

}  // namespace posthorn::delivery
