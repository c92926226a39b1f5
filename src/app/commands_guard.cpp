// `posthorn guard list` and `posthorn guard forgive`: addresses that failed at the door of the running daemon.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "admin/client.hpp"
#include "app/daemon_call.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

struct GuardCommand {
    DaemonOptions daemon;
    std::string address;
    bool all = false;
};

std::string in_words(std::int64_t seconds) {
    if (seconds >= 3600) return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
    if (seconds >= 60) return fmt::format("{} min", (seconds + 59) / 60);
    return fmt::format("{} s", seconds);
}

std::string address_line(const json::object& one) {
    const std::int64_t seconds = one.at("banned_seconds").to_number<std::int64_t>();
    const std::string address(one.at("address").as_string());
    const std::string reason(one.at("reason").as_string());
    if (seconds > 0) {
        return fmt::format("{:<40} banned for {}; ban {}, {} connections turned away; last: {}\n", address,
                           in_words(seconds), one.at("bans").to_number<std::int64_t>(),
                           one.at("turned_away").to_number<std::int64_t>(), reason);
    }
    const double failures = one.at("failures").to_number<double>();
    const std::int64_t bans = one.at("bans").to_number<std::int64_t>();
    return fmt::format("{:<40} {:g} failure{}, {} ban{} before; last: {}\n", address, failures, failures == 1 ? "" : "s", bans,
                       bans == 1 ? "" : "s", reason);
}

int list(const GuardCommand& options) {
    const Asked asked = ask(options.daemon, "GET", "/v1/guard");
    if (asked.code != exit_code::kOk) return asked.code;
    if (options.daemon.json) {
        print_json(json::serialize(asked.body));
        return exit_code::kOk;
    }
    const json::array& addresses = asked.body.as_object().at("addresses").as_array();
    for (const json::value& one : addresses) print(address_line(one.as_object()));
    if (addresses.empty()) print("Nothing is held against any address.\n");
    return exit_code::kOk;
}

int forgive(const GuardCommand& options) {
    if (options.all == !options.address.empty()) {
        complain("name an address, as `posthorn guard list` shows it, or --all");
        return exit_code::kUsage;
    }
    const std::string query = options.all ? "all=true" : "address=" + admin::url_encode(options.address);
    const Asked asked = ask(options.daemon, "POST", "/v1/guard/forgive?" + query);
    if (asked.code != exit_code::kOk) return asked.code;
    const bool known = asked.body.as_object().at("forgiven").as_bool();
    if (options.daemon.json) {
        print_json(json::serialize(asked.body));
    } else {
        print(options.all ? "All addresses are forgiven.\n"
                          : fmt::format("{}: {}\n", options.address,
                                        known ? "forgiven; it may connect and log in at once"
                                              : "nothing is held against it; `posthorn guard list` shows the others"));
    }
    return exit_code::kOk;
}

}  // namespace

void add_guard_commands(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("guard", "Addresses that failed at the door: wrong passwords, bans");
    group->require_subcommand(1);

    auto* command = group->add_subcommand("list", "List them, the banned first");
    auto listing = std::make_shared<GuardCommand>();
    add_daemon_options(*command, listing->daemon);
    command->callback([listing, &action] { action = [listing] { return list(*listing); }; });

    command = group->add_subcommand("forgive", "Forget what one did, and lift its ban");
    auto forgiving = std::make_shared<GuardCommand>();
    command->add_option("ADDRESS", forgiving->address, "The address, as `posthorn guard list` and the log show it");
    command->add_flag("--all", forgiving->all, "All of them");
    add_daemon_options(*command, forgiving->daemon);
    command->callback([forgiving, &action] { action = [forgiving] { return forgive(*forgiving); }; });
}

}  // namespace posthorn::app
