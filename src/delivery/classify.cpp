// How replies are told apart: the reply code first, then the enhanced code, then the words.
#include "delivery/classify.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace posthorn::delivery {
namespace {

using smtp::protocol::Reply;
using smtp::protocol::Stage;

// In place of an address: something no domain, word or number looks like.
constexpr std::string_view kAddress = "<@>";

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

bool has(std::string_view text, std::string_view word) { return text.find(word) != std::string_view::npos; }

bool has_word(std::string_view text, std::string_view word) {
    const auto is_letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
    for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
        const bool starts = at == 0 || !is_letter(text[at - 1]);
        const auto end = at + word.size();
        if (starts && (end == text.size() || !is_letter(text[end]))) return true;
    }
    return false;
}

// The end of "<...>", which begins at `from`: behind the ">" that is not in a quoted local part. 0: there is none.
std::size_t end_of_path(std::string_view text, std::size_t from) {
    bool quoted = false;
    for (std::size_t at = from + 1; at < text.size(); ++at) {
        if (quoted && text[at] == '\\') ++at;
        else if (text[at] == '"') quoted = !quoted;
        else if (text[at] == '>' && !quoted) return at + 1;
    }
    return 0;
}

// Where the address with this "@" begins that stands in no brackets.
std::size_t begin_of_address(std::string_view text, std::size_t at) {
    std::size_t begin = at;
    if (at > 1 && text[at - 1] == '"') {
        begin = text.rfind('"', at - 2);
        while (begin != std::string_view::npos && begin > 0 && text[begin - 1] == '\\') begin = text.rfind('"', begin - 1);
        return begin == std::string_view::npos ? at : begin;
    }
    while (begin > 0 && !has(" \t<>()[],;:'\"", text.substr(begin - 1, 1))) --begin;
    return begin;
}

// RFC 7372: X.7.20-22 DKIM, X.7.23-24 SPF, X.7.25 reverse DNS, X.7.26 several. Beyond these, numbers differ by provider
// (PR-35), so only the words count.
bool is_authentication_code(const smtp::protocol::EnhancedCode& code) {
    return code.subject == 7 && code.detail >= 20 && code.detail <= 26;
}

bool at_transaction(Stage stage) {
    return stage == Stage::mail || stage == Stage::rcpt || stage == Stage::data || stage == Stage::end_of_data;
}

bool asks_for_less(std::string_view text) {
    static constexpr std::array<std::string_view, 7> kWords = {
        "too many connections", "rate limit", "unusual rate", "too quickly", "throttl", "too many messages", "temporarily deferred due to"};
    return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) { return has(text, word); });
}

Class permanent_class(const Reply& reply) {
    const auto& code = reply.enhanced;
    if (code.status == 5 && code.subject == 1 && (code.detail <= 3 || code.detail == 6 || code.detail == 10)) return Class::rcpt_perm;
    if (code.status == 5 && code.subject == 2 && code.detail == 1) return Class::rcpt_perm;
    if (code.status == 5 && (code.subject == 6 || (code.subject == 3 && code.detail == 4))) return Class::content;
    return Class::permanent;
}

}  // namespace

std::string telling_words(const Reply& reply) {
    const std::string all = lower(reply.joined());
    std::string words;
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t end = all[at] == '<' ? end_of_path(all, at) : 0;
        if (end != 0 && has(std::string_view(all).substr(at, end - at), "@")) {
            words += kAddress;
            at = end;
        } else if (all[at] == '@') {
            words.resize(begin_of_address(words, words.size()));
            words += kAddress;
            while (at < all.size() && !has(" \t<>(),;\"'", std::string_view(all).substr(at, 1))) ++at;
        } else {
            words += all[at++];
        }
    }
    return words;
}

static bool speaks_of_authentication(const std::string& text) {
    if (has_word(text, "spf") || has_word(text, "dkim") || has_word(text, "dmarc") || has(text, "unauthenticated") ||
        has(text, "sender policy framework"))
        return true;
    if (has(text, "ptr record") || has(text, "reverse dns")) return true;
    const auto at = text.find("authentication");
    if (at == std::string::npos) return false;
    // "does not meet the required authentication level", "failing authentication checks"
    const std::string_view rest = std::string_view(text).substr(at);
    return has(rest, "level") || has(rest, "check") || has(rest, "fail") || has(rest, "didn't pass") || has(rest, "did not pass") ||
           has(std::string_view(text).substr(0, at), "fail");
}

// "in 300 seconds", "in 5 minutes": the first such phrase.
std::optional<Duration> named_wait(std::string_view text) {
    for (auto in = text.find(" in "); in != std::string_view::npos; in = text.find(" in ", in + 1)) {
        std::size_t at = in + 4;
        std::int64_t number = 0;
        const std::size_t digits_end = std::min(text.size(), at + 6);
        const std::size_t digits = at;
        while (at < digits_end && std::isdigit(static_cast<unsigned char>(text[at])) != 0) number = number * 10 + (text[at++] - '0');
        if (at == digits) continue;
        const std::string_view unit = text.substr(at);
        if (unit.starts_with(" sec") || unit.starts_with("s")) return std::chrono::seconds(number);
        if (unit.starts_with(" min")) return std::chrono::minutes(number);
        if (unit.starts_with(" hour")) return std::chrono::hours(number);
    }
    return std::nullopt;
}

static std::optional<Duration> greylisting_wait(std::string_view text) {
    const bool named = has(text, "greylist") || has(text, "graylist") || has(text, "grey-list") || has(text, "gray-list") ||
                       has(text, "grey list") || has(text, "postgrey");
    const std::optional<Duration> wait = named_wait(text);
    if (!named && !(wait && has(text, "try again"))) return std::nullopt;
    return wait.value_or(Duration::zero());
}

Judgement classify(const ReplyFacts& facts, const ProviderRules&) {
    const Reply& reply = facts.reply;
    const Stage stage = facts.stage;
    Judgement judgement;
    const auto say = [&](Disposition result, Class failure_class, Scope scope, std::optional<Duration> wait = std::nullopt) {
        judgement.result = result;
        judgement.failure_class = failure_class;
        judgement.scope = scope;
        judgement.wait = wait;
        return judgement;
    };
    // No reply at all: the connection failed or was lost; the caller says at which stage.
    if (reply.code == 0) return say(Disposition::deferred, Class::connection, Scope::host);
    if (reply.positive()) return say(Disposition::delivered, Class::none, Scope::recipient);

    const std::string words = telling_words(reply);
    const Scope scope = stage == Stage::rcpt                                      ? Scope::recipient
                        : stage == Stage::mail || stage == Stage::end_of_data || stage == Stage::data ? Scope::message
                                                                                  : Scope::host;
    // Who we are matters at every stage from the greeting on; what a login failed for does not (relay hosts).
    if (stage != Stage::auth && (is_authentication_code(reply.enhanced) || speaks_of_authentication(words)))
        return say(reply.temporary() || !facts.strict_5xx ? Disposition::deferred : Disposition::failed, Class::auth,
                   at_transaction(stage) ? Scope::message : scope);
    if (reply.temporary() || reply.code < 400 || reply.code >= 600) {
        if (auto wait = greylisting_wait(words)) return say(Disposition::deferred, Class::grey, scope, wait);
        if (asks_for_less(words)) return say(Disposition::deferred, Class::throttle, reply.code == 421 ? Scope::session : scope);
        // 421: the connection is gone, at whatever stage; the host is not thereby down (PR-37).
        if (reply.code == 421) return say(Disposition::deferred, Class::temp, Scope::session);
        return say(Disposition::deferred, Class::temp, scope);
    }
    // A 5xx before MAIL is about the host: another MX may take the message (RFC 5321 s3.1, RFC 7504), so it is final only
    // with the last of them.
    if (scope == Scope::host && !facts.last_host) return say(Disposition::deferred, Class::connection, Scope::host);
    return say(Disposition::failed, permanent_class(reply), scope);
}

}  // namespace posthorn::delivery
