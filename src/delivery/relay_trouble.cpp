// The codes and words by which relays tell us that they will not work for us, and the list of those in
// trouble.
#include "delivery/relay_trouble.hpp"

#include <algorithm>
#include <array>

#include "base/log.hpp"
#include "delivery/classify.hpp"
#include "delivery/relays.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Reply;
using smtp::protocol::Stage;

template <std::size_t N>
bool any_of_words(std::string_view text, const std::array<std::string_view, N>& words) {
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

bool speaks_of_login(const std::string& words) {
    static constexpr std::array<std::string_view, 7> kWords = {"authentication required",
                                                               "must authenticate",
                                                               "auth required",
                                                               "authentication is required",
                                                               "login first",
                                                               "not logged in",
                                                               "must login"};
    return any_of_words(words, kWords);
}

// Postfix "Relay access denied", Exim "relay not permitted", Exchange "Unable to relay", Sendmail "Relaying
// denied", qmail's rcpthosts, and their kin.
bool speaks_of_relaying(const std::string& words) {
    static constexpr std::array<std::string_view, 9> kWords = {
        "relay access denied", "relaying denied",           "relay not permitted",
        "unable to relay",     "relaying not allowed",      "not allowed to relay",
        "relay denied",        "list of allowed rcpthosts", "relaying not permitted"};
    return any_of_words(words, kWords);
}

// Postfix "Sender address rejected: not owned by user", SES "Email address is not verified", Exchange's
// SendAsDenied and kin.
bool speaks_of_sender(const std::string& words) {
    static constexpr std::array<std::string_view, 11> kWords = {
        "not owned by",           "sender address rejected", "sender not allowed",   "sender is not allowed",
        "sendasdenied",           "not allowed to send as",  "is not verified",      "sender not verified",
        "domain is not verified", "not authorized to send",  "sender not authorized"};
    return any_of_words(words, kWords);
}

bool speaks_of_quota(const std::string& words) {
    static constexpr std::array<std::string_view, 10> kWords = {
        "quota exceeded",   "sending quota",     "daily sending",     "sending limit",
        "daily limit",      "message limit",     "account suspended", "account is suspended",
        "account disabled", "not enough credits"};
    return any_of_words(words, kWords);
}

}  // namespace

std::string_view to_string(RelayFault fault) {
    switch (fault) {
        case RelayFault::login:
            return "login";
        case RelayFault::relaying:
            return "relaying";
        case RelayFault::sender:
            return "sender";
        case RelayFault::quota:
            return "quota";
        case RelayFault::host:
            return "host";
        case RelayFault::identity:
            return "identity";
    }
    return "?";
}

std::optional<RelayFault> relay_fault(Stage stage, const Reply& reply) {
    if (reply.positive()) return std::nullopt;
    // Our own words, without a code of the relay's: no mechanism fits, it did not prove itself, TLS is not
    // what is demanded. A connection that was lost has no words of this kind.
    const auto& code = reply.enhanced;
    if (stage == Stage::auth && reply.code == 0)
        return code.subject == 7 ? std::optional(RelayFault::login) : std::nullopt;
    if ((stage == Stage::starttls || stage == Stage::tls) && code.subject == 7 &&
        (code.detail == 5 || code.detail == 10))
        return RelayFault::identity;
    // RFC 4954 s6: what AUTH and what follows a missing AUTH are answered with. 454 4.7.0 is a passing
    // trouble of the relay's own; no recipient is to blame for it either.
    if (stage == Stage::auth && reply.code != 421) return RelayFault::login;
    if (reply.code == 530 || reply.code == 534 || reply.code == 535 || reply.code == 538)
        return RelayFault::login;
    const std::string words = telling_words(reply);
    const bool at_envelope = stage == Stage::mail || stage == Stage::rcpt || stage == Stage::data;
    if (reply.code < 400 || (!at_envelope && stage != Stage::end_of_data)) return std::nullopt;
    // What the relay says of a mailbox is about that mailbox, whatever other words it uses (RFC 3463 s3.2,
    // s3.3).
    const bool about_recipient =
        stage == Stage::rcpt && ((code.subject == 1 && code.detail != 7 && code.detail != 8) ||
                                 (code.subject == 2 && code.detail >= 1 && code.detail <= 4));
    if (about_recipient) return std::nullopt;
    if (speaks_of_login(words)) return RelayFault::login;
    if (at_envelope && speaks_of_relaying(words)) return RelayFault::relaying;
    if (speaks_of_sender(words)) return RelayFault::sender;
    // "Mailbox quota exceeded" is the recipient's at RCPT: there the words must speak of sending.
    if (speaks_of_quota(words) && (stage != Stage::rcpt || words.find("sending") != std::string::npos))
        return RelayFault::quota;
    return std::nullopt;
}

std::optional<RelayFault> heed_relay(Outcome& outcome) {
    if (outcome.result == Disposition::delivered) return std::nullopt;
    // Nobody was asked: what DNS or the configuration says of the relay's hosts is of no use.
    if (outcome.failure_class == Class::local && outcome.stage == Stage::connect) return RelayFault::host;
    const std::optional<RelayFault> fault = relay_fault(outcome.stage, outcome.reply);
    if (!fault) return std::nullopt;
    outcome.result = Disposition::deferred;
    outcome.failure_class = Class::local;
    return fault;
}

void RelayTroubles::note(const std::string& relay, RelayFault fault, const Outcome& outcome, TimePoint now) {
    const auto [at, fresh] = troubles_.try_emplace({relay, fault});
    Trouble& trouble = at->second;
    trouble.words = outcome.reply.joined();
    if (!fresh) return;
    trouble.relay = relay;
    trouble.fault = fault;
    trouble.since = now;
    std::string_view meaning;
    switch (fault) {
        case RelayFault::login:
            meaning = "it does not take our login; check user and password of the [[relay]], then reload";
            break;
        case RelayFault::relaying:
            meaning = "it does not relay for us; log in, or have this machine's address allowed there";
            break;
        case RelayFault::sender:
            meaning = "it does not let us send as this sender; have the address or domain allowed there";
            break;
        case RelayFault::quota:
            meaning = "we may send no more for now; look at the account there";
            break;
        case RelayFault::host:
            meaning = "there is no host of it to connect to; check the host of the [[relay]], and what DNS says of it";
            break;
        case RelayFault::identity:
            meaning =
                "it does not prove that it is itself, so no password was said to it; check its name and "
                "certificate, or "
                "delivery.tls_ca_file";
            break;
    }
    log::error("relay-trouble")
        .kv("relay", relay)
        .kv("fault", to_string(fault))
        .kv("host", outcome.host)
        .kv("reply", trouble.words)
        .kv("meaning", meaning)
        .kv("action", "its mail is kept and tried again at each reload and every retry.local_interval");
}

void RelayTroubles::clear(const std::string& relay) {
    bool any = false;
    for (auto at = troubles_.begin(); at != troubles_.end();) {
        if (at->first.first != relay) {
            ++at;
            continue;
        }
        any = true;
        at = troubles_.erase(at);
    }
    if (any) log::info("relay-trouble").kv("relay", relay).kv("note", "is over: it takes mail again");
}

void RelayTroubles::keep_only(const std::vector<std::string>& names) {
    std::erase_if(troubles_, [&](const auto& entry) {
        return std::find(names.begin(), names.end(), entry.first.first) == names.end();
    });
}

std::vector<RelayTroubles::Trouble> RelayTroubles::list() const {
    std::vector<Trouble> out;
    for (const auto& [key, trouble] : troubles_) out.push_back(trouble);
    return out;
}

}  // namespace posthorn::delivery
