// `posthorn queue list|show|retry|hold|release|bounce|delete`: the waiting mail, asked of the running daemon.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "admin/client.hpp"
#include "app/daemon_call.hpp"
#include "app/queue_view.hpp"
#include "base/queue_id.hpp"
#include "net/system_users.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

struct QueueCommand : DaemonOptions {
    std::string id;
    std::string domain;
    std::string from;
    std::string user;
    std::string after;
    std::uint32_t limit = 100;
};

int list(const QueueCommand& options) {
    // Pages of the daemon's own bound, so that no answer is large however long the queue is.
    constexpr std::uint32_t kPage = 100;
    std::string after = options.after;
    std::uint32_t left = options.limit;
    json::array all;
    std::size_t shown = 0;
    const TimePoint now = wall_now();
    while (left > 0) {
        std::string target = fmt::format("/v1/queue?limit={}", std::min(left, kPage));
        if (!after.empty()) {
            target += "&after=" + admin::url_encode(after);
        }
        if (!options.domain.empty()) {
            target += "&domain=" + admin::url_encode(options.domain);
        }
        if (!options.from.empty()) {
            target += "&from=" + admin::url_encode(options.from);
        }
        if (!options.user.empty()) {
            target += "&user=" + admin::url_encode(options.user);
            const auto uid = net::look_up_uid(options.user);
            if (uid) target += "&uid=" + std::to_string(*uid);
        }
        Asked page = ask(options, "GET", target);
        if (page.code != exit_code::kOk) {
            return page.code;
        }
        json::object& body = page.body.as_object();
        json::array& messages = body["messages"].as_array();
        shown += messages.size();
        left -= static_cast<std::uint32_t>(std::min<std::size_t>(messages.size(), left));
        for (json::value& message : messages) {
            if (options.json) {
                all.push_back(std::move(message));
            } else {
                print(message_lines(message.as_object(), now));
            }
        }
        const json::value next = body["next"];
        after = next.is_string() ? std::string(next.as_string()) : std::string();
        if (after.empty()) {
            break;
        }
    }
    if (options.json) {
        json::object out;
        out["messages"] = std::move(all);
        out["next"] = nullptr;
        if (!after.empty()) {
            out["next"] = after;
        }
        print_json(json::serialize(out));
        return exit_code::kOk;
    }
    print(shown == 0 ? "No mail is waiting.\n"
                     : fmt::format("{} message{}{}\n", shown, shown == 1 ? "" : "s",
                                   after.empty() ? "." : "; more with --after " + after));
    return exit_code::kOk;
}

int show(const QueueCommand& options) {
    const Asked asked = ask(options, "GET", "/v1/queue/" + admin::url_encode(options.id));
    if (asked.code == exit_code::kOk) {
        if (options.json)
            print_json(json::serialize(asked.body));
        else
            print(message_page(asked.body.as_object(), wall_now()));
    }
    return asked.code;
}

// Why `retry` and the like found nothing to do.
std::string why_nothing(const QueueCommand& options, std::string_view suffix) {
    constexpr std::string_view kCommon = "its recipients are so already, or are being tried just now";
    if (suffix != "/retry" && suffix != "/release") return std::string(kCommon);
    const Asked asked = ask(options, "GET", "/v1/queue/" + admin::url_encode(options.id));
    if (asked.code != exit_code::kOk || !asked.body.as_object().contains("suspension"))
        return std::string(kCommon);
    return "its user is suspended, and `posthorn user resume` lets his mail go on (`posthorn queue show` "
           "names him)";
}

int revise(const QueueCommand& options, const std::string& method, const std::string& suffix,
           std::string_view done) {
    const Asked asked = ask(options, method, "/v1/queue/" + admin::url_encode(options.id) + suffix);
    if (asked.code != exit_code::kOk) {
        return asked.code;
    }
    const json::value* recipients = asked.body.as_object().if_contains("recipients");
    const auto count = recipients != nullptr && recipients->is_int64() ? recipients->as_int64() : 0;
    if (options.json) {
        print_json(json::serialize(asked.body));
    } else {
        print(count == 0
                  ? fmt::format("{}: nothing to change; {}\n", options.id, why_nothing(options, suffix))
                  : fmt::format("{}: {} recipient{} {}\n", options.id, count, count == 1 ? "" : "s", done));
    }
    return exit_code::kOk;
}

std::shared_ptr<QueueCommand> add_command(CLI::App& group, CLI::App*& command, const char* name,
                                          const char* help, bool id) {
    command = group.add_subcommand(name, help);
    auto options = std::make_shared<QueueCommand>();
    if (id) {
        command->add_option("ID", options->id, "The queue id, as `posthorn queue list` and the log show it")
            ->required()
            ->check([](const std::string& text) {
                return QueueId::parse(text)
                           ? std::string()
                           : "a queue id has 13 letters and digits; `posthorn queue list` shows them";
            });
    }
    add_daemon_options(*command, *options);
    return options;
}

int flush(const QueueCommand& options) {
    std::string target = "/mailq/flush";
    if (!options.id.empty()) target += "?id=" + admin::url_encode(options.id);
    if (!options.domain.empty()) target += "?site=" + admin::url_encode(options.domain);
    return order(options, target);
}

}  // namespace

void add_queue_commands(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("queue", "The mail that waits");
    group->require_subcommand(1);
    CLI::App* command = nullptr;

    auto listing = add_command(*group, command, "list", "List waiting messages, oldest first", false);
    command->add_option("--limit", listing->limit, "At most so many")
        ->check(CLI::Range(1U, 10'000'000U))
        ->capture_default_str();
    command->add_option("--after", listing->after, "Begin after this queue id")->type_name("ID");
    command->add_option("--domain", listing->domain, "Only mail to this domain");
    command->add_option("--from", listing->from, "Only mail from this envelope sender")->type_name("ADDRESS");
    command->add_option("--user", listing->user, "Only mail that this user handed in: a login, a system user or his number")
        ->type_name("NAME");
    command->callback([listing, &action] { action = [listing] { return list(*listing); }; });

    auto showing = add_command(*group, command, "show",
                               "Show one message: what happened, why it waits, when it is tried next", true);
    command->callback([showing, &action] { action = [showing] { return show(*showing); }; });

    const auto add_revision = [&](const char* name, const char* help, const char* method, std::string suffix,
                                  const char* done) {
        auto options = add_command(*group, command, name, help, true);
        command->callback([options, method, suffix, done, &action] {
            action = [options, method, suffix, done] { return revise(*options, method, suffix, done); };
        });
    };
    add_revision("retry", "Try a message now, also one that is held", "POST", "/retry", "tried now");
    add_revision("hold", "Keep a message until it is released", "POST", "/hold",
                 "held; `posthorn queue release` lets them go on");
    add_revision("release", "Let a held message go on", "POST", "/release", "released");
    add_revision("bounce", "Give a message up now; its sender is told", "POST", "/bounce",
                 "given up; the sender is told");
    add_revision("delete", "Delete a message; its sender is not told", "DELETE", "",
                 "deleted; the sender is not told");

    {
        auto* flushing = group->add_subcommand("flush", "Try now what waits, as `sendmail -q`; held mail stays held");
        auto options = std::make_shared<QueueCommand>();
        add_config_option(*flushing, options->config_path);
        flushing->add_option("--socket", options->socket, "The daemon's admin socket, instead of the configuration's")
            ->type_name("PATH");
        auto* id = flushing->add_option("--id", options->id, "Only this message")->type_name("ID");
        flushing->add_option("--domain", options->domain, "Only mail to this domain")->excludes(id);
        flushing->callback([options, &action] { action = [options] { return flush(*options); }; });
    }
    {
        auto* listing_all = app.add_subcommand("mailq", "Print the queue in the form of Postfix's mailq");
        auto options = std::make_shared<DaemonOptions>();
        add_config_option(*listing_all, options->config_path);
        listing_all->add_option("--socket", options->socket, "The daemon's admin socket, instead of the configuration's")
            ->type_name("PATH");
        listing_all->footer("Root sees all mail, every other user what he has handed in himself. Times are local.");
        listing_all->callback([options, &action] { action = [options] { return print_answer(*options, "/mailq"); }; });
    }
}

}  // namespace posthorn::app
