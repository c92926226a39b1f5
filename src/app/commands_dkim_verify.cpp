// `posthorn dkim verify FILE`: the signatures of a message, each with its verdict and why.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>

#include "app/command_line.hpp"
#include "app/dns_errand.hpp"
#include "app/signature_look.hpp"
#include "base/sysexits.hpp"
#include "base/text.hpp"
#include "dns/resolver.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;
using auth::dkim::SignatureReport;
using auth::dkim::SignatureResult;

constexpr std::size_t kMostMessageOctets = 256UL << 20;

struct VerifyCommand {
    std::string config_path;
    std::string file;
    bool json = false;
};

std::optional<std::string> read_message(const std::string& file) {
    std::ifstream opened;
    if (file != "-") opened.open(file, std::ios::binary);
    std::istream& in = file == "-" ? std::cin : opened;
    std::string message;
    char block[65536];
    while (in && message.size() <= kMostMessageOctets) {
        in.read(block, sizeof block);
        message.append(block, std::size_t(in.gcount()));
    }
    if ((file != "-" && !opened.is_open()) || in.bad()) {
        complain(fmt::format("{} cannot be read: give the file of a message as it was received, or - for standard input", file));
        return std::nullopt;
    }
    if (message.size() > kMostMessageOctets) {
        complain(fmt::format("{} is larger than {} MiB: this is no message", file, kMostMessageOctets >> 20));
        return std::nullopt;
    }
    return message;
}

json::object to_json(const SignatureReport& report) {
    json::object out;
    out["result"] = auth::dkim::to_string(report.result);
    out["domain"] = text::safe_for_log(report.domain);
    out["selector"] = text::safe_for_log(report.selector);
    out["algorithm"] = text::safe_for_log(report.algorithm);
    out["canonicalisation"] = report.canonicalisation;
    out["identity"] = text::safe_for_log(report.identity);
    out["words"] = report.words;
    out["key_bits"] = report.key_bits;
    out["testing"] = report.testing;
    out["expired"] = report.expired;
    if (report.body_octets) out["body_octets"] = *report.body_octets;
    json::array names;
    for (const std::string& name : report.signed_fields) names.push_back(json::string(text::safe_for_log(name)));
    out["signed_fields"] = std::move(names);
    return out;
}

std::string shown(const std::string& value) { return value.empty() ? "?" : text::safe_for_log(value, 255); }

void print_reports(const SignatureReports& reports) {
    if (reports.empty()) print("The message bears no DKIM-Signature.\n");
    for (const SignatureReport& report : reports) {
        print(fmt::format("{:<9} d={} s={} a={} c={}{}\n", auth::dkim::to_string(report.result), shown(report.domain), shown(report.selector),
                          shown(report.algorithm), report.canonicalisation,
                          report.key_bits > 0 ? fmt::format(", a key of {} bits", report.key_bits) : std::string()));
        if (!report.words.empty()) print(fmt::format("{:<9} {}\n", report.result == SignatureResult::pass ? "but" : "why", report.words));
    }
}

int code_of(const SignatureReports& reports) {
    bool unknown = false, bad = reports.empty();
    for (const SignatureReport& report : reports) {
        unknown = unknown || report.result == SignatureResult::temperror;
        bad = bad || (report.result != SignatureResult::pass && report.result != SignatureResult::temperror);
    }
    return bad ? exit_code::kFailure : unknown ? exit_code::kTempFail : exit_code::kOk;
}

int verify(const VerifyCommand& command) {
    const std::optional<std::string> message = read_message(command.file);
    if (!message) return exit_code::kNoInput;
    // A machine without a configuration of ours has a resolver, too.
    dns::DnsOptions options;
    if (::access(command.config_path.c_str(), F_OK) == 0) {
        const auto config = load_config(command.config_path);
        if (!config) return exit_code::kConfig;
        options = config->dns;
    }
    options.authority_servers = 0;  // what receivers see is what their resolvers say
    const TimePoint now = wall_now();
    SignatureReports reports;
    const Result<void> done =
        run_dns_errand(options, [&](dns::Resolver& resolver) { return look_at_signatures(resolver, *message, now, reports); });
    if (!done) {
        complain(done.error().what);
        return exit_code::kOsError;
    }
    if (command.json) {
        json::array all;
        for (const SignatureReport& report : reports) all.push_back(to_json(report));
        print_json(json::serialize(json::object{{"signatures", std::move(all)}}));
    } else {
        print_reports(reports);
    }
    return code_of(reports);
}

}  // namespace

void add_dkim_verify_command(CLI::App& group, Action& action) {
    auto* command = group.add_subcommand("verify", "Verify the DKIM signatures of a message, and say of each that does not hold why not");
    auto options = std::make_shared<VerifyCommand>();
    command->add_option("FILE", options->file, "The message as it was received; - for standard input")->required();
    command->add_flag("--json", options->json, "Print JSON");
    add_config_option(*command, options->config_path);
    command->footer("Exit code 0: every signature holds; 1: one does not, or there is none; 75: DNS did not tell a key. docs/KEYS.md.");
    command->callback([options, &action] { action = [options] { return verify(*options); }; });
}

}  // namespace posthorn::app
