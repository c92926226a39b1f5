// `posthorn send-test ADDRESS`: one message by the way that all mail takes, watched until it is known what
// became of it and what its receiver sees.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include "admin/client.hpp"
#include "app/daemon_call.hpp"
#include "app/dns_errand.hpp"
#include "app/event_tap.hpp"
#include "app/json_members.hpp"
#include "app/send_test_view.hpp"
#include "app/sendmail/connection.hpp"
#include "app/sendmail/unique.hpp"
#include "app/signature_look.hpp"
#include "app/tail_view.hpp"
#include "base/base64.hpp"
#include "base/queue_id.hpp"
#include "base/text.hpp"
#include "delivery/send_test.hpp"
#include "delivery/signing.hpp"
#include "delivery/why.hpp"
#include "mail/address.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

struct SendTestCommand : DaemonOptions {
    std::string to;
    std::string from;
    unsigned wait = 120;  // seconds
};

// What is known of the message while it is under way, and in the end.
struct TestCourse {
    TestLetter letter;
    std::string content;  // as it was handed over
    std::string id;
    std::string
        header;  // as it left: with signatures, and with what the daemon made of ours; empty: not seen
    json::array events;
    std::vector<std::string> session;  // its lines that were seen as they happened
    bool told = false;                 // the events came to what became of it
    json::object why;
    TestFate fate = TestFate::under_way;
};

std::optional<mail::Address> address_of(const std::string& text, const char* which) {
    const auto address = mail::parse_address(text);
    if (address && !address->domain.empty()) return *address;
    complain(fmt::format("{} \"{}\" is no address: write it as bob@example.com", which,
                         text::safe_for_log(text, 200)));
    return std::nullopt;
}

int no_daemon(const SendTestCommand& command, const std::string& why) {
    complain(fmt::format("no daemon takes the message: {}", why));
    complain(
        fmt::format("start it with `systemctl start posthorn` (or `posthorn serve --config {}`), then try "
                    "again; `posthorn check-config` says what may be wrong",
                    command.config_path));
    return exit_code::kUnavailable;
}

// As sendmail hands mail over: the daemon has it on disk when it says so.
sendmail::Outcome hand_test_over(const std::string& door, const TestCourse& course) {
    sendmail::Letter letter;
    const sendmail::Caller caller = sendmail::find_caller();
    letter.handoff.uid = caller.uid;
    letter.handoff.user = caller.user;
    letter.handoff.pid = caller.pid;
    letter.handoff.command = "posthorn send-test";
    letter.handoff.sender_asked = true;
    letter.handoff.envelope.reverse_path = course.letter.from;
    letter.handoff.envelope.envid = course.letter.envelope_id;
    mail::EnvelopeRecipient recipient;
    recipient.address = course.letter.to;
    letter.handoff.envelope.recipients.push_back(std::move(recipient));
    letter.author = course.letter.from;
    sendmail::Content content;
    content.append(course.content, "");
    letter.octets = content.size();
    sendmail::HandoverOptions options;
    options.hostname = sendmail::host_name();
    options.name = course.letter.mark;
    return sendmail::hand_over_unix(door, letter, content, std::move(options));
}

// The daemon's "... queued as ID".
std::string id_in(const std::string& words) {
    const std::size_t at = words.rfind(' ');
    const std::string last = at == std::string::npos ? words : words.substr(at + 1);
    return QueueId::parse(last) ? last : std::string();
}

// What concerns the message: its own events, and the connection to where it goes.
void see(const SendTestCommand& command, TestCourse& course, const std::string& line) {
    boost::system::error_code ec;
    const json::value parsed = json::parse(line, ec);
    if (ec || !parsed.is_object()) return;
    const json::object& event = parsed.as_object();
    const std::string name = text_of(event, "event"), id = text_of(event, "id");
    if (name == "watching" || (!id.empty() && id != course.id)) return;
    if (name == "signed") {
        if (const auto header = base64_decode(text_of(event, "header"))) course.header = *header;
        return;
    }
    course.events.push_back(event);
    course.told = course.told || (event.contains("to") && tells_fate(name));
    const bool of_session = name == "session";
    if (of_session) course.session.push_back(text_of(event, "line"));
    if (command.json) return;
    print(of_session ? session_text(course.session.back()) : event_line(event) + "\n");
    (void)std::fflush(stdout);
}

// Until something became of it. Error: the daemon does not answer any more.
Result<void> watch_course(const SendTestCommand& command, const std::string& socket, EventTap& tap,
                          TestCourse& course) {
    const SteadyTime end = std::chrono::steady_clock::now() + std::chrono::seconds(command.wait);
    const auto look = [&] {
        const std::vector<std::string> lines = tap.take(std::chrono::milliseconds(400));
        for (const std::string& line : lines) see(command, course, line);
        return !lines.empty();
    };
    while (std::chrono::steady_clock::now() < end) {
        (void)look();
        const auto answer = admin::request(socket, "GET", "/v1/why?what=" + course.id);
        if (!answer) return answer.error();
        boost::system::error_code ec;
        json::value body = json::parse(answer->body, ec);
        if (answer->status != 200 || ec || !body.is_object())
            return Error{"it answers ", std::to_string(answer->status)};
        course.why = std::move(body.as_object());
        course.fate = fate_of(course.why);
        if (course.fate == TestFate::under_way) continue;
        // Events come some times a second: the queue may know of its end before they tell of it. Others' to
        // the same domain may come without end.
        const SteadyTime last = std::chrono::steady_clock::now() + std::chrono::seconds(2);
        while (!course.told && look() && std::chrono::steady_clock::now() < last) {
        }
        return {};
    }
    return {};
}

// The daemon may send it as somebody else: mail of others' domains never leaves (docs/LOCAL.md).
std::string sent_as(const TestCourse& course) {
    const json::value* const known = course.why.if_contains("message");
    return known != nullptr && known->is_object() ? text_of(known->as_object(), "from") : course.letter.from;
}

// The signature with the key that DNS has, and the daemon's diagnosis of the domain.
TestProofs prove(const config::Config& config, const std::string& socket, const TestCourse& course) {
    TestProofs proofs;
    proofs.seen = !course.header.empty();
    if (proofs.seen) {
        const std::string message =
            course.header + course.content.substr(course.content.find("\r\n\r\n") + 2);
        dns::DnsOptions options = config.dns;
        options.authority_servers = 0;  // what receivers see is what their resolvers say
        const Result<void> done = run_dns_errand(options, [&](dns::Resolver& resolver) {
            return look_at_signatures(resolver, message, wall_now(), proofs.signatures);
        });
        if (!done) {
            complain(done.error().what);
            proofs.seen = false;
        }
    }
    const std::string sender = sent_as(course);
    mail::Message as_sent;
    as_sent.header =
        course.header.empty() ? course.content.substr(0, course.content.find("\r\n\r\n") + 2) : course.header;
    const auto told = admin::request(
        socket, "GET",
        fmt::format("/v1/diagnosis?domain={}&sender={}", admin::url_encode(delivery::from_domain_of(as_sent)),
                    admin::url_encode(mail::destination_of(sender))));
    if (!told || told->status != 200) return proofs;
    if (auto diagnosis = delivery::diagnosis_from_json(told->body)) proofs.diagnosis = std::move(*diagnosis);
    return proofs;
}

void print_course(const TestCourse& course, const TestProofs& proofs) {
    const json::value* const session = course.why.if_contains("session");
    const std::string kept =
        session != nullptr && session->is_object() ? text_of(session->as_object(), "text") : std::string();
    const std::string unseen = unseen_session(kept, course.session);
    if (const std::string sender = sent_as(course); !text::iequals(sender, course.letter.from))
        print(fmt::format(
            "\nThe daemon sends it as {}, for {} is of none of our domains, or may not be used by you.\n",
            text::safe_for_log(sender), course.letter.from));
    if (course.fate == TestFate::delivered) {
        print("\n" + text::safe_for_log(text_of(course.why, "answer"), 4000) + "\n");
    } else if (course.fate == TestFate::under_way) {
        print(fmt::format("\nNothing became of it in time; `posthorn why {}` tells later what did.\n",
                          course.id));
    } else {
        json::object why = course.why;
        why["session"] = nullptr;
        print("\n" + delivery::why_text(why));
    }
    if (!unseen.empty())
        print(
            (course.session.empty() ? "\nThe session:\n" : "\nOf the session, what was not shown above:\n") +
            session_text(unseen));
    print("\n" + proofs_text(proofs));
}

json::object course_json(const TestCourse& course, const TestProofs& proofs) {
    constexpr const char* kFates[] = {"under-way", "delivered", "refused", "waits"};
    json::object out;
    out["id"] = course.id;
    out["from"] = course.letter.from;
    out["sent_as"] = sent_as(course);
    out["to"] = course.letter.to;
    out["fate"] = kFates[static_cast<std::size_t>(course.fate)];
    out["events"] = course.events;
    out["why"] = course.why;
    json::array signatures;
    for (const auto& one : proofs.signatures)
        signatures.push_back(json::object{{"result", auth::dkim::to_string(one.result)},
                                          {"domain", text::safe_for_log(one.domain)},
                                          {"selector", text::safe_for_log(one.selector)},
                                          {"words", one.words}});
    out["signatures"] = proofs.seen ? json::value(std::move(signatures)) : json::value(nullptr);
    out["diagnosis"] =
        proofs.diagnosis ? json::value(delivery::to_json(*proofs.diagnosis)) : json::value(nullptr);
    return out;
}

int send_test(const SendTestCommand& command) {
    const std::optional<config::Config> config = load_config(command.config_path);
    if (!config) return exit_code::kConfig;
    TestCourse course;
    course.letter.from = !command.from.empty()           ? command.from
                         : !config->postmaster.empty()   ? config->postmaster
                         : !config->auth.domains.empty() ? "postmaster@" + config->auth.domains.front().name
                                                         : "postmaster@" + config->hostname;
    const auto to = address_of(command.to, "the recipient"), from = address_of(course.letter.from, "--from");
    if (!to || !from) return exit_code::kDataError;
    course.letter.to = command.to;
    course.letter.hostname = config->hostname;
    course.letter.mark = sendmail::unique_name();
    course.letter.envelope_id = std::string(delivery::kSendTestEnvelopeId) + course.letter.mark;
    course.content = course.letter.text(wall_now());
    if (config->server.local.socket.empty()) {
        complain(
            "local.socket is empty, so that this machine's own programs cannot hand mail in: set it, or "
            "leave it out for its default");
        return exit_code::kConfig;
    }
    const std::string socket = command.socket.empty() ? config->admin.socket : command.socket;
    if (const auto alive = admin::request(socket, "GET", "/v1/health"); !alive)
        return no_daemon(command, alive.error().what);

    EventTap tap(socket, "/v1/events?domain=" + admin::url_encode(mail::destination_of(*to)));
    if (!tap.wait_until_open(std::chrono::seconds(5)))
        complain("the daemon's events are not shown to you, so there is less to see: " + tap.why());
    const sendmail::Outcome handed = hand_test_over(config->server.local.socket, course);
    if (handed.fate == sendmail::Fate::unanswered) return no_daemon(command, handed.words);
    course.id = id_in(handed.words);
    if (handed.fate != sendmail::Fate::stored || !handed.left.empty() || course.id.empty()) {
        complain("the daemon did not take the message: " +
                 (handed.left.empty() ? handed.words : handed.left.front().words));
        return handed.fate == sendmail::Fate::refused || (!handed.left.empty() && !handed.left.front().later)
                   ? exit_code::kFailure
                   : exit_code::kTempFail;
    }
    if (!command.json) {
        print(fmt::format("Message {} from {} to {} is in the queue.\n", course.id, course.letter.from,
                          course.letter.to));
        (void)std::fflush(stdout);
    }
    if (const auto watched = watch_course(command, socket, tap, course); !watched) {
        complain("the daemon does not answer any more: " + watched.error().what);
        return exit_code::kTempFail;
    }
    const TestProofs proofs = prove(*config, socket, course);
    if (command.json)
        print_json(json::serialize(course_json(course, proofs)));
    else
        print_course(course, proofs);
    return exit_code_of_test(course.fate, proofs);
}

}  // namespace

void add_send_test_command(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("send-test",
                                       "Send one message the way that all mail goes; show the dialogue and "
                                       "what its receiver sees of SPF, DKIM, DMARC");
    auto options = std::make_shared<SendTestCommand>();
    command->add_option("ADDRESS", options->to, "Who gets it: an address of yours at Gmail, say")->required();
    command
        ->add_option("--from", options->from,
                     "Whose it is; else that of \"postmaster\", or postmaster at the first domain")
        ->type_name("ADDRESS");
    command->add_option("--wait", options->wait, "How long to wait for what becomes of it, in seconds")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    add_daemon_options(*command, *options);
    command->footer(
        "Exit code 0: it was delivered, and signature, SPF, DMARC and reverse DNS are right; 1: it was "
        "refused; 2: it was delivered, but receivers "
        "find fault with it; 69: no daemon runs; 75: it waits, or DNS did not answer. docs/DNS.md.");
    command->callback([options, &action] { action = [options] { return send_test(*options); }; });
}

}  // namespace posthorn::app
