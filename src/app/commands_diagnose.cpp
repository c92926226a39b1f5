// `posthorn diagnose DOMAIN`: SPF, DKIM, DMARC and reverse DNS as receivers find them, what fails, and the records to publish.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <memory>
#include <optional>

#include "admin/client.hpp"
#include "app/daemon_call.hpp"
#include "app/diagnosis_view.hpp"
#include "app/dns_errand.hpp"
#include "app/json_members.hpp"
#include "app/plan.hpp"
#include "base/endpoint.hpp"
#include "delivery/diagnosing.hpp"
#include "dns/resolver.hpp"
#include "mail/address.hpp"
#include "mail/domain.hpp"
#include "net/asio.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

struct DiagnoseCommand : DaemonOptions {
    std::string domain;
    std::string sender;
    bool sender_given = false;
    std::string ip;
    std::string provider;
};

Result<json::object> ask_daemon(const std::string& socket, const DiagnoseCommand& command) {
    const auto answer = admin::request(
        socket, "GET",
        fmt::format("/v1/diagnosis?domain={}&sender={}{}", admin::url_encode(command.domain), admin::url_encode(command.sender),
                    command.ip.empty() ? std::string() : "&ip=" + admin::url_encode(command.ip)));
    if (!answer) return answer.error();
    boost::system::error_code ec;
    json::value body = json::parse(answer->body, ec);
    if (answer->status != 200 || ec || !body.is_object())
        return Error{"the daemon does not know the question (it answers ", std::to_string(answer->status), ")"};
    body.as_object()["asked"] = "the running daemon";
    return std::move(body.as_object());
}

net::awaitable<void> find_out(dns::Resolver& resolver, delivery::DiagnosisQuestion question, delivery::Diagnosis& found) {
    found = co_await delivery::diagnose(resolver, std::move(question), nullptr, kDiagnosisPatience);
}

// By the configuration and DNS alone. `silence`: why the daemon was not asked.
std::optional<json::object> find_out_here(const DiagnoseCommand& command, const std::string& silence) {
    std::optional<config::Config> config = load_config(command.config_path);
    if (!config) return std::nullopt;
    Plan plan = make_plan(std::move(*config));
    delivery::Diagnosis found;
    const Result<void> asked = run_dns_errand(plan.config.dns, [&](dns::Resolver& resolver) {
        return find_out(resolver, delivery::question_about(*plan.settings, command.domain, command.sender, command.ip), found);
    });
    if (!asked) {
        complain(asked.error().what);
        return std::nullopt;
    }
    json::object out = diagnosis_json(command.domain, command.sender, found);
    out["asked"] = "the configuration and DNS, for no daemon answers: " + silence;
    return out;
}

// Microsoft's hosts ask for the same, by whatever name `rules` and `why` call them.
std::string_view provider_of(const DiagnoseCommand& command) {
    return command.provider == "outlook" || command.provider == "m365" ? std::string_view("microsoft") : std::string_view(command.provider);
}

void print_diagnosis(const DiagnoseCommand& command, const json::object& told, const delivery::Diagnosis& diagnosis) {
    print(fmt::format("{}{}: {}.\n\n", command.domain,
                      command.sender == command.domain ? ""
                      : command.sender.empty()         ? " with the null sender"
                                                       : " with MAIL FROM of " + command.sender,
                      delivery::headline(diagnosis)));
    print(delivery::to_text(diagnosis));
    for (const json::value& value : told.at("providers").as_array()) {
        const json::object& one = value.as_object();
        if (command.provider.empty() || provider_of(command) == text_of(one, "provider"))
            print(fmt::format("{:<10} {}\n", text_of(one, "provider"), text_of(one, "words")));
    }
    print(fmt::format("asked      {}\n", text_of(told, "asked")));
}

// Something fails: 1. Nothing does, but DNS did not answer all: 75. Of one provider: what he asks for.
int code_of(const DiagnoseCommand& command, const delivery::Diagnosis& diagnosis) {
    bool unknown = diagnosis.facts.empty();
    const auto heed = [&](delivery::FactResult result) {
        unknown = unknown || result == delivery::FactResult::unknown;
        return result == delivery::FactResult::fail;
    };
    bool fails = false;
    if (command.provider.empty()) {
        for (const delivery::Fact& fact : diagnosis.facts) fails = heed(fact.result) || fails;
    } else {
        const delivery::Standing standing = delivery::standing_with(command.provider, diagnosis);
        fails = heed(standing.everyone);
        fails = heed(standing.bulk) || fails;
    }
    return fails ? exit_code::kFailure : unknown ? exit_code::kTempFail : exit_code::kOk;
}

int diagnose(DiagnoseCommand command) {
    // An address's domain is meant.
    if (const std::size_t at = command.domain.rfind('@'); at != std::string::npos) command.domain.erase(0, at + 1);
    const auto domain = mail::to_ascii(command.domain);
    if (!domain) {
        complain(fmt::format("\"{}\" is no domain: {}", command.domain, domain.error().what));
        return exit_code::kDataError;
    }
    command.domain = *domain;
    if (!command.sender_given) {
        command.sender = command.domain;
    } else if (command.sender == "<>") {
        command.sender.clear();
    } else {
        if (const std::size_t at = command.sender.rfind('@'); at != std::string::npos) command.sender.erase(0, at + 1);
        const auto sender = mail::to_ascii(command.sender);
        if (!sender) {
            complain(fmt::format("\"{}\" is no domain: {}", command.sender, sender.error().what));
            return exit_code::kDataError;
        }
        command.sender = *sender;
    }
    if (!command.ip.empty() && !IpAddress::parse(command.ip)) {
        complain(fmt::format("\"{}\" is no IP address", command.ip));
        return exit_code::kDataError;
    }
    const std::string socket = command.socket.empty() ? config::load(command.config_path).config.admin.socket : command.socket;
    if (::isatty(STDERR_FILENO) != 0) complain(fmt::format("asking DNS, for at most {} s", kDiagnosisPatience.count()));
    std::optional<json::object> told;
    Result<json::object> answer = ask_daemon(socket, command);
    if (answer)
        told = std::move(*answer);
    else
        told = find_out_here(command, answer.error().what);
    if (!told) return exit_code::kConfig;
    const Result<delivery::Diagnosis> diagnosis = delivery::diagnosis_from_json(json::serialize(*told));
    if (!diagnosis) {
        complain(diagnosis.error().what);
        return exit_code::kProtocol;
    }
    if (command.json)
        print_json(json::serialize(*told));
    else
        print_diagnosis(command, *told, *diagnosis);
    return code_of(command, *diagnosis);
}

}  // namespace

void add_diagnose_command(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "diagnose",
        "Look in DNS at what receivers judge mail of a domain by: SPF, DKIM, DMARC, reverse DNS; say what fails, and "
        "which records repair it");
    auto options = std::make_shared<DiagnoseCommand>();
    command->add_option("DOMAIN", options->domain, "The domain of From")->required();
    auto* sender =
        command->add_option("--from", options->sender, "The domain of MAIL FROM, where it is another; <> for the null sender")
            ->type_name("DOMAIN");
    command
        ->add_option("--ip", options->ip,
                     "Our public address; else that of delivery.source_v4 and source_v6, else those of the host name")
        ->type_name("ADDRESS");
    command->add_option("--provider", options->provider, "Judge by what this one asks for")
        ->check(CLI::IsMember({"google", "yahoo", "microsoft", "outlook", "m365", "apple", "docomo"}));
    command->footer(
        "The first line is the answer; records to publish stand at the margin, as a zone file takes them. Exit code 0: all is in order; "
        "1: something fails; 75: nothing fails, but DNS did not answer everything. docs/DIAGNOSIS.md.");
    add_daemon_options(*command, *options);
    command->callback([options, sender, &action] {
        options->sender_given = sender->count() > 0;
        action = [options] { return diagnose(*options); };
    });
}

}  // namespace posthorn::app
