// What a reply means to us: whether to try again, why, whom it concerns, and what the operator is told.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/rate.hpp"
#include "delivery/options.hpp"
#include "delivery/outcome.hpp"

namespace posthorn::delivery {

// What is not in order, of a refusal of class auth (providers.md 2.7).
enum class Cause : std::uint16_t {
    spf = 1,
    dkim = 2,
    dmarc = 4,
    alignment = 8,
    ptr = 16,
    sender_domain = 32,  // does not exist, or takes no mail
    helo = 64,
    dns_temporary = 128,  // their DNS questions about us failed
    unknown = 256
};

inline constexpr std::array kCauses = {Cause::spf,       Cause::dkim,          Cause::dmarc,
                                       Cause::alignment, Cause::ptr,           Cause::sender_domain,
                                       Cause::helo,      Cause::dns_temporary, Cause::unknown};

class Causes {
public:
    Causes() = default;
    Causes(std::initializer_list<Cause> causes, bool all = false) : all_needed(all) {
        for (Cause cause : causes) add(cause);
    }
    void add(Cause cause) { bits_ = static_cast<std::uint16_t>(bits_ | static_cast<std::uint16_t>(cause)); }
    void remove(Cause cause) {
        bits_ = static_cast<std::uint16_t>(bits_ & ~static_cast<std::uint16_t>(cause));
    }
    [[nodiscard]] bool has(Cause cause) const { return (bits_ & static_cast<std::uint16_t>(cause)) != 0; }
    [[nodiscard]] bool empty() const { return bits_ == 0; }
    // Said of the connecting machine, whoever's mail it is: the pair is (source IP, provider), not (From,
    // provider).
    [[nodiscard]] bool of_machine() const { return has(Cause::ptr) || has(Cause::helo); }
    [[nodiscard]] std::vector<std::string_view> words() const;  // "spf", "sender-domain"
    friend bool operator==(const Causes&, const Causes&) = default;

    bool all_needed =
        false;  // Microsoft wants all of them in order; false: any one is enough (Google's 5.7.26)

private:
    std::uint16_t bits_ = 0;
};

// Whose rate or reputation a refusal is about, as the text says. Several where it does not tell them apart
// (PR-13).
enum class Party : std::uint8_t {
    source_ip = 1,
    dkim_domain = 2,
    spf_domain = 4,
    provider = 8,
    recipient = 16,
    message = 32,
    url = 64,
    sender_domain = 128  // the organisational domain of From
};

inline constexpr std::array kParties = {Party::source_ip, Party::dkim_domain,  Party::spf_domain,
                                        Party::provider,  Party::recipient,    Party::message,
                                        Party::url,       Party::sender_domain};

class Whose {
public:
    Whose() = default;
    Whose(std::initializer_list<Party> parties) {
        for (Party party : parties) add(party);
    }
    void add(Party party) { bits_ = static_cast<std::uint8_t>(bits_ | static_cast<std::uint8_t>(party)); }
    [[nodiscard]] bool has(Party party) const { return (bits_ & static_cast<std::uint8_t>(party)) != 0; }
    [[nodiscard]] bool empty() const { return bits_ == 0; }
    [[nodiscard]] std::vector<std::string_view> words() const;  // "source-ip", "dkim-domain"
    friend bool operator==(const Whose&, const Whose&) = default;

private:
    std::uint8_t bits_ = 0;
};

// "spf", "sender-domain"; "source-ip"; "resend-once".
[[nodiscard]] std::string_view to_string(Cause cause);
[[nodiscard]] std::string_view to_string(Party party);
[[nodiscard]] std::string_view to_string(AfterFix after);

// Immutable once made. Of an empty Judgement nothing but the class is to be believed.
struct Judgement {
    Disposition result = Disposition::deferred;
    Class failure_class = Class::temp;
    Scope scope = Scope::recipient;
    std::optional<Duration>
        wait;       // until the next attempt of this message: the peer's words, else the rule's
    Causes causes;  // class auth
    Whose whose;    // classes throttle and rep; empty: the handler's own default
    std::optional<Duration> pause;  // nothing at all for `whose` so long; nothing: the handler's own default
    std::optional<Duration> pause_max;  // where pauses double while refusals go on
    bool until_resumed = false;         // the operator must act: no probe will help
    std::uint32_t connections = 0;      // at most, after the pause; 0: not said
    std::uint32_t messages_per_connection = 0;
    std::optional<Rate> rate;               // at most, for a time
    std::optional<Duration> expires_after;  // give this message up sooner, from acceptance
    std::uint32_t suppress_after =
        0;  // rcpt_perm: so many refusals in 30 days suppress the address; 0: never
    AfterFix after_fix = AfterFix::resend;
    // What may be done about it at once. `result` is what follows where that is not possible or was done
    // already.
    bool ipv4_instead = false;       // the same again over IPv4
    bool force_tls = false;          // the next attempt with TLS; remembered for the host
    bool next_mx = false;            // another host of the site may take it
    bool without_extension = false;  // once more without PIPELINING, CHUNKING
    bool reconnect = false;          // on a new connection at once; no trouble at all
    bool hold_all = false;           // our own configuration is wrong: all mail there would be refused
    bool alert = false;              // somebody should look, though mail goes on
    std::string rule;                // "google/unauthenticated"
    std::string where;               // "providers.toml:120:1": where the rule stands
    std::string meaning;             // plain words for the operator
    std::string advice;              // what to do; empty: nothing
    std::string link;                // from the text, else the rule's
    std::string domain;              // read from the text; empty: none named
    std::string ip;                  // the same: our public address, even behind NAT
};

// Puts what was judged into the outcome of the reply.
void adopt(Outcome& outcome, Judgement judgement);

}  // namespace posthorn::delivery
