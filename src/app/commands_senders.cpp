// `posthorn senders`: who has sent how much of late, by user and script, asked of the running daemon.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "app/daemon_call.hpp"
#include "base/text.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

struct SendersCommand : DaemonOptions {
    std::uint32_t limit = 30;
};

std::string sender_line(const json::object& one) {
    const auto count = [&](const char* window, const char* what) {
        return one.at(window).as_object().at(what).to_number<std::uint64_t>();
    };
    const std::string source(one.at("source").as_string()), user(one.at("user").as_string());
    std::string who = text::safe_for_log(user.empty() ? source : user + " " + source, 100);
    if (one.at("suspended").as_bool()) who += " (suspended)";
    const std::string means(one.at("means").as_string());
    return fmt::format("{:>7} {:>7} {:>8} {:>8}  {:<24} {}\n", count("hour", "messages"), count("hour", "recipients"),
                       count("day", "messages"), count("day", "recipients"), who,
                       means.empty() ? "-" : text::safe_for_log(means, 400));
}

int senders(const SendersCommand& options) {
    const Asked asked = ask(options, "GET", "/v1/senders");
    if (asked.code != exit_code::kOk) return asked.code;
    if (options.json) {
        print_json(json::serialize(asked.body));
        return exit_code::kOk;
    }
    const json::array& all = asked.body.as_object().at("senders").as_array();
    if (all.empty()) {
        print("Nobody has sent anything since the daemon began, or for a day.\n");
        return exit_code::kOk;
    }
    print("--- last hour ---  ---- last day ----\n  mails   rcpts    mails    rcpts  user                     script, directory or program\n");
    for (std::size_t i = 0; i < all.size() && i < options.limit; ++i) print(sender_line(all[i].as_object()));
    if (all.size() > options.limit) print(fmt::format("and {} more; --limit shows them\n", all.size() - options.limit));
    return exit_code::kOk;
}

}  // namespace

void add_senders_command(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("senders", "Show who has sent how much in the last hour and day, by user and script");
    auto options = std::make_shared<SendersCommand>();
    add_daemon_options(*command, *options);
    command->add_option("--limit", options->limit, "At most so many, those who sent most first")->capture_default_str();
    command->footer(
        "To find the site that was broken into: PHP names the script where mail.add_x_header is on in php.ini; else the directory "
        "is shown in which PHP ran. Then `posthorn queue list --user NAME`, `posthorn suspend --user NAME`. Counted since the "
        "daemon began.");
    command->callback([options, &action] { action = [options] { return senders(*options); }; });
}

}  // namespace posthorn::app
