// Gathers what the doctor needs from the configuration, this machine and the daemon, lets the visit run, and prints the report.
#include "app/doctor.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>

#include "admin/client.hpp"
#include "app/examination_desk.hpp"
#include "app/certificates.hpp"
#include "app/json_members.hpp"
#include "app/plan.hpp"
#include "auth/dkim/key_directory.hpp"
#include "auth/unsubscribe.hpp"
#include "auth/user_file.hpp"
#include "delivery/diagnosing.hpp"
#include "delivery/source_watch.hpp"
#include "dns/resolver.hpp"
#include "doctor/report_text.hpp"
#include "doctor/visit.hpp"
#include "mail/domain.hpp"
#include "mail/organisational_domain.hpp"
#include "net/asio.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;
using doctor::Finding;

bool is_wanted(const DoctorOptions& options, std::string_view check) {
    const auto has = [&](const std::vector<std::string>& list) { return std::find(list.begin(), list.end(), check) != list.end(); };
    return (options.only.empty() || has(options.only)) && !has(options.skip);
}

// One line on the terminal that is written over; nothing where standard error is no terminal.
class DoctorProgress {
public:
    void show(std::size_t done, std::size_t all, const std::string& what) {
        if (!terminal_) return;
        // Ends the line before its last column, so that it never wraps.
        constexpr std::size_t kLongest = 60;
        fmt::print(stderr, "\r\x1b[Klooking: {} of {} found out ({})", done, all, what.substr(0, kLongest - 20));
        std::fflush(stderr);
        shown_ = true;
    }
    void clear() {
        if (shown_) fmt::print(stderr, "\r\x1b[K");
        shown_ = false;
    }

private:
    bool terminal_ = ::isatty(STDERR_FILENO) != 0;
    bool shown_ = false;
};

std::optional<std::string> domain_to_examine(std::string text) {
    if (const std::size_t at = text.rfind('@'); at != std::string::npos) text.erase(0, at + 1);
    const auto domain = mail::to_ascii(text);
    if (domain && domain->find('.') != std::string::npos) return *domain;
    complain(fmt::format("\"{}\" is no domain: {}", text, domain ? "one looks like example.com" : domain.error().what));
    return std::nullopt;
}

// A label of 20 letters at random: nobody has registered it.
std::string odd_label() {
    std::random_device source;
    std::uniform_int_distribution<int> letter('a', 'z');
    std::string label = "posthorn-";
    for (int i = 0; i < 20; ++i) label += static_cast<char>(letter(source));
    return label;
}

// Where the kernel sends from, if that is a public address: behind NAT the EHLO name has to say it.
std::vector<IpAddress> public_kernel_sources(delivery::IpFamily family) {
    std::vector<IpAddress> found;
    const std::optional<IpAddress> v4 = family == delivery::IpFamily::v6 ? std::nullopt : doctor::kernel_source_v4();
    const std::optional<IpAddress> v6 = family == delivery::IpFamily::v4 ? std::nullopt : delivery::kernel_source_v6();
    if (v4 && v4->is_private()) return {};
    for (const std::optional<IpAddress>& one : {v4, v6})
        if (one && !one->is_private()) found.push_back(*one);
    return found;
}

std::string relay_of_all_mail(const delivery::DeliveryOptions& options) {
    for (const delivery::RouteOptions& route : options.routes) {
        const bool all = route.recipients.empty() || std::find(route.recipients.begin(), route.recipients.end(), "*") != route.recipients.end();
        if (all && route.senders.empty() && route.providers.empty()) return route.to == delivery::kDirect ? std::string() : route.to;
    }
    return {};
}

// The first key of a domain signs once its record is there: that record is what is to be looked for, and to be published.
void add_coming_keys(delivery::DiagnosisQuestion& question, const std::vector<auth::DomainOptions>& domains) {
    for (const auth::DomainOptions& domain : domains) {
        if (domain.name != question.from_domain) continue;
        const auto keys = auth::dkim::domain_keys(domain);
        if (!keys) return;
        for (const auth::dkim::DomainKey& known : *keys)
            if (known.stage == auth::dkim::KeyStage::pending || known.stage == auth::dkim::KeyStage::published)
                if (auto key = auth::dkim::PrivateKey::load(known.key_file)) question.signatures.emplace_back(domain.name, known.selector, std::move(*key));
    }
}

// Nothing: an option is wrong, and why was told.
std::optional<doctor::Question> doctor_question(const DoctorOptions& options, const Plan& plan) {
    doctor::Question question;
    question.prefers_v4 = plan.config.delivery.family == delivery::IpFamily::automatic;
    question.block_lists = options.block_lists;
    std::vector<std::string> domains = options.domains;
    if (domains.empty())
        for (const auth::DomainOptions& domain : plan.config.auth.domains) domains.push_back(domain.name);
    // Without any [[domain]] mail leaves all the same, unsigned: as that of the machine's own domain.
    if (domains.empty()) domains.push_back(mail::organisational_domain(plan.config.hostname));
    std::vector<IpAddress> ips;
    for (const std::string& text : options.ips) {
        const auto ip = IpAddress::parse(text);
        if (!ip) {
            complain(fmt::format("\"{}\" is no IP address", text));
            return std::nullopt;
        }
        ips.push_back(*ip);
    }
    const std::vector<IpAddress> sources = public_kernel_sources(plan.config.delivery.family);
    for (const std::string& text : domains) {
        const auto domain = domain_to_examine(text);
        const auto sender = options.sender.empty() ? domain : domain_to_examine(options.sender);
        if (!domain || !sender) return std::nullopt;
        question.domains.push_back(delivery::question_about(*plan.settings, *domain, *sender, {}));
        delivery::DiagnosisQuestion& made = question.domains.back();
        if (made.signatures.empty()) add_coming_keys(made, plan.config.auth.domains);
        if (!ips.empty()) made.ips = ips;
        if (made.ips.empty()) made.ips = sources;
    }
    return question;
}

void append_findings(std::vector<Finding>& all, std::vector<Finding> more) {
    for (Finding& one : more) all.push_back(std::move(one));
}

std::vector<doctor::FileFact> key_file_facts(const config::Config& config) {
    std::vector<doctor::FileFact> facts;
    for (const auth::DomainOptions& domain : config.auth.domains) {
        const auto keys = auth::dkim::domain_keys(domain);
        if (!keys) {
            doctor::FileFact broken;
            broken.path = domain.key_directory;
            broken.what = "the key directory of " + domain.name;
            broken.fault = keys.error().what;
            facts.push_back(std::move(broken));
            continue;
        }
        for (const auth::dkim::DomainKey& key : *keys) {
            doctor::FileFact fact = doctor::look_at_file(key.key_file, fmt::format("the DKIM key {} of {}", key.selector, domain.name));
            if (fact.fault.empty())
                if (const auto loaded = auth::dkim::PrivateKey::load(key.key_file); !loaded) fact.fault = loaded.error().what;
            facts.push_back(std::move(fact));
        }
    }
    if (!config.auth.streams.empty() && !config.auth.unsubscribe.key_file.empty())
        facts.push_back(doctor::look_at_file(config.auth.unsubscribe.key_file, "the key of unsubscribe addresses"));
    return facts;
}

doctor::UsersFact users_fact(const std::string& file) {
    doctor::UsersFact fact;
    fact.file = file;
    if (file.empty()) return fact;
    const auto users = auth::UserFile::load(file);
    if (!users)
        fact.fault = users.error().what;
    else
        fact.users = users->users().size();
    return fact;
}

doctor::QueueFact queue_fact(const std::string& socket) {
    doctor::QueueFact fact;
    if (socket.empty()) {
        fact.silence = "the configuration has no admin socket";
        return fact;
    }
    const auto answer = admin::request(socket, "GET", "/v1/status", std::chrono::seconds(10));
    if (!answer) {
        fact.silence = answer.error().what;
        return fact;
    }
    boost::system::error_code broken;
    const json::value told = json::parse(answer->body, broken);
    const json::value* const store = broken || !told.is_object() ? nullptr : told.as_object().if_contains("store");
    if (answer->status != 200 || store == nullptr || !store->is_object()) {
        fact.silence = answer->status == 403 ? "this user may not see the whole queue" : fmt::format("it answered {}", answer->status);
        return fact;
    }
    fact.answered = true;
    const json::value* const healthy = store->as_object().if_contains("healthy");
    fact.healthy = healthy != nullptr && healthy->is_bool() && healthy->as_bool();
    fact.reason = text_of(store->as_object(), "reason");
    fact.waiting = number_of(store->as_object(), "recipients");
    const json::value* const daemon = told.as_object().if_contains("daemon");
    if (daemon == nullptr || !daemon->is_object()) return fact;
    fact.oldest = std::chrono::seconds(number_of(daemon->as_object(), "oldest_seconds"));
    const json::value* const pairs = daemon->as_object().if_contains("pairs");
    if (pairs == nullptr || !pairs->is_array()) return fact;
    for (const json::value& pair : pairs->as_array())
        if (pair.is_object() && text_of(pair.as_object(), "phase") != "releasing") fact.suspended.push_back(text_of(pair.as_object(), "words"));
    return fact;
}

// What needs neither DNS nor time.
std::vector<Finding> machine_findings(const DoctorOptions& options, const Plan& plan, std::vector<std::string> config_warnings, const doctor::QueueFact& queue) {
    const config::Config& config = plan.config;
    const TimePoint now = wall_now();
    std::vector<Finding> findings;
    doctor::ConfigFact settings;
    settings.file = options.config_path;
    settings.problems = plan.problems;
    settings.warnings = std::move(config_warnings);
    settings.warnings.insert(settings.warnings.end(), plan.warnings.begin(), plan.warnings.end());
    append_findings(findings, doctor::judge_config(settings));
    append_findings(findings, doctor::judge_keys(key_file_facts(config)));
    append_findings(findings, doctor::judge_users(users_fact(config.auth.credentials.users_file)));
    std::vector<doctor::CertificateFact> certificates;
    for (const net::CertificateFiles& files : certificate_files(config)) {
        certificates.push_back(doctor::look_at_certificate(files, config.hostname, config.delivery.tls_ca_file));
        certificates.back().own_making = config.server.tls.self_signed && certificates.size() == 1;
    }
    append_findings(findings, doctor::judge_certificates(certificates, config.hostname, now));
    append_findings(findings, doctor::judge_clock(doctor::look_at_clock(now, {options.config_path, config.queue.directory + "/queue.sqlite", config.queue.directory})));
    append_findings(findings, doctor::judge_disk(doctor::look_at_disk(config.queue.directory, config.queue.min_free_space)));
    append_findings(findings, doctor::judge_queue(queue));
    return findings;
}

doctor::Orders doctor_orders(const DoctorOptions& options, const Plan& plan, doctor::Question question) {
    doctor::Orders orders;
    orders.dns = std::move(question);
    orders.port25 = !options.no_port25 && is_wanted(options, "port25");
    orders.relayed_by = relay_of_all_mail(plan.config.delivery);
    orders.odd = odd_label();
    orders.trust_ad = plan.config.dns.trust_ad;
    orders.act_on_urls = options.urls;
    orders.delivery = plan.config.delivery;
    orders.limit = std::chrono::seconds(options.limit);
    for (const auth::StreamOptions& stream : plan.config.auth.streams) {
        if (stream.unsubscribe_url.empty()) continue;
        doctor::UrlFact url;
        url.stream = stream.name;
        url.url = stream.unsubscribe_url;
        // A token of ours for an address that nobody has: the server can read it, and nobody is unsubscribed.
        const std::string token =
            plan.settings->unsubscribe ? plan.settings->unsubscribe->make(stream.name, "doctor@" + plan.config.hostname, wall_now()) : "doctor";
        for (const auto& [mark, text] : {std::pair(std::string("{token}"), token), std::pair(std::string("{list}"), stream.name)})
            for (std::size_t place = url.url.find(mark); place != std::string::npos; place = url.url.find(mark, place + text.size()))
                url.url.replace(place, mark.size(), text);
        orders.urls.push_back(std::move(url));
    }
    return orders;
}

net::awaitable<void> let_visit(dns::Resolver& resolver, doctor::Orders orders, std::vector<Finding>& found) {
    found = co_await doctor::visit(resolver, std::move(orders));
}

// The error: no resolver can be had. `stop` ends it before its time, with nothing found.
Result<std::vector<Finding>> findings_elsewhere(doctor::Orders orders, const dns::DnsOptions& settings, const std::stop_token& stop) {
    net::asio::io_context io;
    dns::DnsOptions asking = settings;
    asking.trust_ad = true;  // to see what it says; whether it is believed is another matter
    auto resolver = dns::Resolver::create(io.get_executor(), asking);
    if (!resolver) return resolver.error();
    std::vector<Finding> findings;
    const std::stop_callback stopping(stop, [&io] { io.stop(); });
    net::asio::co_spawn(io, let_visit(**resolver, std::move(orders), findings),
                        [&io](std::exception_ptr) { net::asio::post(io, [&io] { io.stop(); }); });
    io.run();
    // What is still under way when the time is over ends now, while all that it refers to is there.
    (*resolver)->close();
    io.restart();
    io.run_for(std::chrono::milliseconds(500));
    return findings;
}

// The report's own colours as they are, the rest as all commands print.
void print_coloured(std::string_view text) {
    while (!text.empty()) {
        const std::size_t colour = text.find("\x1b["), end = text.find_first_not_of("0123456789;", colour + 2);
        const bool found = colour != std::string_view::npos && end != std::string_view::npos && text[end] == 'm';
        print(text.substr(0, found ? colour : text.size()));
        if (!found) return;
        std::fwrite(text.data() + colour, 1, end + 1 - colour, stdout);
        text.remove_prefix(end + 1);
    }
}

bool doctor_wants_colour() {
    const char* const no = std::getenv("NO_COLOR");
    const char* const terminal = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) != 0 && (no == nullptr || *no == '\0') && (terminal == nullptr || std::string_view(terminal) != "dumb");
}

}  // namespace

namespace {

// Nothing: it could not begin, why was told, and `code` says it.
std::optional<doctor::Report> examine(const DoctorOptions& options, int& code) {
    code = exit_code::kConfig;
    config::Loaded loaded = config::load(options.config_path);
    for (const config::Mistake& mistake : loaded.mistakes) fmt::print(stderr, "{}\n", mistake.to_string());
    if (!loaded.mistakes.empty()) {
        complain(fmt::format("the configuration {} cannot be used; nothing else was looked at", options.config_path));
        return std::nullopt;
    }
    std::vector<std::string> warnings;
    for (const config::Mistake& warning : loaded.warnings) warnings.push_back(warning.to_string());
    const Plan plan = make_plan(std::move(loaded.config));
    log::LogOptions quiet = plan.config.log;
    quiet.level = log::Level::error;
    log::configure(quiet);
    std::optional<doctor::Question> question = doctor_question(options, plan);
    if (!question) {
        code = exit_code::kDataError;
        return std::nullopt;
    }
    const doctor::QueueFact queue = queue_fact(options.socket.empty() ? plan.config.admin.socket : options.socket);
    std::vector<Finding> findings = machine_findings(options, plan, std::move(warnings), queue);
    DoctorProgress progress;
    doctor::Orders orders = doctor_orders(options, plan, std::move(*question));
    orders.progress = [&progress](std::size_t done, std::size_t all, const std::string& what) { progress.show(done, all, what); };
    Result<std::vector<Finding>> elsewhere = findings_elsewhere(std::move(orders), plan.config.dns, std::stop_token());
    progress.clear();
    if (!elsewhere) {
        complain(elsewhere.error().what);
        return std::nullopt;
    }
    append_findings(findings, std::move(*elsewhere));
    std::erase_if(findings, [&](const Finding& one) { return !is_wanted(options, one.check); });
    doctor::Report report = doctor::report_of(std::move(findings), options.provider);
    code = doctor::exit_code_of(report, options.strict);
    return report;
}

}  // namespace

int run_doctor(const DoctorOptions& options) {
    int code = exit_code::kOk;
    const std::optional<doctor::Report> report = examine(options, code);
    if (!report) return code;
    if (options.json) {
        print_json(json::serialize(doctor::to_json(*report)));
    } else {
        doctor::TextOptions how;
        how.colour = doctor_wants_colour();
        if (how.colour)
            print_coloured(doctor::to_text(*report, how));
        else
            print(doctor::to_text(*report, how));
    }
    return code;
}

Result<std::string> doctor_report(const ExaminationOrder& order) {
    config::Loaded loaded = config::load(order.config_path);
    if (!loaded.mistakes.empty())
        return Error{"the configuration cannot be used as it is now, so nothing was looked at: " + loaded.mistakes.front().to_string()};
    std::vector<std::string> warnings;
    for (const config::Mistake& warning : loaded.warnings) warnings.push_back(warning.to_string());
    const Plan plan = make_plan(std::move(loaded.config));
    DoctorOptions options;
    options.config_path = order.config_path;
    options.domains = {order.domain};
    options.limit = static_cast<std::uint32_t>(order.limit.count());
    std::optional<doctor::Question> question = doctor_question(options, plan);
    if (!question) return Error{"\"" + order.domain + "\" is no domain"};
    std::vector<Finding> findings = machine_findings(options, plan, std::move(warnings), order.queue);
    Result<std::vector<Finding>> elsewhere = findings_elsewhere(doctor_orders(options, plan, std::move(*question)), plan.config.dns, order.stop);
    if (!elsewhere) return elsewhere.error();
    append_findings(findings, std::move(*elsewhere));
    return json::serialize(doctor::to_json(doctor::report_of(std::move(findings), {})));
}

void tell_verdict(const DoctorOptions& options, const std::vector<std::string>& known, const std::string& see_all) {
    int code = exit_code::kOk;
    const std::optional<doctor::Report> report = examine(options, code);
    if (!report) return;
    doctor::TextOptions how;
    how.colour = doctor_wants_colour();
    print(doctor::verdict_text(*report, known, how));
    print(fmt::format("All that was looked at: {}\n", see_all));
}

}  // namespace posthorn::app
