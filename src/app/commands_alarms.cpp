// `posthorn alarms`, `posthorn alarms test`, `posthorn webhooks`, `posthorn webhooks replay`: what the operator and others are told.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "admin/client.hpp"
#include "app/daemon_call.hpp"
#include "app/json_members.hpp"
#include "base/text.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

struct EventsCommand : DaemonOptions {
    std::string name;
    std::uint64_t from = 0;
};

// Empty where the words are an event's id.
std::string wrong_number(const std::string& words) {
    if (const auto number = text::parse_unsigned(words, UINT32_MAX); number && *number > 0) return {};
    return "\"" + text::safe_for_log(words, 40) +
           "\" is no event's number; FROM is the \"id\" of the first event to tell again, a number from 1 on (`posthorn webhooks` shows what was put aside)";
}

// Below its headline: a text may have several lines, the records to publish among them.
std::string indented(std::string_view words) {
    std::string out;
    while (!words.empty()) {
        const std::string_view line = text::trim_right(text::take_field(words, '\n'));
        if (!line.empty()) out += fmt::format("    {}\n", line);
    }
    return out;
}

int list_alarms(const EventsCommand& options) {
    const Asked asked = ask(options, "GET", "/v1/alarms");
    if (asked.code != exit_code::kOk) return asked.code;
    if (options.json) {
        print_json(json::serialize(asked.body));
        return exit_code::kOk;
    }
    const json::array& alarms = asked.body.as_object().at("alarms").as_array();
    for (const json::value& value : alarms) {
        const json::object& one = value.as_object();
        print(fmt::format("{}  {}: {}\n{}{}", text_of(one, "since"), text_of(one, "alarm"), text_of(one, "subject"), indented(text_of(one, "text")),
                          indented(text_of(one, "advice"))));
    }
    if (alarms.empty()) print("No alarm is raised.\n");
    return exit_code::kOk;
}

int test_alarms(const EventsCommand& options) {
    const Asked asked = ask(options, "POST", "/v1/alarms/test");
    if (asked.code != exit_code::kOk) return asked.code;
    const json::object& test = asked.body.as_object();
    if (options.json) {
        print_json(json::serialize(asked.body));
    } else {
        for (const json::value& line : test.at("lines").as_array()) print(std::string(line.as_string()) + "\n");
    }
    return test.at("fine").as_bool() ? exit_code::kOk : exit_code::kUnavailable;
}

int list_webhooks(const EventsCommand& options) {
    const Asked asked = ask(options, "GET", "/v1/webhooks");
    if (asked.code != exit_code::kOk) return asked.code;
    if (options.json) {
        print_json(json::serialize(asked.body));
        return exit_code::kOk;
    }
    const json::array& webhooks = asked.body.as_object().at("webhooks").as_array();
    for (const json::value& value : webhooks) {
        const json::object& one = value.as_object();
        print(fmt::format("{}  {}\n    told up to {}; {} behind; {} events in {} requests since the start\n", text_of(one, "name"),
                          text_of(one, "url"), one.at("told_to").to_number<std::uint64_t>(), one.at("behind").to_number<std::uint64_t>(),
                          one.at("events").to_number<std::uint64_t>(), one.at("requests").to_number<std::uint64_t>()));
        if (const std::string since = text_of(one, "failing_since"); !since.empty())
            print(fmt::format("    takes nothing since {}: {}\n", since, text_of(one, "last_failure")));
        for (const json::value& range : one.at("put_aside").as_array()) {
            const json::object& put = range.as_object();
            print(fmt::format("    put aside: {} to {} ({}); posthorn webhooks replay {} {}\n", put.at("first").to_number<std::uint64_t>(),
                              put.at("last").to_number<std::uint64_t>(), text_of(put, "reply"), text_of(one, "name"),
                              put.at("first").to_number<std::uint64_t>()));
        }
    }
    if (webhooks.empty()) print("There is no [[webhook]].\n");
    return exit_code::kOk;
}

int replay(const EventsCommand& options) {
    const Asked asked =
        ask(options, "POST", fmt::format("/v1/webhooks/replay?name={}&from={}", admin::url_encode(options.name), options.from));
    if (asked.code == exit_code::kOk) print(fmt::format("{} is told everything from {} on once more.\n", options.name, options.from));
    return asked.code;
}

}  // namespace

void add_alarm_commands(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("alarms", "What the operator is told at once: list it, or test how");
    auto listing = std::make_shared<EventsCommand>();
    add_daemon_options(*group, *listing);
    auto* test = group->add_subcommand("test", "Send a test alarm by log, command and webhook, and say what came back");
    auto testing = std::make_shared<EventsCommand>();
    add_daemon_options(*test, *testing);
    test->callback([testing, &action] { action = [testing] { return test_alarms(*testing); }; });
    group->callback([group, listing, &action] {
        if (group->get_subcommands().empty()) action = [listing] { return list_alarms(*listing); };
    });

    auto* hooks = app.add_subcommand("webhooks", "Who is told what becomes of mail, and how far he is");
    auto showing = std::make_shared<EventsCommand>();
    add_daemon_options(*hooks, *showing);
    auto* again = hooks->add_subcommand("replay", "Tell a webhook everything from a number on once more, as far as the journal has it");
    auto replaying = std::make_shared<EventsCommand>();
    again->add_option("NAME", replaying->name, "The webhook")->required();
    again->add_option("FROM", replaying->from, "The first event's id")->required()->check(CLI::Validator(wrong_number, "NUMBER"));
    add_daemon_options(*again, *replaying);
    again->callback([replaying, &action] { action = [replaying] { return replay(*replaying); }; });
    hooks->callback([hooks, showing, &action] {
        if (hooks->get_subcommands().empty()) action = [showing] { return list_webhooks(*showing); };
    });
}

}  // namespace posthorn::app
