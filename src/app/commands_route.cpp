// `posthorn route test`: what would happen to mail for an address, and why. Never sends anything.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <memory>
#include <optional>

#include "admin/client.hpp"
#include "app/daemon_call.hpp"
#include "app/json_members.hpp"
#include "app/plan.hpp"
#include "app/route_view.hpp"
#include "delivery/source_watch.hpp"
#include "dns/resolver.hpp"
#include "mail/address.hpp"
#include "net/asio.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

struct RouteCommand : DaemonOptions {
    std::string address;
    std::string sender;
};

struct Question {
    std::string domain;
    std::string sender_domain;
};

// Who waits before a terminal is told for what.
void tell(const std::string& what) {
    if (::isatty(STDERR_FILENO) != 0) complain(what);
}

// The running daemon knows more: which hosts do not answer, what is blocked, policies that it has fetched.
Result<json::object> ask_daemon(const std::string& socket, const Question& question) {
    const auto answer = admin::request(socket, "GET",
                                       "/v1/route?domain=" + admin::url_encode(question.domain) +
                                           "&sender=" + admin::url_encode(question.sender_domain));
    if (!answer) return answer.error();
    boost::system::error_code ec;
    json::value body = json::parse(answer->body, ec);
    if (answer->status != 200 || ec || !body.is_object())
        return Error{fmt::format("the daemon does not know the question (it answers {})", answer->status)};
    body.as_object()["asked"] = "the running daemon";
    return std::move(body.as_object());
}

net::awaitable<void> find_out(delivery::Dialler& dialler, delivery::SourceWatch& sources,
                              std::shared_ptr<const delivery::Settings> settings, Question question,
                              delivery::Explained& explained) {
    (void)co_await sources.look(settings);
    explained = co_await delivery::explain(dialler, std::move(question.domain),
                                           std::move(question.sender_domain), std::move(settings));
}

// By the configuration and DNS alone. `silence`: why the daemon was not asked.
std::optional<json::object> find_out_here(const std::string& config_path, const Question& question,
                                          const std::string& silence) {
    std::optional<config::Config> config = load_config(config_path);
    if (!config) return std::nullopt;
    Plan plan =
        make_plan(std::move(*config));  // its problems with keys and certificates are not about routes
    log::LogOptions quiet = plan.config.log;
    quiet.level = log::Level::error;
    log::configure(quiet);
    net::asio::io_context io;
    auto resolver = dns::Resolver::create(io.get_executor(), plan.config.dns);
    if (!resolver) {
        complain(resolver.error().what);
        return std::nullopt;
    }
    net::asio::thread_pool files(1);
    delivery::Explained explained;
    {
        delivery::SourceWatch sources(io.get_executor(), **resolver);
        delivery::Dialler dialler(**resolver, files);
        dialler.heed(nullptr, &sources);
        tell(fmt::format("asking DNS, for at most {} s", delivery::kExplainLimit / std::chrono::seconds(1)));
        explained.decision = delivery::not_found_out_in_time();
        net::asio::steady_timer limit(io, delivery::kExplainLimit);
        limit.async_wait([&io](const net::error_code&) { io.stop(); });
        auto work = find_out(dialler, sources, plan.settings, question, explained);
        net::asio::co_spawn(io, std::move(work),
                            [&io](std::exception_ptr) { net::asio::post(io, [&io] { io.stop(); }); });
        io.run();
        (*resolver)->close();
    }
    files.join();
    json::object out = route_json(question.domain, question.sender_domain, explained);
    out["asked"] = "the configuration and DNS, for no daemon answers: " + silence;
    if (out.contains("why") && out["way"] == "direct" && plan.config.delivery.mta_sts)
        out["why"].as_array().emplace_back(
            "MTA-STS policies were not looked at: the daemon fetches them and keeps them");
    return out;
}

void print_row(std::string_view name, std::string_view value) {
    if (!value.empty()) print(fmt::format("  {:<10} {}\n", name, value));
}

void print_host(const json::object& host) {
    print(fmt::format("    {} {}:{}\n", host.at("preference").to_number<int>(), text_of(host, "name"),
                      host.at("port").to_number<int>()));
    for (const json::value& address : host.at("addresses").as_array())
        print(fmt::format("      {} {}\n", text_of(address.as_object(), "address"),
                          text_of(address.as_object(), "health")));
    const std::string security = text_of(host, "security"), why = text_of(host, "why");
    if (security == "unusable")
        print(fmt::format("      cannot be used: {}\n", why));
    else
        print(fmt::format("      TLS: {}{}\n", security, why.empty() ? "" : "; " + why));
}

void print_route(const RouteCommand& command, const json::object& route) {
    print(command.address + (command.sender.empty() ? std::string() : " from " + command.sender) + "\n");
    if (!text_of(route, "outcome").empty()) {
        print_row("way", "none");
        print_row("outcome", text_of(route, "outcome") + ": " + text_of(route, "reply"));
        print_row("asked", text_of(route, "asked"));
        return;
    }
    const std::string relay = text_of(route, "relay");
    print_row("way", relay.empty() ? "directly, to the servers that DNS names" : "by the relay " + relay);
    print_row("login", text_of(route, "login"));
    print_row("fallback", text_of(route, "fallback"));
    print_row("provider", text_of(route, "provider"));
    for (const json::value& sentence : route.at("why").as_array())
        print_row("because", std::string(sentence.as_string()));
    print_row("MTA-STS", text_of(route, "mta_sts"));
    const json::object& source = route.at("source").as_object();
    const std::string v4 = text_of(source, "v4"), v6 = text_of(source, "v6");
    const std::string about_v6 = text_of(source, "why");
    print_row("from", fmt::format("IPv4 {}; IPv6 {}{}", v4.empty() ? "as the system chooses" : v4,
                            !source.at("ipv6_used").as_bool() ? "is not used"
                            : v6.empty()                      ? "as the system chooses"
                                                              : v6,
                            about_v6.empty() ? "" : " (" + about_v6 + ")"));
    for (const json::value& trouble : route.at("troubles").as_array())
        print_row("trouble", text_of(trouble.as_object(), "fault") + ": " + text_of(trouble.as_object(), "reply"));
    print_row("hosts", "in the order to try; equal preferences are shuffled");
    for (const json::value& host : route.at("hosts").as_array()) print_host(host.as_object());
    print_row("asked", text_of(route, "asked"));
}

// Mail would come back, as there is no such domain or none that takes mail: 68. Nobody can tell now, or no
// host can be used now: 75.
int code_of(const json::object& route) {
    const std::string outcome = text_of(route, "outcome");
    if (outcome == "failed") return exit_code::kNoHost;
    if (!outcome.empty()) return exit_code::kTempFail;
    bool all_refuse = true;
    for (const json::value& host : route.at("hosts").as_array()) {
        const json::object& one = host.as_object();
        if (text_of(one, "security") != "unusable" && !one.at("addresses").as_array().empty())
            return exit_code::kOk;
        all_refuse = all_refuse && one.contains("refuses") && one.at("refuses").as_bool();
    }
    return all_refuse ? exit_code::kNoHost : exit_code::kTempFail;
}

int test(const RouteCommand& command) {
    const auto address = mail::parse_address(command.address);
    if (!address || address->domain.empty()) {
        complain(fmt::format("\"{}\" is no address: {}", command.address,
                             address ? "it has no domain" : address.error().what));
        return exit_code::kDataError;
    }
    Question question;
    question.domain = address->domain;
    if (!command.sender.empty() && command.sender != "<>") {
        const auto sender = mail::parse_address(command.sender);
        if (!sender) {
            complain(fmt::format("\"{}\" is no address: {}", command.sender, sender.error().what));
            return exit_code::kDataError;
        }
        question.sender_domain = sender->domain;
    }
    const std::string socket =
        command.socket.empty() ? config::load(command.config_path).config.admin.socket : command.socket;
    std::optional<json::object> route;
    tell(fmt::format("asking the daemon, which asks DNS for at most {} s", delivery::kExplainLimit / std::chrono::seconds(1)));
    Result<json::object> told = ask_daemon(socket, question);
    if (told)
        route = std::move(*told);
    else
        route = find_out_here(command.config_path, question, told.error().what);
    if (!route) return exit_code::kConfig;
    (*route)["address"] = address->to_string();
    if (command.json)
        print_json(json::serialize(*route));
    else
        print_route(command, *route);
    return code_of(*route);
}

}  // namespace

void add_route_commands(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("route", "Where mail goes");
    group->require_subcommand(1);
    auto* command = group->add_subcommand("test",
                                          "Show what would happen to mail for an address, and why: rule, "
                                          "relay or hosts, TLS, source address. Sends nothing");
    auto options = std::make_shared<RouteCommand>();
    command->add_option("ADDRESS", options->address, "The recipient")->required();
    command
        ->add_option("--from", options->sender,
                     "The envelope's sender, for rules and source addresses that depend on it")
        ->type_name("SENDER");
    add_daemon_options(*command, *options);
    command->callback([options, &action] { action = [options] { return test(*options); }; });
}

}  // namespace posthorn::app
