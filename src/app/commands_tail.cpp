// `posthorn tail`: what the running daemon does, as it does it.
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "admin/client.hpp"
#include "app/daemon_call.hpp"
#include "app/tail_view.hpp"
#include "base/queue_id.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

struct TailCommand : DaemonOptions {
    std::string domain;
    std::string id;
};

// Nobody reads our output any more: `posthorn tail | head`.
struct OutputEnded {};

void show(const TailCommand& options, std::string_view line) {
    if (line.empty()) return;  // a sign of life
    if (options.json) {
        print_json(line);
        return;
    }
    boost::system::error_code ec;
    const json::value event = json::parse(line, ec);
    if (ec || !event.is_object()) return;
    if (event.as_object().if_contains("event") != nullptr && event.as_object().at("event") == "watching") {
        complain("following the events; Ctrl-C ends it");
        return;
    }
    print(event_line(event.as_object()) + "\n");
}

int tail(const TailCommand& options) {
    std::string target = "/v1/events";
    if (!options.id.empty()) target += "?id=" + admin::url_encode(options.id);
    if (!options.domain.empty()) target += (options.id.empty() ? "?" : "&") + ("domain=" + admin::url_encode(options.domain));
    std::string line;
    try {
        return follow_answer(options, target, [&](std::string_view piece) {
            for (;;) {
                const std::size_t end = piece.find('\n');
                line += piece.substr(0, end);
                if (end == std::string_view::npos) break;
                piece.remove_prefix(end + 1);
                show(options, line);
                line.clear();
            }
            if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) throw OutputEnded{};
        });
    } catch (const OutputEnded&) {
        std::clearerr(stdout);
        return exit_code::kOk;
    }
}

}  // namespace

void add_tail_command(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("tail", "Follow what the running daemon does, live");
    auto options = std::make_shared<TailCommand>();
    add_daemon_options(*command, *options);
    command->add_option("--domain", options->domain, "Only what is about this domain, sender's or recipient's");
    command->add_option("--id", options->id, "Only what is about this message")->type_name("ID")->check([](const std::string& text) {
        return QueueId::parse(text) ? std::string() : "a queue id has 13 letters and digits; `posthorn queue list` shows them";
    });
    command->footer(
        "With --json one object a line, with the names of the log (docs/WHY.md). Who reads more slowly than mail goes is told how many "
        "events were left out; the daemon never waits for him. Times are UTC.");
    command->callback([options, &action] { action = [options] { return tail(*options); }; });
}

}  // namespace posthorn::app
