// `posthorn status` and `posthorn metrics`: how the running daemon is.
#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "app/daemon_call.hpp"
#include "app/overview_view.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

constexpr int kIndent = 2;

std::string words(std::string_view key) {
    std::string text(key);
    for (char& c : text) {
        if (c == '_') c = ' ';
    }
    return text;
}

// "59 days left" is read more easily than "days left 59".
std::string figures_line(const json::object& one) {
    std::string line;
    for (const auto& member : one) {
        const std::string key = words({member.key().data(), member.key().size()});
        if (!line.empty()) line += ", ";
        line += member.value().is_number() ? json::serialize(member.value()) + " " + key
                                           : std::string(member.value().as_string());
    }
    return line;
}

std::string shown(const json::value& value) {
    if (const auto* list = value.if_array()) {
        std::string names;
        for (const json::value& name : *list) names += (names.empty() ? "" : ", ") + shown(name);
        return names;
    }
    if (const auto* text = value.if_string()) return std::string(*text);
    if (value.is_bool()) return value.as_bool() ? "yes" : "no";
    return json::serialize(value);
}

// One figure a line, groups under their names: whatever the daemon tells is shown, also what a newer one adds.
void print_object(const json::object& object, int depth) {
    for (const auto& member : object) {
        const std::string key = words({member.key().data(), member.key().size()});
        const std::string margin(static_cast<std::size_t>(depth * kIndent), ' ');
        if (const auto* inner = member.value().if_object()) {
            print(fmt::format("{}{}\n", margin, key));
            print_object(*inner, depth + 1);
        } else if (const auto* list = member.value().if_array();
                   list != nullptr && (list->empty() || list->front().is_object())) {
            if (list->empty()) {
                print(fmt::format("{}{:<{}} none\n", margin, key, 32 - depth * kIndent));
                continue;
            }
            print(fmt::format("{}{}\n", margin, key));
            for (const json::value& one : *list) print(fmt::format("{}  {}\n", margin, figures_line(one.as_object())));
        } else if (!(member.value().is_string() && member.value().as_string().empty())) {
            print(fmt::format("{}{:<{}} {}\n", margin, key, 32 - depth * kIndent, shown(member.value())));
        }
    }
}

struct StatusCommand : DaemonOptions {
    std::string by = "domain";
    std::uint32_t limit = 10;
};

// Adds what another endpoint tells; where it cannot, the rest is shown all the same.
void add(const DaemonOptions& options, const std::string& target, json::object& to) {
    Asked asked = ask(options, "GET", target);
    if (asked.code != exit_code::kOk) return;
    for (auto& member : asked.body.as_object()) to[member.key()] = std::move(member.value());
}

int status(const StatusCommand& options) {
    Asked asked = ask(options, "GET", "/v1/status");
    if (asked.code != exit_code::kOk) return asked.code;
    json::object& all = asked.body.as_object();
    add(options, fmt::format("/v1/survey?by={}&limit={}", options.by, options.limit), all);
    add(options, "/v1/alarms", all);
    if (options.json) {
        print_json(json::serialize(all));
        return exit_code::kOk;
    }
    print(overview_text(all));
    for (const char* shown : {"ages", "success", "alarms"}) all.erase(shown);
    if (json::value* daemon = all.if_contains("daemon"); daemon != nullptr && daemon->is_object())
        for (const char* shown : {"pairs", "shaping", "relay_troubles", "unsigned_domains", "oldest_seconds"}) daemon->as_object().erase(shown);
    print("\n");
    print_object(all, 0);
    return exit_code::kOk;
}

int metrics(const DaemonOptions& options) {
    const Asked asked = ask_for_text(options, "/metrics");
    if (asked.code == exit_code::kOk) print(asked.text);
    return asked.code;
}

}  // namespace

void add_status_commands(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("status", "Show how the running daemon is");
    auto options = std::make_shared<StatusCommand>();
    add_daemon_options(*command, *options);
    command->add_option("--by", options->by, "What the table of ages is by: domain (of recipients), sender (domain), provider")
        ->check(CLI::IsMember({"domain", "sender", "provider"}))
        ->capture_default_str();
    command->add_option("--limit", options->limit, "At most so many lines of that table")->check(CLI::Range(1U, 1000U))->capture_default_str();
    command->callback([options, &action] { action = [options] { return status(*options); }; });

    command = app.add_subcommand("metrics", "Print the daemon's figures in Prometheus' text format");
    auto for_metrics = std::make_shared<DaemonOptions>();
    add_config_option(*command, for_metrics->config_path);
    command->add_option("--socket", for_metrics->socket, "The daemon's admin socket, instead of the configuration's")
        ->type_name("PATH");
    command->callback([for_metrics, &action] { action = [for_metrics] { return metrics(*for_metrics); }; });
}

}  // namespace posthorn::app
