// The conditions of a rule.
#include "delivery/reply_rule.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Reply;
using smtp::protocol::ReplyParser;
using smtp::protocol::Stage;

std::optional<std::uint16_t> number(std::string_view text, std::uint16_t most) {
    std::uint16_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > most) return std::nullopt;
    return value;
}

template <class T>
bool lists(const std::vector<T>& items, const T& item) {
    return std::find(items.begin(), items.end(), item) != items.end();
}

}  // namespace

std::optional<CodePattern> CodePattern::parse(std::string_view text) {
    CodePattern pattern;
    if (text.size() != 3 || (text[0] != '4' && text[0] != '5')) return std::nullopt;
    bool open = false;  // after an x only x
    for (const char c : text) {
        const bool any = c == 'x';
        if ((!any && !text::is_digit(c)) || (open && !any)) return std::nullopt;
        open = any;
        pattern.from = static_cast<std::uint16_t>(pattern.from * 10 + (any ? 0 : c - '0'));
        pattern.to = static_cast<std::uint16_t>(pattern.to * 10 + (any ? 9 : c - '0'));
    }
    return pattern;
}

std::optional<EnhancedPattern> EnhancedPattern::parse(std::string_view text) {
    const auto parts = text::split(text, '.');
    if (parts.size() != 3) return std::nullopt;
    EnhancedPattern pattern;
    if (parts[0] != "x" && !(pattern.status = number(parts[0], 5))) return std::nullopt;
    if (parts[1] != "x" && !(pattern.subject = number(parts[1], 999))) return std::nullopt;
    if (parts[2] == "x") return pattern;
    const auto dash = parts[2].find('-');
    const auto from = number(parts[2].substr(0, dash), 999);
    const auto to = dash == std::string_view::npos ? from : number(parts[2].substr(dash + 1), 999);
    if (!from || !to || *from > *to) return std::nullopt;
    pattern.from = *from;
    pattern.to = *to;
    return pattern;
}

bool ReplyRule::applies(const ReplyFacts& facts, std::string_view family) const {
    const Reply& reply = facts.reply;
    const auto is_theirs = [&](const std::string& name) {
        return name == facts.provider || (!family.empty() && name == family);
    };
    if (!providers.empty() && std::none_of(providers.begin(), providers.end(), is_theirs)) return false;
    if (!stages.empty() && !lists(stages, facts.stage)) return false;
    if (!codes.empty() && std::none_of(codes.begin(), codes.end(),
                                       [&](const CodePattern& code) { return code.fits(reply.code); }))
        return false;
    if (!enhanced.empty() && std::none_of(enhanced.begin(), enhanced.end(), [&](const EnhancedPattern& code) {
            return code.fits(reply.enhanced);
        }))
        return false;
    if (tls && *tls != facts.tls) return false;
    if (ipv6 && *ipv6 != facts.ipv6) return false;
    if (after_accepted && facts.accepted_before == 0) return false;
    return first_attempts == 0 || facts.attempts < first_attempts;
}

std::string stage_word(Stage stage) {
    std::string word(to_string(stage));
    std::replace(word.begin(), word.end(), '_', '-');
    return word;
}

std::optional<Reply> reply_from(std::string_view lines) {
    while (!lines.empty() && text::is_space(lines.back()) && lines.back() != ' ') lines.remove_suffix(1);
    std::string wire;
    for (std::string_view line : text::split(lines, '\n')) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        wire.append(line).append("\r\n");
    }
    ReplyParser parser;
    std::string_view in = wire;
    if (parser.feed(in) != ReplyParser::Status::reply || !in.empty()) return std::nullopt;
    return parser.take();
}

ReplyFacts facts_for_example(const ReplyRule& rule, const Reply& reply) {
    ReplyFacts facts(rule.stages.empty() ? Stage::end_of_data : rule.stages.front(), reply);
    facts.tls = rule.tls.value_or(true);
    facts.ipv6 = rule.ipv6.value_or(false);
    facts.accepted_before = rule.after_accepted ? 1 : 0;
    facts.attempts = rule.first_attempts == 0 ? 1000 : 0;
    facts.ours = [foreign = rule.foreign_domain](std::string_view) { return !foreign; };
    return facts;
}

}  // namespace posthorn::delivery
