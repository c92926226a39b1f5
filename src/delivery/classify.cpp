// From a rule to a judgement, and what else is to be read in a reply.
#include "delivery/classify.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/endpoint.hpp"
#include "base/text.hpp"
#include "delivery/provider_rules.hpp"
#include "delivery/reply_rule.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Reply;
using smtp::protocol::Stage;

// In place of an address: something no domain, word or number looks like.
constexpr std::string_view kAddress = "<@>";
constexpr Duration kLongestWait = std::chrono::hours(24);

bool has(std::string_view text, std::string_view word) {
    return text.find(word) != std::string_view::npos;
}

// The end of "<...>", which begins at `from`: behind the ">" that is not in a quoted local part. 0: there is
// none.
std::size_t end_of_path(std::string_view text, std::size_t from) {
    bool quoted = false;
    for (std::size_t at = from + 1; at < text.size(); ++at) {
        if (quoted && text[at] == '\\')
            ++at;
        else if (text[at] == '"')
            quoted = !quoted;
        else if (text[at] == '>' && !quoted)
            return at + 1;
    }
    return 0;
}

// Where the address with this "@" begins that stands in no brackets.
std::size_t begin_of_address(std::string_view text, std::size_t at) {
    std::size_t begin = at;
    if (at > 1 && text[at - 1] == '"') {
        begin = text.rfind('"', at - 2);
        while (begin != std::string_view::npos && begin > 0 && text[begin - 1] == '\\')
            begin = text.rfind('"', begin - 1);
        return begin == std::string_view::npos ? at : begin;
    }
    while (begin > 0 && !has(" \t<>()[],;:'\"", text.substr(begin - 1, 1))) --begin;
    return begin;
}

// Linear in the text, whatever it is: replies are strangers' words. Latin-1: octets are taken as they are.
RE2::Options plain() {
    RE2::Options options(RE2::Latin1);
    options.set_log_errors(false);
    return options;
}

// RFC 5321 s4.2.2: what a reply to this command says something about.
Scope scope_of(Stage stage) {
    switch (stage) {
        case Stage::rcpt:
            return Scope::recipient;
        case Stage::mail:
        case Stage::data:
        case Stage::end_of_data:
            return Scope::message;
        default:
            return Scope::host;
    }
}

Class class_of_code(const Reply& reply) {
    if (!reply.permanent()) return Class::temp;
    const auto& code = reply.enhanced;
    if (code.subject == 3 && code.detail == 4) return Class::size;
    if (code.subject == 6) return Class::content;
    return Class::permanent;
}

std::string link_in(const std::string& text) {
    static const RE2 kLink(R"((?i)\b(https?://[^\s<>"'()\[\]]+))", plain());
    std::string link;
    if (!RE2::PartialMatch(text, kLink, &link)) return {};
    while (!link.empty() && has(".,;:!?", link.substr(link.size() - 1))) link.pop_back();
    return link;
}

std::string address_in(const std::string& text) {
    // Not "192.0.2.0/24": a network is no address.
    static const RE2 kAddressLike(
        R"((?:^|[^0-9a-z.:])([0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})(?:$|[^0-9a-z./:]|[.:](?:$|[^0-9a-z])))",
        [] {
            RE2::Options options = plain();
            options.set_case_sensitive(false);
            return options;
        }());
    re2::StringPiece rest(text);
    std::string candidate;
    while (RE2::FindAndConsume(&rest, kAddressLike, &candidate))
        if (const auto address = IpAddress::parse(candidate)) return address->to_string();
    return {};
}

// The sender's domain in the words of those who name it: Google, Microsoft, Apple and their kin.
std::string domain_in(const std::string& words) {
    static const std::array<RE2, 4> kDomains = {{
        {R"(\bdomain (?:name )?(?:is )?\[?([a-z0-9_-]+(?:\.[a-z0-9_-]+)+)[\] ,.]?)", plain()},
        {R"(\bspf (?:check for )?\[([a-z0-9_-]+(?:\.[a-z0-9_-]+)+)\])", plain()},
        {R"(\bemail from ([a-z0-9_-]+(?:\.[a-z0-9_-]+)+) is)", plain()},
        {R"(\b([a-z0-9_-]+(?:\.[a-z0-9_-]+)+)'s (?:dmarc|spf|dkim|policy))", plain()},
    }};
    std::string domain;
    for (const RE2& pattern : kDomains)
        if (RE2::PartialMatch(words, pattern, &domain)) return domain;
    return {};
}

// "please retry in 10 minutes": a wait that is asked for, and not some other number with a unit.
std::optional<Duration> asked_wait(const std::string& words) {
    static const RE2 kAsked(R"(\b(?:try|retry|retrying|again|come back|wait|later|resend)\b)", plain());
    return RE2::PartialMatch(words, kAsked) ? named_wait(words) : std::nullopt;
}

// "Spf= Fail , Dkim= Pass , DMARC= Pass": what the text says has passed is no cause, as long as something is
// left.
void strike_passed(Causes& causes, const std::string& words) {
    static const RE2 kResult(R"(\b(spf|dkim|dmarc)\s*=\s*pass\b)", plain());
    Causes left = causes;
    re2::StringPiece rest(words);
    std::string name;
    while (RE2::FindAndConsume(&rest, kResult, &name))
        left.remove(name == "spf" ? Cause::spf : name == "dkim" ? Cause::dkim : Cause::dmarc);
    if (!left.empty()) causes = left;
}

// What to do about a 5xx that is more than final (PR-36: the reply code decides, where nothing else is said).
bool kept_in_spite(const ReplyRule& rule, const ReplyFacts& facts) {
    switch (rule.meant.failure_class) {
        // RFC 5321 s4.5.3.1.10: 552 in place of 452. Of the only recipient nothing can be split off.
        case Class::split:
            return facts.accepted_before > 0;
        case Class::tlsreq:
            return !facts.tls;  // with TLS it is another request
        case Class::auth:
            return !facts.strict_5xx;  // providers.md 2.7, PR-52
        default:
            return rule.retry && !facts.strict_5xx;
    }
}

Judgement own_word(const ReplyFacts& facts) {
    Judgement own;
    own.scope = scope_of(facts.stage);
    own.failure_class = class_of_code(facts.reply);
    own.result = facts.reply.permanent() ? Disposition::failed : Disposition::deferred;
    return own;
}

}  // namespace

std::string telling_words(const Reply& reply) { return without_addresses(text::to_lower(reply.joined())); }

std::string without_addresses(std::string_view all) {
    std::string words;
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t end = all[at] == '<' ? end_of_path(all, at) : 0;
        if (end != 0 && has(all.substr(at, end - at), "@")) {
            words += kAddress;
            at = end;
        } else if (all[at] == '@') {
            words.resize(begin_of_address(words, words.size()));
            words += kAddress;
            while (at < all.size() && !has(" \t<>(),;\"'", all.substr(at, 1))) ++at;
        } else {
            words += all[at++];
        }
    }
    return words;
}

std::optional<Duration> named_wait(std::string_view words) {
    static const RE2 kWait(
        R"(\b(?:in|after|for|within|least)\s+(\d{1,6})\s*(s|secs?|seconds?|m|mins?|minutes?|h|hours?)\b)",
        plain());
    std::int64_t number = 0;
    std::string unit;
    if (!RE2::PartialMatch(re2::StringPiece(words.data(), words.size()), kWait, &number, &unit))
        return std::nullopt;
    const Duration each = unit[0] == 's'   ? Duration(std::chrono::seconds(1))
                          : unit[0] == 'm' ? Duration(std::chrono::minutes(1))
                                           : Duration(std::chrono::hours(1));
    return std::min(number * each, kLongestWait);
}

Judgement classify(const ReplyFacts& facts, const ProviderRules& rules) {
    const Reply& reply = facts.reply;
    Judgement judgement;
    if (reply.code == 0) {
        // No reply at all: the connection failed or was lost; the caller says at which stage.
        judgement.failure_class = Class::connection;
        judgement.scope = Scope::host;
        return judgement;
    }
    if (reply.positive()) {
        judgement.result = Disposition::delivered;
        judgement.failure_class = Class::none;
        return judgement;
    }
    if (facts.local) return own_word(facts);

    const RuleMatch match = rules.match(facts);
    const bool final = reply.permanent() && (match.rule == nullptr || !kept_in_spite(*match.rule, facts));
    if (match.rule != nullptr)
        judgement = match.rule->meant;
    else
        judgement.failure_class = class_of_code(reply);
    judgement.result = final ? Disposition::failed : Disposition::deferred;
    judgement.scope = scope_of(facts.stage);
    // PR-37: with 421 the connection is gone, at whatever stage; neither the host nor the message is to
    // blame.
    if (reply.code == 421 && judgement.failure_class != Class::auth) judgement.scope = Scope::session;
    // A 5xx before MAIL is about the host: another MX may take the message (PR-38, RFC 5321 s3.1, RFC 7504),
    // so it is final only with the last of them.
    if (judgement.scope == Scope::host && final && !facts.last_host) {
        judgement.result = Disposition::deferred;
        judgement.next_mx = true;
    }
    if (const ProviderOptions* provider = rules.provider(facts.provider))
        if (provider->after_fix && reply.permanent()) judgement.after_fix = *provider->after_fix;

    const std::string joined = reply.joined();
    const std::string words = telling_words(reply);
    if (judgement.result == Disposition::deferred) {
        const auto wait = judgement.failure_class == Class::grey ? named_wait(words) : asked_wait(words);
        if (wait) judgement.wait = wait;
        if (wait && judgement.failure_class == Class::throttle)
            judgement.pause = std::max(*wait, judgement.pause.value_or(*wait));
    }
    if (judgement.failure_class == Class::auth) strike_passed(judgement.causes, words);
    if (std::string link = link_in(joined); !link.empty()) judgement.link = std::move(link);
    judgement.ip = match.ip.empty() ? address_in(joined) : match.ip;
    judgement.domain = match.domain.empty() ? domain_in(words) : match.domain;
    return judgement;
}

}  // namespace posthorn::delivery
