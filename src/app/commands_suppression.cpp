// `posthorn suppression list|add|remove|import`: addresses that the running daemon sends no mail to.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "admin/client.hpp"
#include "app/daemon_call.hpp"
#include "base/text.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

// Of one request's addresses: a request's header is at most 8 KiB, and encoding may triple them.
constexpr std::size_t kOctetsAtOnce = 2000;

struct SuppressionCommand {
    DaemonOptions daemon;
    std::vector<std::string> addresses;
    std::string reason;
    std::string file;
};

struct Counted {
    std::uint64_t changed = 0, unchanged = 0;
};

// In as many requests as it takes; an error ends it, what was done before stays.
int change_all(const SuppressionCommand& options, bool add, Counted& counted) {
    for (std::size_t at = 0; at < options.addresses.size();) {
        std::string lines;
        while (at < options.addresses.size() && (lines.empty() || lines.size() + options.addresses[at].size() < kOctetsAtOnce))
            lines += options.addresses[at++] + "\n";
        std::string target = std::string("/v1/suppressions/") + (add ? "add" : "remove") + "?address=" + admin::url_encode(lines);
        if (add && !options.reason.empty()) target += "&reason=" + admin::url_encode(options.reason);
        const Asked asked = ask(options.daemon, "POST", target);
        if (asked.code != exit_code::kOk) return asked.code;
        const json::object& body = asked.body.as_object();
        counted.changed += body.at(add ? "added" : "removed").to_number<std::uint64_t>();
        counted.unchanged += body.at(add ? "known" : "unknown").to_number<std::uint64_t>();
    }
    return exit_code::kOk;
}

int change(const SuppressionCommand& options, bool add) {
    Counted counted;
    const int code = change_all(options, add, counted);
    if (code != exit_code::kOk) {
        if (counted.changed > 0) complain(fmt::format("before that, {} were {}", counted.changed, add ? "added" : "removed"));
        return code;
    }
    if (options.daemon.json) {
        json::object body;
        body[add ? "added" : "removed"] = counted.changed;
        body[add ? "known" : "unknown"] = counted.unchanged;
        print_json(json::serialize(body));
    } else if (add) {
        print(fmt::format("{} added; {} {} on the list already.\n", counted.changed, counted.unchanged, counted.unchanged == 1 ? "was" : "were"));
    } else {
        print(fmt::format("{} removed; {} {} not on the list.\n", counted.changed, counted.unchanged, counted.unchanged == 1 ? "was" : "were"));
    }
    return exit_code::kOk;
}

// Lines with an address each, or what other services export: the address is in the first column that has an "@".
std::vector<std::string> read_addresses(std::istream& in) {
    std::vector<std::string> addresses;
    for (std::string line; std::getline(in, line);) {
        const std::string_view whole = text::trim(line);
        if (whole.empty() || whole.front() == '#') continue;
        std::string_view rest = whole;
        while (!rest.empty()) {
            std::string_view field = text::trim(text::take_field(rest, ','));
            while (field.size() > 1 && field.front() == '"' && field.back() == '"') field = field.substr(1, field.size() - 2);
            if (field.find('@') == std::string_view::npos) continue;
            addresses.emplace_back(field);
            break;
        }
    }
    return addresses;
}

int import(SuppressionCommand options) {
    if (options.file == "-") {
        options.addresses = read_addresses(std::cin);
    } else {
        std::ifstream file(options.file);
        if (!file) {
            complain(options.file + " cannot be read");
            return exit_code::kNoInput;
        }
        options.addresses = read_addresses(file);
    }
    if (options.addresses.empty()) {
        complain("there is no address in it: one a line is expected, or a table whose columns are parted by commas");
        return exit_code::kDataError;
    }
    if (options.reason.empty()) options.reason = "imported";
    return change(options, true);
}

int list(const SuppressionCommand& options) {
    std::string after;
    std::size_t count = 0;
    for (bool more = true; more;) {
        const Asked asked = ask(options.daemon, "GET", "/v1/suppressions?limit=1000&after=" + admin::url_encode(after));
        if (asked.code != exit_code::kOk) return asked.code;
        const json::object& body = asked.body.as_object();
        for (const json::value& value : body.at("suppressed").as_array()) {
            ++count;
            if (options.daemon.json) {
                print_json(json::serialize(value));
                continue;
            }
            const json::object& one = value.as_object();
            std::string reply(one.at("reply").as_string());
            for (char& c : reply)
                if (c == '\r' || c == '\n') c = ' ';
            print(fmt::format("{:<40} since {}, {}{}{}\n", std::string_view(one.at("address").as_string()),
                              std::string_view(one.at("since").as_string()).substr(0, 10), std::string_view(one.at("class").as_string()),
                              reply.empty() ? "" : ": ", reply));
        }
        more = body.at("next").is_string();
        if (more) after = std::string(body.at("next").as_string());
    }
    if (count == 0 && !options.daemon.json) print("No address is suppressed.\n");
    return exit_code::kOk;
}

}  // namespace

void add_suppression_commands(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("suppression", "Addresses that no mail goes to: those that were refused for good, and yours");
    group->require_subcommand(1);

    auto* command = group->add_subcommand("list", "List them, by address; with --json one object a line");
    auto listing = std::make_shared<SuppressionCommand>();
    add_daemon_options(*command, listing->daemon);
    command->callback([listing, &action] { action = [listing] { return list(*listing); }; });

    command = group->add_subcommand("add", "Send an address no mail any more ([suppression] mail says which mail)");
    auto adding = std::make_shared<SuppressionCommand>();
    command->add_option("ADDRESS", adding->addresses, "One or several")->required();
    command->add_option("--reason", adding->reason, "Why; senders are told");
    add_daemon_options(*command, adding->daemon);
    command->callback([adding, &action] { action = [adding] { return change(*adding, true); }; });

    command = group->add_subcommand("remove", "Send to it again");
    auto removing = std::make_shared<SuppressionCommand>();
    command->add_option("ADDRESS", removing->addresses, "One or several")->required();
    add_daemon_options(*command, removing->daemon);
    command->callback([removing, &action] { action = [removing] { return change(*removing, false); }; });

    command = group->add_subcommand("import", "Add all addresses of a file, as other services export them");
    auto importing = std::make_shared<SuppressionCommand>();
    command->add_option("FILE", importing->file, "Lines with an address each, or a table whose columns are parted by commas; - for standard input")
        ->required();
    command->add_option("--reason", importing->reason, "Why; senders are told. Default: imported");
    add_daemon_options(*command, importing->daemon);
    command->callback([importing, &action] { action = [importing] { return import(*importing); }; });
}

}  // namespace posthorn::app
