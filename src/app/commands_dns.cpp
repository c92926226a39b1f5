// `posthorn dns show [DOMAIN]`: what must stand in DNS for a domain's mail, whether it does, and in which
// words to enter it.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <iterator>
#include <map>
#include <memory>
#include <optional>

#include "app/command_line.hpp"
#include "app/dns_errand.hpp"
#include "app/examination_desk.hpp"
#include "app/plan.hpp"
#include "app/records_view.hpp"
#include "auth/dkim/key_directory.hpp"
#include "auth/dkim/record.hpp"
#include "base/sysexits.hpp"
#include "base/text.hpp"
#include "delivery/diagnosing.hpp"
#include "delivery/examination.hpp"
#include "delivery/inquiry.hpp"
#include "dns/resolver.hpp"
#include "mail/domain.hpp"
#include "mail/organisational_domain.hpp"
#include "net/interfaces.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;
using setup::RecordsQuestion;
using setup::WantedRecord;

constexpr auto kDnsShowPatience = std::chrono::seconds(40);
// Where nobody tells our own addresses for so long, nobody is asked for long about the rest: two tries at two servers fit in.
constexpr auto kSilencePatience = std::chrono::seconds(12);
constexpr auto kLastPatience = std::chrono::seconds(3);

struct DnsShowCommand {
    std::string config_path;
    std::string domain;
    std::string form = "all";
    std::string zone;
    std::string report_to;
    std::vector<std::string> ips;
    bool missing = false;
    bool offline = false;
    bool json = false;
};

const std::map<std::string, RecordForm> kRecordForms = {
    {"all", RecordForm::all},   {"brief", RecordForm::brief},     {"zone", RecordForm::zone},
    {"line", RecordForm::line}, {"route53", RecordForm::route53}, {"json", RecordForm::json}};

// Where remarks for the operator go: to standard error, or beside the records in JSON.
using Remark = std::function<void(std::string_view)>;

// The keys whose records must be in DNS: fixed ones, and those of a key directory in their stages. False: one
// cannot be read; it was told.
bool add_selectors(const auth::DomainOptions& domain, RecordsQuestion& question, const Remark& remark) {
    const auto keys = auth::dkim::domain_keys(domain);
    if (!keys) {
        remark(keys.error().what);
        return false;
    }
    bool good = true;
    for (const auth::dkim::DomainKey& key : auth::dkim::published_keys(*keys)) {
        const auto loaded = auth::dkim::PrivateKey::load(key.key_file);
        if (!loaded) {
            remark(loaded.error().what);
            good = false;
            continue;
        }
        question.keys.emplace_back(
            key.selector, auth::dkim::key_record(domain.name, key.selector, **loaded).value,
            key.managed ? std::string(auth::dkim::to_string(key.stage)) : std::string());
    }
    return good;
}

// What is asked of the settings; the host name's addresses come later, from DNS.
std::optional<RecordsQuestion> records_question(const DnsShowCommand& command, const Plan& plan,
                                                const std::string& domain,
                                                delivery::DiagnosisQuestion& sender, const Remark& remark) {
    sender = delivery::question_about(*plan.settings, domain, domain, "");
    if (!command.ips.empty()) sender.ips.clear();
    for (const std::string& text : command.ips) {
        const auto ip = IpAddress::parse(text);
        if (!ip) {
            remark(fmt::format("--ip {}: no IP address", text));
            return std::nullopt;
        }
        sender.ips.push_back(*ip);
    }
    RecordsQuestion question;
    question.domain = domain;
    question.hostname = sender.helo;
    question.ipv6 = sender.ipv6;
    question.report_to = sender.report_to;
    question.tls_report_to = sender.report_to;
    if (!command.report_to.empty()) question.report_to = "mailto:" + command.report_to;
    // The longest configured name that covers the domain signs for it (auth/dkim/keys.hpp).
    const auth::DomainOptions* signs = nullptr;
    for (const auth::DomainOptions& one : plan.config.auth.domains)
        if (mail::is_subdomain_of(domain, one.name) &&
            (signs == nullptr || one.name.size() > signs->name.size()))
            signs = &one;
    if (signs == nullptr)
        remark(
            fmt::format("{} has no [[domain]] section that covers {}, so that there is no DKIM record to "
                        "show: `posthorn domain add {}` makes one",
                        command.config_path, domain, domain));
    else if (!add_selectors(*signs, question, remark))
        remark(fmt::format("not all DKIM records of {} can be shown", signs->name));
    return question;
}

// Nobody else may be asked: public addresses that the machine itself has.
std::vector<IpAddress> own_public_addresses(bool ipv6) {
    std::vector<IpAddress> found;
    for (const IpAddress& ip : net::interface_addresses())
        if (!ip.is_private() && (ipv6 || ip.is_v4())) found.push_back(ip);
    constexpr std::size_t kMost = 4;  // temporary addresses of IPv6 come and go
    if (found.size() > kMost) found.resize(kMost, found.front());
    return found;
}

// Named, since a coroutine may not build them within a co_await (docs/COROUTINES.md).
delivery::DnsRules address_rules(const delivery::DiagnosisQuestion& sender) {
    delivery::DnsRules rules;
    rules.wanted = [&sender](const auth::DnsAnswers& known) {
        std::vector<auth::DnsQuestion> open;
        for (auth::DnsQuestion& one : delivery::ask_own_addresses(sender))
            if (known.find(one) == nullptr) open.push_back(std::move(one));
        return open;
    };
    return rules;
}
// Something was asked, and nothing was answered, not even that there is no such name.
bool is_silent(const delivery::DiagnosisQuestion& sender, const auth::DnsAnswers& known) {
    const std::vector<auth::DnsQuestion> asked = delivery::ask_own_addresses(sender);
    return !asked.empty() && std::all_of(asked.begin(), asked.end(), [&](const auth::DnsQuestion& one) {
        const auth::DnsAnswer* answer = known.find(one);
        return answer == nullptr || answer->status == auth::DnsStatus::temporary;
    });
}
delivery::DnsRules record_rules(const RecordsQuestion& question) {
    delivery::DnsRules rules;
    rules.wanted = [&question](const auth::DnsAnswers& known) {
        return setup::wanted_records(question, known).wanted;
    };
    rules.ours = [&question](const std::string& name) { return setup::is_ours(question, name); };
    return rules;
}

net::awaitable<void> look_for_records(dns::Resolver& resolver, const delivery::DiagnosisQuestion& sender,
                                      RecordsQuestion& question, std::vector<WantedRecord>& found,
                                      std::chrono::seconds patience) {
    const SteadyTime begin = std::chrono::steady_clock::now();
    SteadyTime end = begin + patience;
    const SteadyTime addresses_end = begin + std::min<std::chrono::seconds>(patience, kSilencePatience);
    delivery::DnsViews nothing_yet;
    delivery::DnsRules first = address_rules(sender);
    delivery::DnsViews addresses =
        co_await delivery::inquire(resolver, std::move(first), std::move(nothing_yet), addresses_end);
    if (is_silent(sender, addresses.at_resolver)) end = std::min(end, std::chrono::steady_clock::now() + kLastPatience);
    question.ips = delivery::own_addresses(sender, addresses.at_resolver);
    if (question.ips.empty()) question.ips = own_public_addresses(question.ipv6);
    delivery::DnsRules rules = record_rules(question);
    delivery::DnsViews nothing_known;
    const delivery::DnsViews views =
        co_await delivery::inquire(resolver, std::move(rules), std::move(nothing_known), end);
    std::vector<std::vector<WantedRecord>> servers;
    for (const auth::DnsAnswers& view : views.at_authorities)
        servers.push_back(setup::wanted_records(question, view).records);
    found = setup::combine(setup::wanted_records(question, views.at_resolver).records, servers);
}

json::object records_json(const RecordsShown& shown, const RecordsQuestion& question) {
    json::object out;
    out["domain"] = shown.domain;
    out["hostname"] = question.hostname;
    json::array ips;
    for (const IpAddress& ip : question.ips) ips.push_back(json::string(ip.to_string()));
    out["ips"] = std::move(ips);
    out["asked"] = shown.asked;
    json::array records;
    for (const WantedRecord& one : shown.records) records.push_back(setup::to_json(one));
    out["records"] = std::move(records);
    return out;
}

// Something that mail needs is not as it must be: 1. Nothing such, but DNS did not answer: 75.
int code_of_records(const RecordsShown& shown) {
    bool wrong = false, unknown = false;
    for (const WantedRecord& one : shown.records) {
        if (one.need != setup::Need::required) continue;
        wrong =
            wrong || one.state == WantedRecord::State::missing || one.state == WantedRecord::State::differs;
        unknown = unknown || one.state == WantedRecord::State::unknown;
    }
    return !shown.asked ? exit_code::kOk
           : wrong      ? exit_code::kFailure
           : unknown    ? exit_code::kTempFail
                        : exit_code::kOk;
}

bool is_told(const std::vector<WantedRecord>& told, const WantedRecord& one) {
    return std::any_of(told.begin(), told.end(), [&](const WantedRecord& known) {
        return known.record.name == one.record.name && known.record.type == one.record.type &&
               known.record.value == one.record.value;
    });
}

// One domain: what is printed goes to `print`, or into `all` as JSON. told: see show_missing_records.
int show_records_of(const DnsShowCommand& command, const Plan& plan, const std::string& domain,
                    json::array& all, std::vector<WantedRecord>& told) {
    delivery::DiagnosisQuestion sender;
    std::optional<RecordsQuestion> question = records_question(command, plan, domain, sender, complain);
    if (!question) return exit_code::kDataError;
    RecordsShown shown;
    shown.domain = domain;
    shown.asked = !command.offline;
    if (command.offline) {
        question->ips = sender.ips.empty() ? own_public_addresses(question->ipv6) : sender.ips;
        shown.records = setup::wanted_records(*question, auth::DnsAnswers()).records;
    } else {
        const Result<void> done = run_dns_errand(plan.config.dns, [&](dns::Resolver& resolver) {
            return look_for_records(resolver, sender, *question, shown.records, kDnsShowPatience);
        });
        if (!done) {
            complain(done.error().what);
            return exit_code::kOsError;
        }
    }
    if (question->ips.empty())
        complain(
            fmt::format("our public address is not known: {} has none in DNS; name it with --ip, and the "
                        "records for it are shown, too",
                        question->hostname));
    shown.zone = command.zone;
    for (const WantedRecord& one : shown.records)
        if (shown.zone.empty() && one.kind == setup::RecordKind::spf) shown.zone = one.record.zone;
    const int code = code_of_records(shown);
    if (command.missing)
        std::erase_if(shown.records,
                      [](const WantedRecord& one) { return one.state == WantedRecord::State::present; });
    const RecordForm form = command.json ? RecordForm::json : kRecordForms.at(command.form);
    if (form == RecordForm::json) {
        all.push_back(records_json(shown, *question));
        return code;
    }
    if (form == RecordForm::brief) {
        shown.rest = std::erase_if(shown.records, [&](const WantedRecord& one) { return is_told(told, one); }) > 0;
        std::copy_if(shown.records.begin(), shown.records.end(), std::back_inserter(told),
                     [](const WantedRecord& one) { return one.need != setup::Need::hint; });
    }
    print(records_text(shown, form));
    if (const std::string remarks = records_remarks(shown, form); !remarks.empty()) complain(remarks);
    return code;
}

int show_records(DnsShowCommand command, std::vector<WantedRecord>& told) {
    std::optional<config::Config> config = load_config(command.config_path);
    if (!config) return exit_code::kConfig;
    std::vector<std::string> domains;
    if (!command.domain.empty()) {
        const auto domain = mail::to_ascii(
            command.domain.substr(command.domain.rfind('@') + 1));  // an address's domain is meant
        if (!domain) {
            complain(fmt::format("\"{}\" is no domain: {}", command.domain, domain.error().what));
            return exit_code::kDataError;
        }
        domains.push_back(*domain);
    } else {
        for (const auth::DomainOptions& one : config->auth.domains) domains.push_back(one.name);
    }
    if (domains.empty()) {
        complain(fmt::format("{} has no [[domain]]: name one, or add it with `posthorn domain add`",
                             command.config_path));
        return exit_code::kUsage;
    }
    if (domains.size() > 1 && command.form == "route53" && !command.json) {
        complain("there are several domains, and a change batch is for one hosted zone: name the domain");
        return exit_code::kUsage;
    }
    text::lower_in_place(command.zone);
    const Plan plan = make_plan(std::move(*config));
    if (!command.offline && ::isatty(STDERR_FILENO) != 0)
        complain(fmt::format("asking DNS, for at most {} s a domain", 2 * kDnsShowPatience.count()));
    int code = exit_code::kOk;
    json::array all;
    const std::size_t told_before = told.size();
    for (const std::string& domain : domains) {
        if (domains.size() > 1 && !command.json && (command.form == "all" || command.form == "brief"))
            print(fmt::format("{}=== {} ===\n\n", domain == domains.front() || command.form == "brief" ? "" : "\n", domain));
        const int one = show_records_of(command, plan, domain, all, told);
        if (code == exit_code::kOk || (one != exit_code::kOk && code == exit_code::kTempFail)) code = one;
    }
    if (command.json || command.form == "json")
        print_json(json::serialize(json::object{{"domains", std::move(all)}}));
    else if (told.size() > told_before)
        print(fmt::format("`posthorn dns show{}` has them for zone files and Route 53, too.\n",
                          domains.size() == 1 ? " " + domains.front() : std::string()));
    return code;
}

}  // namespace

Result<std::string> domain_records(const ExaminationOrder& order) {
    config::Loaded loaded = config::load(order.config_path);
    if (!loaded.mistakes.empty())
        return Error{"the configuration cannot be used as it is now, so nothing was looked at: " + loaded.mistakes.front().to_string()};
    const Plan plan = make_plan(std::move(loaded.config));
    DnsShowCommand command;
    command.config_path = order.config_path;
    json::array remarks;
    const Remark remark = [&remarks](std::string_view words) { remarks.emplace_back(words); };
    delivery::DiagnosisQuestion sender;
    std::optional<RecordsQuestion> question = records_question(command, plan, order.domain, sender, remark);
    if (!question) return Error{"\"" + order.domain + "\" cannot be asked about"};
    RecordsShown shown;
    shown.domain = order.domain;
    const Result<void> done = run_dns_errand(plan.config.dns, [&](dns::Resolver& resolver) {
        return look_for_records(resolver, sender, *question, shown.records, order.limit);
    }, order.stop);
    if (!done) return done.error();
    json::object out = records_json(shown, *question);
    for (const WantedRecord& one : shown.records)
        if (shown.zone.empty() && one.kind == setup::RecordKind::spf) shown.zone = one.record.zone;
    out["zone"] = shown.zone;
    out["remarks"] = std::move(remarks);
    return json::serialize(out);
}

int show_missing_records(const std::string& config_path, const std::string& domain,
                         const std::vector<std::string>& ips, bool offline,
                         std::vector<WantedRecord>& told) {
    DnsShowCommand command;
    command.config_path = config_path;
    command.domain = domain;
    command.ips = ips;
    command.missing = true;
    command.form = "brief";
    command.offline = offline;
    return show_records(command, told);
}

void add_dns_commands(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("dns", "The DNS records that mail needs");
    group->require_subcommand(1);
    auto* command = group->add_subcommand(
        "show", "Show every record that a domain must publish, in all forms, and whether it is there");
    auto options = std::make_shared<DnsShowCommand>();
    command->add_option("DOMAIN", options->domain, "The domain of From; without it all that are configured");
    command
        ->add_option("--format", options->form,
                     "all; brief (what a web panel asks for); zone (file); line (zone, host part, type, "
                     "value, for web panels); route53 (change batch); json")
        ->check(CLI::IsMember({"all", "brief", "zone", "line", "route53", "json"}))
        ->capture_default_str();
    command->add_flag("--missing", options->missing, "Only what is not there as it should be");
    command->add_flag("--offline", options->offline, "Ask nobody: the records of a domain that has none yet");
    command
        ->add_option("--ip", options->ips,
                     "A public address that mail leaves from; else those of delivery.source_v4/v6, the host "
                     "name, this machine")
        ->type_name("ADDRESS");
    command
        ->add_option("--report-to", options->report_to,
                     "Who gets the DMARC reports; else tlsrpt.contact, else the domain's postmaster")
        ->type_name("ADDRESS");
    command
        ->add_option("--zone", options->zone,
                     "With zone and route53: the zone that is meant; else that of the domain")
        ->type_name("ZONE");
    command->add_flag("--json", options->json, "The same as --format json");
    add_config_option(*command, options->config_path);
    command->footer(
        "Exit code 0: what mail needs is there; 1: something is missing or differs; 75: DNS did not answer "
        "everything. docs/DNS.md.");
    command->callback([options, &action] {
        action = [options] {
            std::vector<WantedRecord> told;
            return show_records(*options, told);
        };
    });
}

}  // namespace posthorn::app
