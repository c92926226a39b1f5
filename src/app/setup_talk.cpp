// Topics in turn; DNS is asked before each question, since it may know the answer.
#include "app/setup_talk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "app/command_line.hpp"
#include "app/dns_errand.hpp"
#include "base/sysexits.hpp"
#include "delivery/inquiry.hpp"
#include "dns/resolver.hpp"

namespace posthorn::app {
namespace {

using setup::Interview;
using setup::Topic;

constexpr auto kSetupDnsPatience = std::chrono::seconds(12);  // a round of questions

std::string joined_words(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
    return out;
}

// Named, since a coroutine may not build it within a co_await (docs/COROUTINES.md).
delivery::DnsRules rules_of(const Interview& interview) {
    delivery::DnsRules rules;
    rules.wanted = [&interview](const auth::DnsAnswers& known) { return interview.wanted(known); };
    return rules;
}

net::awaitable<void> ask_for_interview(dns::Resolver& resolver, const Interview& interview,
                                       auth::DnsAnswers& known) {
    const SteadyTime end = std::chrono::steady_clock::now() + kSetupDnsPatience;
    delivery::DnsRules rules = rules_of(interview);
    delivery::DnsViews before;
    before.at_resolver = known;
    delivery::DnsViews after = co_await delivery::inquire(resolver, std::move(rules), std::move(before), end);
    known = std::move(after.at_resolver);
}

void ask_dns(SetupRun& run) {
    if (run.command.offline || run.interview.wanted(run.known).empty()) return;
    const auto asked = run_dns_errand(run.present.dns, [&](dns::Resolver& resolver) {
        return ask_for_interview(resolver, run.interview, run.known);
    });
    if (!asked) complain(asked.error().what);
}

void print_remarks(SetupRun& run) {
    for (const Topic topic : setup::kTopics) {
        const std::uint32_t bit = 1U << static_cast<unsigned>(topic);
        if ((run.remarked & bit) != 0 || !run.interview.answered(topic)) continue;
        run.remarked |= bit;
        for (const std::string& remark : run.interview.remarks(topic, run.known))
            print(wrapped("! " + remark) + "\n");
    }
}

// Nobody is there to ask: the suggestion is the answer.
int answer_by_suggestion(SetupRun& run, const setup::Question& question) {
    if (question.suggestion.empty()) {
        complain(fmt::format("\"{}\" has no answer that could be found out, and there is no terminal to ask at: say it by --{}",
                             question.prompt, question.topic == Topic::hostname ? "hostname" : "domain"));
        return exit_code::kUsage;
    }
    if (const auto taken = run.interview.answer(question.topic, question.suggestion); !taken) {
        complain(fmt::format("{}: {}", question.prompt, taken.error().what));
        return exit_code::kUsage;
    }
    const bool senders = question.topic == Topic::senders;
    const std::string_view said = !senders ? std::string_view(question.suggestion) : question.suggestion == "1" ? "programs on this machine" : "users with a password, too";
    print(fmt::format("{:<24} {}\n", senders ? "Who may send" : question.prompt, said));
    return exit_code::kOk;
}

int left_early() {
    const int signal = Terminal::interrupted();
    print("\nNothing was changed.\n");
    return signal == 0 ? exit_code::kFailure : 128 + signal;
}

int answer_by_person(SetupRun& run, const setup::Question& question) {
    print("\n" + wrapped(question.words) + "\n");
    while (true) {
        const std::string prompt = question.suggestion.empty()
                                       ? question.prompt + ": "
                                       : fmt::format("{} [{}]: ", question.prompt, question.suggestion);
        const auto line = run.terminal->ask(prompt);
        if (!line) return left_early();
        const auto blank = line->find_first_not_of(" \t\r") == std::string::npos;
        const auto taken = run.interview.answer(question.topic, blank ? question.suggestion : *line);
        if (taken) return exit_code::kOk;
        print(wrapped("  " + taken.error().what + ".") + "\n");
    }
}

// Yes or no; nothing: the terminal is gone.
std::optional<bool> confirmed(Terminal& terminal, const std::string& question) {
    while (true) {
        const auto line = terminal.ask(question + " [Y/n]: ");
        if (!line) return std::nullopt;
        const char first = line->empty() ? 'y' : (*line)[0];
        if (first == 'y' || first == 'Y') return true;
        if (first == 'n' || first == 'N') return false;
        print("  Please answer y or n.\n");
    }
}

}  // namespace

bool take_flags(SetupRun& run) {
    const SetupCommand& command = run.command;
    const auto take = [&](const char* flag, Topic topic, const std::string& text) {
        if (text.empty()) return true;
        const Result<void> taken = run.interview.answer(topic, text);
        if (!taken) complain(fmt::format("{}: {}", flag, taken.error().what));
        return taken.has_value();
    };
    const bool users =
        command.users || !command.certificate.empty() || command.self_signed || !command.listen_users.empty();
    return take("--hostname", Topic::hostname, command.hostname) &&
           take("--ip", Topic::addresses, joined_words(command.ips)) &&
           take("--domain", Topic::domains, joined_words(command.domains)) &&
           take("--users", Topic::senders,
                command.no_users ? "1"
                : users          ? "2"
                                 : "") &&
           take("--certificate", Topic::certificate,
                command.self_signed ? std::string("self-signed") : command.certificate) &&
           take("--key", Topic::key, command.key) && take("--root-mail", Topic::root_mail, command.root_mail);
}

int hold_interview(SetupRun& run) {
    while (true) {
        ask_dns(run);
        print_remarks(run);
        const auto question = run.interview.next(run.known);
        if (!question) return exit_code::kOk;
        const int code =
            run.terminal != nullptr ? answer_by_person(run, *question) : answer_by_suggestion(run, *question);
        if (code != exit_code::kOk) return code;
    }
}

int ask_for_leave(const SetupRun& run, const setup::SetupPlan& plan, bool& leave) {
    leave = false;
    if (plan.changes.empty()) {
        print(fmt::format("\n{} is right as it is.\n", run.path));
        leave = !run.command.dry_run;  // keys may still be missing
        return exit_code::kOk;
    }
    if (plan.fresh) {
        print(fmt::format("\n{} will be:\n\n{}\n", run.path, set_in(plan.text, "  ")));
    } else {
        print(fmt::format("\n{} would change:\n\n", run.path));
        for (const std::string& change : plan.changes) print(fmt::format("  - {}\n", change));
        print("\n");
    }
    if (run.command.dry_run) return exit_code::kOk;
    if (run.command.yes || (plan.fresh && run.terminal == nullptr)) {
        leave = true;
        return exit_code::kOk;
    }
    if (run.terminal == nullptr) {
        complain(
            "nothing was changed: --yes says that a configuration which is there already may be changed so");
        return exit_code::kFailure;
    }
    const auto yes = confirmed(*run.terminal, plan.fresh ? "Write it, and make the keys?" : "Change it so?");
    if (!yes) return left_early();
    leave = *yes;
    if (!leave) print("Nothing was changed.\n");
    return leave ? exit_code::kOk : exit_code::kFailure;
}

}  // namespace posthorn::app
