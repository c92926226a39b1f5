// `posthorn tlsrpt list|show|send`: what was counted of TLS with receiving servers, and the reports about it (RFC 8460).
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

struct TlsrptCommand : DaemonOptions {
    std::string domain;
    std::string day;
};

int list(const TlsrptCommand& options) {
    const Asked asked = ask(options, "GET", "/v1/tls-reports");
    if (asked.code != exit_code::kOk) return asked.code;
    if (options.json) {
        print_json(json::serialize(asked.body));
        return exit_code::kOk;
    }
    const json::array& days = asked.body.as_object().at("days").as_array();
    for (const json::value& value : days) {
        const json::object& one = value.as_object();
        print(fmt::format("{} {:<40} {} sessions, {} failed\n", std::string(one.at("day").as_string()),
                          std::string(one.at("domain").as_string()), one.at("sessions").to_number<std::int64_t>(),
                          one.at("failures").to_number<std::int64_t>()));
    }
    if (days.empty()) print("Nothing is counted. Reports are made where tlsrpt.contact is set.\n");
    return exit_code::kOk;
}

int show(const TlsrptCommand& options) {
    const Asked asked = ask(options, "GET",
                            fmt::format("/v1/tls-reports/show?day={}&domain={}", admin::url_encode(options.day),
                                        admin::url_encode(options.domain)));
    if (asked.code == exit_code::kOk) print_json(asked.text);
    return asked.code;
}

int send(const TlsrptCommand& options) {
    const Asked asked =
        ask(options, "POST", "/v1/tls-reports/send" + (options.day.empty() ? "" : "?day=" + admin::url_encode(options.day)));
    if (asked.code != exit_code::kOk) return asked.code;
    if (options.json) {
        print_json(json::serialize(asked.body));
        return exit_code::kOk;
    }
    const json::object& run = asked.body.as_object();
    print(fmt::format("{} reports sent; {} domains want none; {} are tried again later.\n", run.at("sent").to_number<std::int64_t>(),
                      run.at("unwanted").to_number<std::int64_t>(), run.at("later").to_number<std::int64_t>()));
    if (!run.at("finished").as_bool()) print("It goes on; the log tells the rest.\n");
    return exit_code::kOk;
}

}  // namespace

void add_tlsrpt_commands(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("tlsrpt", "Reports about TLS with receiving servers (RFC 8460)");
    group->require_subcommand(1);

    auto* command = group->add_subcommand("list", "List what is counted and not yet reported, by day (UTC) and domain");
    auto listing = std::make_shared<TlsrptCommand>();
    add_daemon_options(*command, *listing);
    command->callback([listing, &action] { action = [listing] { return list(*listing); }; });

    command = group->add_subcommand("show", "Print one report as it would be sent now");
    auto showing = std::make_shared<TlsrptCommand>();
    command->add_option("DOMAIN", showing->domain, "The recipients' domain")->required();
    command->add_option("DAY", showing->day, "The day in UTC: 2026-11-22")->required();
    add_daemon_options(*command, *showing);
    command->callback([showing, &action] { action = [showing] { return show(*showing); }; });

    command = group->add_subcommand("send", "Send the reports of all days that are over, without waiting for their hour");
    auto sending = std::make_shared<TlsrptCommand>();
    command->add_option("--day", sending->day, "Only those of this day");
    add_daemon_options(*command, *sending);
    command->callback([sending, &action] { action = [sending] { return send(*sending); }; });
}

}  // namespace posthorn::app
