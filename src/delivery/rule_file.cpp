// The keys of [[provider]] and [[rule]] in a file of rules.
#include "delivery/rule_file.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <functional>
#include <map>

#include "base/join.hpp"
#include "base/text.hpp"
#include "mail/domain.hpp"
#include "toml/reader.hpp"
#include "toml/spelling.hpp"
#include "toml/units.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Stage;
using toml::Position;
using toml::Value;

// A rule's expression may use so much memory, once compiled; enough for a page of alternatives.
constexpr std::int64_t kPatternMemory = 1 << 20;
constexpr std::size_t kMaxExamples = 50;

// Reads values and remembers what was wrong with them.
class Reading {
public:
    Reading(const std::string& file, ReadRules& out) : file_(file), out_(out) {}

    void mistake(Position at, std::string what) {
        out_.mistakes.push_back({place_of(file_, at), std::move(what)});
    }

    std::string text(const Value& value) {
        if (const auto* words = value.as<std::string>()) return *words;
        mistake(value.at, toml::describe(value) + " is no text; allowed: a string in quotes");
        return {};
    }
    std::uint32_t number(const Value& value, std::int64_t least, std::int64_t most) {
        const auto* given = value.as<std::int64_t>();
        if (given != nullptr && *given >= least && *given <= most) return static_cast<std::uint32_t>(*given);
        mistake(value.at, fmt::format("{} is out of range; allowed: a whole number from {} to {}",
                                      toml::describe(value), least, most));
        return 0;
    }
    bool flag(const Value& value) {
        if (const auto* given = value.as<bool>()) return *given;
        mistake(value.at, toml::describe(value) + " is neither; allowed: true, false");
        return false;
    }
    std::optional<Duration> duration(const Value& value) {
        const auto* words = value.as<std::string>();
        const auto given = words == nullptr ? std::nullopt : toml::parse_duration(*words);
        if (given && given->count() > 0 && *given <= std::chrono::hours(24 * 365)) return given;
        mistake(value.at,
                toml::describe(value) + " is no duration; allowed: like \"90s\", \"10m\", \"2h\", \"3d\"");
        return std::nullopt;
    }
    // "10/1m": ten a minute.
    std::optional<Rate> rate(const Value& value) {
        const auto* words = value.as<std::string>();
        if (const auto given = words == nullptr ? std::nullopt : toml::parse_rate(*words)) return given;
        mistake(value.at, toml::describe(value) +
                              " is no rate; allowed: a number per time, like \"10/1m\", \"600/1h\"");
        return std::nullopt;
    }
    // One text, or a list of them.
    std::vector<std::pair<std::string, Position>> texts(const Value& value) {
        std::vector<std::pair<std::string, Position>> all;
        if (const auto* list = value.as<toml::List>()) {
            for (const Value& item : *list) all.emplace_back(text(item), item.at);
        } else {
            all.emplace_back(text(value), value.at);
        }
        return all;
    }
    template <class T>
    std::optional<T> choice(const std::string& word, Position at,
                            const std::vector<std::pair<std::string, T>>& allowed) {
        std::vector<std::string> names;
        for (const auto& [name, item] : allowed) {
            if (name == word) return item;
            names.push_back(name);
        }
        mistake(at, toml::quote(word) + " is unknown; allowed: " + text::joined(names));
        return std::nullopt;
    }

    template <class T>
    using Keys = std::vector<std::pair<std::string, std::function<void(T&, const Value&, Reading&)>>>;

    template <class T>
    void table(const toml::Table& table, const Keys<T>& keys, T& into) {
        for (const toml::Entry& entry : table) {
            const auto key = std::find_if(keys.begin(), keys.end(),
                                          [&](const auto& known) { return known.first == entry.key; });
            if (key != keys.end()) {
                key->second(into, entry.value, *this);
                continue;
            }
            std::vector<std::string> names;
            for (const auto& known : keys) names.push_back(known.first);
            const std::string meant = toml::nearest(entry.key, names);
            mistake(entry.at,
                    "there is no key " + toml::quote(entry.key) + "; " +
                        (meant.empty() ? "allowed: " + text::joined(names) : "did you mean " + meant + "?"));
        }
    }

private:
    const std::string& file_;
    ReadRules& out_;
};

const toml::Value* find(const toml::Table& table, std::string_view key) {
    for (const toml::Entry& entry : table)
        if (entry.key == key) return &entry.value;
    return nullptr;
}

const Reading::Keys<ProviderOptions>& provider_keys() {
    using P = ProviderOptions;
    using R = Reading;
    static const R::Keys<P> keys = {
        {"name", [](P& p, const Value& v, R& r) { p.name = r.text(v); }},
        {"family", [](P& p, const Value& v, R& r) { p.family = r.text(v); }},
        {"mx",
         [](P& p, const Value& v, R& r) {
             for (auto& [host, at] : r.texts(v)) {
                 const std::string_view name = std::string_view(host).substr(host.starts_with("*.") ? 2 : 0);
                 // Peers 4.1: a trailing dot matches nothing. So it is taken off here and not left to be
                 // wondered at.
                 if (!mail::to_ascii(name))
                     r.mistake(at, toml::quote(host) +
                                       " is no host; allowed: \"mx.example.net\", \"*.example.net\"");
                 else
                     p.mx.push_back(
                         text::to_lower(host.ends_with('.') ? host.substr(0, host.size() - 1) : host));
             }
         }},
        {"connections", [](P& p, const Value& v, R& r) { p.connections = r.number(v, 1, 1000); }},
        {"messages_per_connection",
         [](P& p, const Value& v, R& r) { p.messages_per_connection = r.number(v, 1, 100000); }},
        {"rate", [](P& p, const Value& v, R& r) { p.rate = r.rate(v); }},
        {"tls",
         [](P& p, const Value& v, R& r) {
             p.tls = r.choice<TlsPolicy>(r.text(v), v.at,
                                         {{"opportunistic", TlsPolicy::opportunistic},
                                          {"required", TlsPolicy::required},
                                          {"none", TlsPolicy::none}});
         }},
        {"daily_mark", [](P& p, const Value& v, R& r) { p.daily_mark = r.number(v, 1, 100000000); }},
        {"daily_warning", [](P& p, const Value& v, R& r) { p.daily_warning = r.number(v, 1, 100000000); }},
        {"after_fix",
         [](P& p, const Value& v, R& r) {
             p.after_fix = r.choice<AfterFix>(r.text(v), v.at,
                                              {{"resend", AfterFix::resend},
                                               {"resend-once", AfterFix::resend_once},
                                               {"bounce", AfterFix::bounce}});
         }},
    };
    return keys;
}

void read_class(ReplyRule& rule, const Value& value, Reading& reading) {
    const std::string word = reading.text(value);
    const auto found = class_of(word);
    // Those of our own making are no words for a reply.
    if (found && word != "recipient" &&
        ((*found > Class::none && *found < Class::local) || *found == Class::permanent)) {
        rule.meant.failure_class = *found;
        return;
    }
    std::vector<std::string> names;
    for (auto c = Class::temp; c < Class::local; c = static_cast<Class>(static_cast<int>(c) + 1))
        names.emplace_back(to_string(c));
    names.emplace_back(to_string(Class::permanent));
    reading.mistake(value.at, "the class " + toml::quote(word) + " is unknown; allowed: " + text::joined(names));
}

void read_text(ReplyRule& rule, const Value& value, Reading& reading) {
    rule.pattern = reading.text(value);
    if (rule.pattern.empty()) return;
    RE2::Options options(RE2::Latin1);
    options.set_case_sensitive(false);
    options.set_log_errors(false);
    options.set_max_mem(kPatternMemory);
    auto compiled = std::make_shared<const RE2>(rule.pattern, options);
    if (!compiled->ok()) {
        reading.mistake(value.at, "text is no regular expression: " + compiled->error() +
                                      "; allowed: RE2's syntax (no look-ahead, no back-references)");
        return;
    }
    for (const auto& [name, index] : compiled->NamedCapturingGroups())
        if (name != "domain" && name != "ip")
            reading.mistake(value.at, "text has a group named " + toml::quote(name) +
                                          "; allowed: (?P<domain>...), (?P<ip>...)");
    rule.text = std::move(compiled);
}

using Action = bool Judgement::*;
const std::vector<std::pair<std::string, Action>>& actions() {
    static const std::vector<std::pair<std::string, Action>> all = {
        {"ipv4-instead", &Judgement::ipv4_instead},
        {"force-tls", &Judgement::force_tls},
        {"next-mx", &Judgement::next_mx},
        {"without-extension", &Judgement::without_extension},
        {"reconnect", &Judgement::reconnect},
        {"hold-all", &Judgement::hold_all},
        {"alert", &Judgement::alert},
    };
    return all;
}

const Reading::Keys<ReplyRule>& rule_keys() {
    using U = ReplyRule;
    using R = Reading;
    static const R::Keys<U> keys = {
        {"name", [](U& u, const Value& v, R& r) { u.name = r.text(v); }},
        {"provider",
         [](U& u, const Value& v, R& r) {
             for (auto& [name, at] : r.texts(v)) u.providers.push_back(std::move(name));
         }},
        {"stage",
         [](U& u, const Value& v, R& r) {
             std::vector<std::pair<std::string, Stage>> stages;
             for (auto s = Stage::greeting; s <= Stage::rset; s = static_cast<Stage>(static_cast<int>(s) + 1))
                 if (s != Stage::tls) stages.emplace_back(stage_word(s), s);
             for (auto& [name, at] : r.texts(v))
                 if (const auto stage = r.choice<Stage>(name, at, stages)) u.stages.push_back(*stage);
         }},
        {"code",
         [](U& u, const Value& v, R& r) {
             for (auto& [word, at] : r.texts(v)) {
                 if (const auto code = CodePattern::parse(word))
                     u.codes.push_back(*code);
                 else
                     r.mistake(at, toml::quote(word) +
                                       " is no code of a refusal; allowed: like \"421\", \"45x\", \"5xx\"");
             }
         }},
        {"enhanced",
         [](U& u, const Value& v, R& r) {
             for (auto& [word, at] : r.texts(v)) {
                 if (const auto code = EnhancedPattern::parse(word))
                     u.enhanced.push_back(*code);
                 else
                     r.mistake(
                         at,
                         toml::quote(word) +
                             " is no enhanced code; allowed: like \"5.7.26\", \"x.7.26\", \"4.7.500-699\"");
             }
         }},
        {"text", read_text},
        {"tls", [](U& u, const Value& v, R& r) { u.tls = r.flag(v); }},
        {"ipv6", [](U& u, const Value& v, R& r) { u.ipv6 = r.flag(v); }},
        {"after_accepted", [](U& u, const Value& v, R& r) { u.after_accepted = r.flag(v); }},
        {"foreign_domain", [](U& u, const Value& v, R& r) { u.foreign_domain = r.flag(v); }},
        {"first_attempts", [](U& u, const Value& v, R& r) { u.first_attempts = r.number(v, 1, 100); }},
        {"class", read_class},
        {"causes",
         [](U& u, const Value& v, R& r) {
             std::vector<std::pair<std::string, Cause>> known;
             for (Cause cause : kCauses) known.emplace_back(to_string(cause), cause);
             for (auto& [word, at] : r.texts(v))
                 if (const auto cause = r.choice<Cause>(word, at, known)) u.meant.causes.add(*cause);
         }},
        {"all_needed", [](U& u, const Value& v, R& r) { u.meant.causes.all_needed = r.flag(v); }},
        {"whose",
         [](U& u, const Value& v, R& r) {
             std::vector<std::pair<std::string, Party>> known;
             for (Party party : kParties) known.emplace_back(to_string(party), party);
             for (auto& [word, at] : r.texts(v))
                 if (const auto party = r.choice<Party>(word, at, known)) u.meant.whose.add(*party);
         }},
        {"wait", [](U& u, const Value& v, R& r) { u.meant.wait = r.duration(v); }},
        {"pause", [](U& u, const Value& v, R& r) { u.meant.pause = r.duration(v); }},
        {"pause_max", [](U& u, const Value& v, R& r) { u.meant.pause_max = r.duration(v); }},
        {"until_resumed", [](U& u, const Value& v, R& r) { u.meant.until_resumed = r.flag(v); }},
        {"connections", [](U& u, const Value& v, R& r) { u.meant.connections = r.number(v, 1, 1000); }},
        {"messages_per_connection",
         [](U& u, const Value& v, R& r) { u.meant.messages_per_connection = r.number(v, 1, 100000); }},
        {"rate", [](U& u, const Value& v, R& r) { u.meant.rate = r.rate(v); }},
        {"expires_after", [](U& u, const Value& v, R& r) { u.meant.expires_after = r.duration(v); }},
        {"suppress_after", [](U& u, const Value& v, R& r) { u.meant.suppress_after = r.number(v, 0, 1000); }},
        {"retry", [](U& u, const Value& v, R& r) { u.retry = r.flag(v); }},
        {"actions",
         [](U& u, const Value& v, R& r) {
             for (auto& [word, at] : r.texts(v))
                 if (const auto action = r.choice<Action>(word, at, actions())) u.meant.*(*action) = true;
         }},
        {"meaning", [](U& u, const Value& v, R& r) { u.meant.meaning = r.text(v); }},
        {"advice", [](U& u, const Value& v, R& r) { u.meant.advice = r.text(v); }},
        {"link", [](U& u, const Value& v, R& r) { u.meant.link = r.text(v); }},
        {"example",
         [](U& u, const Value& v, R& r) {
             for (auto& [words, at] : r.texts(v)) {
                 const auto reply = reply_from(words);
                 if (!reply || reply->code < 400)
                     r.mistake(
                         at,
                         toml::quote(words) +
                             " is no refusal as a server sends it; allowed: like \"550 5.1.1 No such user\"");
                 else
                     u.examples.push_back(std::move(words));
             }
             if (u.examples.size() > kMaxExamples)
                 r.mistake(v.at, fmt::format("{} examples are too many; allowed: up to {}", u.examples.size(),
                                             kMaxExamples));
         }},
    };
    return keys;
}

bool is_plain_word(std::string_view name) {
    return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
        return text::is_alnum(c) || c == '-' || c == '_' || c == '.';
    });
}

void check_rule(ReplyRule& rule, Position at, const toml::Table& given, const std::vector<std::string>& known,
                Reading& reading) {
    if (!is_plain_word(rule.name))
        reading.mistake(at, "this rule needs a name; allowed: 1 to 64 letters, digits, '.', '-' and '_'");
    if (find(given, "class") == nullptr)
        reading.mistake(at,
                        "the rule " + toml::quote(rule.name) + " has no class; docs/REFUSALS.md lists them");
    if (rule.examples.empty())
        reading.mistake(at, "the rule " + toml::quote(rule.name) +
                                " has no example; give a reply that it is to match, as the server sent it");
    if (rule.codes.empty() && rule.enhanced.empty() && rule.pattern.empty())
        reading.mistake(
            at, "the rule " + toml::quote(rule.name) + " matches everything; give code, enhanced or text");
    for (const std::string& provider : rule.providers)
        if (std::find(known.begin(), known.end(), provider) == known.end()) {
            const std::string meant = toml::nearest(provider, known);
            reading.mistake(
                at, "the rule " + toml::quote(rule.name) + " is about the provider " + toml::quote(provider) +
                        ", which is unknown; " +
                        (meant.empty() ? "allowed: " + text::joined(known) : "did you mean " + meant + "?"));
        }
    const Class kind = rule.meant.failure_class;
    if (kind != Class::auth && kind != Class::temp && !rule.meant.causes.empty())
        reading.mistake(at, "causes are of class auth only, and of temp where it may become auth");
    if (kind == Class::auth && rule.meant.causes.empty()) rule.meant.causes.add(Cause::unknown);
    if (kind == Class::rcpt_perm && find(given, "suppress_after") == nullptr) rule.meant.suppress_after = 1;
    // PR-54: nothing but a mailbox may be suppressed.
    if (kind != Class::rcpt_perm && rule.meant.suppress_after != 0)
        reading.mistake(at, "suppress_after is of class rcpt-perm only: no other refusal says that nobody is there");
    rule.name = (rule.providers.empty() ? std::string("default") : rule.providers.front()) + "/" + rule.name;
}

}  // namespace

std::string place_of(const std::string& file_name, Position at) {
    return at.line == 0 ? file_name
                        : file_name + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

ReadRules read_rules(std::string_view text, const std::string& file_name,
                     const std::vector<std::string>& known_below) {
    ReadRules out;
    Reading reading(file_name, out);
    const toml::TomlText tree = toml::read_toml(text);
    for (const toml::SyntaxMistake& mistake : tree.mistakes) reading.mistake(mistake.at, mistake.what);
    if (!tree.readable) return out;
    const auto tables = [&](std::string_view key) -> const toml::List* {
        const Value* value = find(tree.root, key);
        if (value == nullptr) return nullptr;
        const auto* list = value->as<toml::List>();
        if (list == nullptr || std::any_of(list->begin(), list->end(), [](const Value& item) {
                return item.as<toml::Table>() == nullptr;
            })) {
            reading.mistake(value->at, fmt::format("{} is written [[{}]], once for each", key, key));
            return nullptr;
        }
        return list;
    };
    for (const toml::Entry& entry : tree.root)
        if (entry.key != "provider" && entry.key != "rule")
            reading.mistake(
                entry.at, "there is no " + toml::quote(entry.key) + " here; allowed: [[provider]], [[rule]]");

    std::vector<std::string> known = known_below;
    if (const toml::List* providers = tables("provider"))
        for (const Value& item : *providers) {
            ProviderOptions provider;
            reading.table(*item.as<toml::Table>(), provider_keys(), provider);
            if (!is_plain_word(provider.name) || provider.name == "default")
                reading.mistake(
                    item.at,
                    "this provider needs a name; allowed: 1 to 64 letters, digits, '.', '-' and '_'");
            if (provider.mx.empty() &&
                std::find(known_below.begin(), known_below.end(), provider.name) == known_below.end())
                reading.mistake(item.at, "the provider " + toml::quote(provider.name) +
                                             " has no mx to know it by; set mx = [\"*.example.net\"]");
            if (std::any_of(out.providers.begin(), out.providers.end(),
                            [&](const auto& other) { return other.name == provider.name; }))
                reading.mistake(item.at, "the provider " + toml::quote(provider.name) +
                                             " is given twice; put all into one [[provider]]");
            known.push_back(provider.name);
            if (!provider.family.empty()) known.push_back(provider.family);
            out.providers.push_back(std::move(provider));
            out.provider_places.push_back(item.at);
        }
    if (const toml::List* rules = tables("rule"))
        for (const Value& item : *rules) {
            ReplyRule rule;
            const auto& table = *item.as<toml::Table>();
            reading.table(table, rule_keys(), rule);
            check_rule(rule, item.at, table, known, reading);
            rule.where = place_of(file_name, item.at);
            rule.meant.rule = rule.name;
            rule.meant.where = rule.where;
            if (std::any_of(out.rules.begin(), out.rules.end(),
                            [&](const ReplyRule& other) { return other.name == rule.name; }))
                reading.mistake(item.at, "the rule " + toml::quote(rule.name) +
                                             " is given twice; the names of a provider's rules must differ");
            out.rules.push_back(std::move(rule));
            out.rule_places.push_back(item.at);
        }
    return out;
}

}  // namespace posthorn::delivery
