// `posthorn rules test` and `rules list`: what replies mean here, without a daemon and without sending
// anything.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>

#include "app/command_line.hpp"
#include "base/join.hpp"
#include "base/sysexits.hpp"
#include "base/text.hpp"
#include "delivery/configured_rules.hpp"
#include "delivery/judgement_words.hpp"
#include "delivery/provider_rules.hpp"
#include "delivery/reply_rule.hpp"
#include "delivery/why_words.hpp"
#include "mail/domain.hpp"
#include "toml/units.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;
using delivery::ProviderOptions;
using delivery::ProviderRules;
using delivery::ReplyRule;
using smtp::protocol::Stage;

struct RulesCommand {
    std::string config_path, rules_path;
    std::string reply, provider, stage;
    bool json = false;
};

// The file named on the command line, else that of the configuration, else none; with the configuration's [[provider]] tables on top, as the
// daemon has them. A machine without a configuration has the built-in rules.
std::shared_ptr<const ProviderRules> rules_of(const RulesCommand& command,
                                              std::vector<std::string>& own_domains, bool& strict) {
    std::string path = command.rules_path;
    std::vector<ProviderOptions> given;
    if (::access(command.config_path.c_str(), R_OK) == 0) {
        const config::Loaded loaded = config::load(command.config_path);
        if (path.empty()) path = loaded.config.delivery.provider_rules;
        strict = loaded.config.retry.strict_5xx;
        given = loaded.config.delivery.providers;
        for (const auth::DomainOptions& domain : loaded.config.auth.domains)
            own_domains.push_back(domain.name);
    }
    ProviderRules::Loaded loaded = ProviderRules::load(path);
    for (const delivery::RuleMistake& mistake : loaded.mistakes)
        fmt::print(stderr, "{}\n", mistake.to_string());
    return loaded.rules ? delivery::configured(*loaded.rules, given) : nullptr;
}

std::optional<Stage> stage_from(const std::string& word) {
    for (auto stage = Stage::greeting; stage <= Stage::rset;
         stage = static_cast<Stage>(static_cast<int>(stage) + 1))
        if (delivery::stage_word(stage) == word || (word == "connect" && stage == Stage::greeting))
            return stage;
    return std::nullopt;
}

// Where servers say such things, when nothing is told.
Stage likely_stage(const smtp::protocol::Reply& reply) {
    const auto& code = reply.enhanced;
    return code.subject == 1 || code.subject == 2 || reply.code == 553 ? Stage::rcpt : Stage::end_of_data;
}

// "550-5.7.26 This mail ...", of which only the first lines were copied: the last of them ends it.
std::string ended(std::string lines) {
    while (!lines.empty() && (lines.back() == '\n' || lines.back() == '\r')) lines.pop_back();
    const auto before = lines.rfind('\n');
    const std::size_t mark = (before == std::string::npos ? 0 : before + 1) + 3;
    if (mark < lines.size() && lines[mark] == '-') lines[mark] = ' ';
    return lines;
}

json::array words_of(const std::vector<std::string_view>& words) {
    json::array out;
    for (const std::string_view word : words) out.emplace_back(word);
    return out;
}

json::object as_json(const delivery::Judgement& judgement, Stage stage, const std::string& provider,
                     const std::string& reply) {
    json::object out;
    out["reply"] = reply;
    out["provider"] = provider;
    out["stage"] = delivery::stage_word(stage);
    out["rule"] = judgement.rule;
    out["where"] = judgement.where;
    out["class"] = delivery::to_string(judgement.failure_class);
    out["result"] = delivery::to_string(judgement.result);
    out["whose"] = words_of(judgement.whose.words());
    out["causes"] = words_of(judgement.causes.words());
    out["all_needed"] = judgement.causes.all_needed;
    out["meaning"] = judgement.meaning;
    out["advice"] = judgement.advice;
    out["link"] = judgement.link;
    out["domain"] = judgement.domain;
    out["ip"] = judgement.ip;
    if (judgement.failure_class == delivery::Class::auth) out["after_fix"] = delivery::to_string(judgement.after_fix);
    if (judgement.wait)
        out["wait"] = std::chrono::duration_cast<std::chrono::seconds>(*judgement.wait).count();
    if (judgement.pause)
        out["pause"] = std::chrono::duration_cast<std::chrono::seconds>(*judgement.pause).count();
    json::array then;
    for (const std::string& sentence : delivery::consequences(judgement)) then.emplace_back(sentence);
    out["then"] = std::move(then);
    return out;
}

void row(std::string_view name, std::string_view value) {
    if (!value.empty()) print(fmt::format("{:<9} {}\n", name, text::safe_for_log(value, 1000)));
}

int test(const RulesCommand& command) {
    std::string lines = command.reply;
    if (lines.empty() || lines == "-")
        lines.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
    // A reply that a log or a shell has put on one line has its ends of lines as "\n".
    for (auto at = lines.find("\\n"); at != std::string::npos; at = lines.find("\\n", at))
        lines.replace(at, 2, "\n");
    const std::optional<smtp::protocol::Reply> reply = delivery::reply_from(ended(std::move(lines)));
    if (!reply || reply->code < 400) {
        complain(
            "this is no refusal as a server sends it; give it whole, from its code on, such as \"550-5.7.26 "
            "This mail ...\" (several "
            "lines on standard input)");
        return exit_code::kDataError;
    }
    std::vector<std::string> own;
    bool strict = false;
    const auto rules = rules_of(command, own, strict);
    if (!rules) return exit_code::kConfig;
    if (!command.provider.empty() && rules->provider(command.provider) == nullptr) {
        std::string known;
        for (const ProviderOptions& provider : rules->providers())
            known += (known.empty() ? "" : ", ") + provider.name;
        complain("no provider is called \"" + command.provider + "\"; known are " + known);
        return exit_code::kUsage;
    }
    const std::optional<Stage> stage =
        command.stage.empty() ? likely_stage(*reply) : stage_from(command.stage);
    if (!stage) {
        complain("no stage is called \"" + command.stage +
                 "\"; allowed: greeting, ehlo, helo, starttls, auth, mail, rcpt, data, end-of-data");
        return exit_code::kUsage;
    }
    delivery::ReplyFacts facts(*stage, *reply);
    facts.provider = command.provider;
    facts.strict_5xx = strict;
    facts.tls = false;  // nothing is known of the session; this shows what "they want TLS" leads to
    if (!own.empty())
        facts.ours = [&own](std::string_view domain) {
            return std::any_of(own.begin(), own.end(),
                               [&](const std::string& name) { return mail::is_subdomain_of(domain, name); });
        };
    const delivery::Judgement judgement = delivery::classify(facts, *rules);
    if (command.json) {
        print_json(json::serialize(as_json(judgement, *stage, command.provider, reply->joined())));
        return exit_code::kOk;
    }
    row("reply", reply->joined());
    row("at", delivery::stage_word(*stage) +
                  (command.provider.empty() ? ", of any server" : ", of " + command.provider) +
                  (command.stage.empty() ? " (--stage says where it came)" : ""));
    row("rule", judgement.rule + " (" + judgement.where + ")");
    row("class", std::string(delivery::to_string(judgement.failure_class)) + ": " +
                     std::string(delivery::class_meaning(delivery::to_string(judgement.failure_class))));
    row("meaning", judgement.meaning);
    row("concerns", delivery::concerns(judgement));
    row("causes",
        text::joined(judgement.causes.words()) + (judgement.causes.all_needed ? " (all must be in order)" : ""));
    row("domain", judgement.domain);
    row("address", judgement.ip);
    for (const std::string& sentence : delivery::consequences(judgement)) row("then", sentence);
    row("advice", judgement.advice);
    row("link", judgement.link);
    return exit_code::kOk;
}

std::string shown(const ProviderOptions& provider) {
    std::string mx;
    for (const std::string& host : provider.mx) mx += (mx.empty() ? "" : ", ") + host;
    std::string out =
        provider.name + (provider.family.empty() ? "" : " (of " + provider.family + ")") + ": " + mx;
    if (provider.connections != 0) out += fmt::format("; {} connections", provider.connections);
    if (provider.messages_per_connection != 0)
        out += fmt::format("; {} messages each", provider.messages_per_connection);
    if (provider.rate)
        out += fmt::format("; {} recipients in {}", provider.rate->count,
                           toml::format_duration(provider.rate->per));
    if (provider.tls && *provider.tls == delivery::TlsPolicy::required) out += "; TLS is required";
    if (provider.daily_mark != 0) out += fmt::format("; bulk from {} a day", provider.daily_mark);
    return out + "\n";
}

bool concerns_provider(const ReplyRule& rule, const ProviderOptions* provider) {
    if (provider == nullptr) return true;
    return rule.providers.empty() ||
           std::any_of(rule.providers.begin(), rule.providers.end(), [&](const std::string& name) {
               return name == provider->name || name == provider->family;
           });
}

int list(const RulesCommand& command) {
    std::vector<std::string> own;
    bool strict = false;
    const auto rules = rules_of(command, own, strict);
    if (!rules) return exit_code::kConfig;
    const ProviderOptions* provider = rules->provider(command.provider);
    if (!command.provider.empty() && provider == nullptr) {
        complain("no provider is called \"" + command.provider + "\"; `posthorn rules list` shows all");
        return exit_code::kUsage;
    }
    json::array rows;
    if (!command.json) {
        for (const ProviderOptions& one : rules->providers())
            if (provider == nullptr || provider == &one) print(shown(one));
        print("\n");
    }
    for (const ReplyRule& rule : rules->rules()) {
        if (!concerns_provider(rule, provider)) continue;
        if (command.json) {
            json::object out;
            out["rule"] = rule.name;
            out["where"] = rule.where;
            out["class"] = delivery::to_string(rule.meant.failure_class);
            out["text"] = rule.pattern;
            out["meaning"] = rule.meant.meaning;
            rows.emplace_back(std::move(out));
        } else {
            print(fmt::format("{:<34} {:<10} {:<22} {}\n", rule.name,
                              delivery::to_string(rule.meant.failure_class), rule.where, rule.meant.meaning));
        }
    }
    if (command.json) print_json(json::serialize(rows));
    return exit_code::kOk;
}

}  // namespace

void add_rules_commands(CLI::App& app, Action& action) {
    auto* group =
        app.add_subcommand("rules", "What replies of receiving servers mean here (docs/REFUSALS.md)");
    group->require_subcommand(1);
    const auto common = [](CLI::App& command, const std::shared_ptr<RulesCommand>& options) {
        add_config_option(command, options->config_path);
        command.add_option("--rules", options->rules_path,
                           "A file of rules to look at in place of delivery.provider_rules");
        command.add_flag("--json", options->json, "Print JSON");
    };
    auto* try_out =
        group->add_subcommand("test", "Tell which rule holds for a reply, and what would be done");
    auto tested = std::make_shared<RulesCommand>();
    common(*try_out, tested);
    try_out->add_option(
        "reply", tested->reply,
        "The reply from its code on; absent or \"-\": standard input, which may have several lines");
    try_out->add_option("--provider", tested->provider,
                        "Whose server said so: google, outlook, ... (`posthorn rules list`)");
    try_out->add_option("--stage", tested->stage,
                        "To what it was the answer: greeting, ehlo, mail, rcpt, data, end-of-data");
    try_out->callback([tested, &action] { action = [tested] { return test(*tested); }; });

    auto* show = group->add_subcommand("list", "Show providers and rules in the order in which they hold");
    auto listed = std::make_shared<RulesCommand>();
    common(*show, listed);
    show->add_option("provider", listed->provider, "Only of this provider");
    show->callback([listed, &action] { action = [listed] { return list(*listed); }; });
}

}  // namespace posthorn::app
