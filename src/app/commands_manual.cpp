// `posthorn manual`, hidden: the manual pages that an installation writes, made from what the program itself knows.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "app/command_line.hpp"
#include "base/sysexits.hpp"
#include "config/manual.hpp"

namespace posthorn::app {
namespace {

constexpr std::string_view kBegin =
    ".TH POSTHORN 8 \"\" \"Posthorn " POSTHORN_VERSION "\" \"Mail server\"\n"
    ".nh\n.ad l\n"
    ".SH NAME\nposthorn \\- mail server for outgoing mail, with signing built in\n"
    ".SH SYNOPSIS\n.B posthorn\n.I command\n[\\fIoption\\fR ...]\n"
    ".SH DESCRIPTION\n"
    "Posthorn takes this server's outgoing mail, by\n.BR sendmail (8)\nand by SMTP, has it on disk before it says so, signs it with DKIM and delivers "
    "it to the servers that DNS names.\n"
    ".PP\n\\fBposthorn setup\\fR sets it up, \\fBposthorn serve\\fR is the server itself, which\n.BR systemd (1)\nstarts as posthorn.service; "
    "the other commands ask it, or change its configuration. \\fBposthorn\\fR \\fIcommand\\fR \\fB\\-\\-help\\fR tells the same as this page.\n"
    ".SH COMMANDS\n";

constexpr std::string_view kEnd =
    ".SH SIGNALS\n"
    ".TP\n.B SIGHUP\nread configuration, keys, users and certificates anew; on a mistake the old ones stay in force (\\fBposthorn reload\\fR "
    "does the same and tells)\n"
    ".TP\n.BR SIGTERM ,\\  SIGINT\nstop: what is under way is finished for a while, the rest is sent after the next start; a second one closes all "
    "connections at once\n"
    ".SH EXIT STATUS\n"
    "0, or one of sysexits: 64 the command line, 69 the daemon does not answer, 73 something cannot be made, 75 try again later, 77 not allowed, "
    "78 the configuration. Commands that look at something answer 1 where it is not as it should be.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B POSTHORN_CONFIG\nthe configuration file, instead of \\fI/etc/posthorn/posthorn.toml\\fR\n"
    ".TP\n.B POSTHORN_...\nmost settings; \n.BR posthorn.toml (5)\nnames the variable of each\n"
    ".TP\n.B NO_COLOR\nno colours\n"
    ".SH FILES\n"
    ".TP\n.I /etc/posthorn/posthorn.toml\nthe configuration\n"
    ".TP\n.I /etc/posthorn/users\npeople and programs who may log in\n"
    ".TP\n.I /etc/posthorn/keys\nsigning keys\n"
    ".TP\n.I /var/lib/posthorn\nthe queue, and what is learnt of others\n"
    ".TP\n.I /var/spool/posthorn\nwhat was sent by sendmail while the server was not there\n"
    ".TP\n.I /run/posthorn\nsockets: submission.sock takes mail, admin.sock answers the commands\n"
    ".TP\n.I /usr/share/doc/posthorn\nthe manual; operations.md to begin with\n"
    ".SH SEE ALSO\n.BR posthorn.toml (5),\n.BR sendmail (8),\n.BR mailq (1),\n.BR newaliases (1)\n";

// "TEXT:{a,b}" as CLI11 has it: the word for the value, and what it may be, in words that a line can break between.
struct ValueKind {
    std::string word, choices;
};

ValueKind kind_of(const std::string& type) {
    const std::size_t colon = std::min(type.find(':'), type.size());
    ValueKind kind{type.substr(0, colon), {}};
    if (!type.substr(colon).starts_with(":{")) return kind;
    for (const char letter : type.substr(colon + 2, type.size() - colon - 3)) kind.choices += letter == ',' ? std::string(", ") : std::string(1, letter);
    return kind;
}

void tell_options(const CLI::App& command, std::string& page) {
    for (const CLI::Option* option : command.get_options()) {
        if (option->get_group().empty() || option->check_name("--help")) continue;
        std::string name = option->get_positional() ? option->get_name(true) : option->get_name(false, true);
        for (std::size_t at = 0; (at = name.find(',', at)) != std::string::npos; at += 2) name.replace(at, 1, ", ");
        page += fmt::format(".TP\n.B {}", config::in_roff(name));
        const ValueKind kind = kind_of(option->get_type_name());
        if (!option->get_positional() && option->get_items_expected_max() > 0 && !kind.word.empty())
            page += fmt::format(" \\fI{}\\fR", config::in_roff(kind.word));
        page += fmt::format("\n{}{}\n", config::in_roff(option->get_description()),
                            kind.choices.empty() ? "" : config::in_roff("; one of: " + kind.choices));
    }
}

void tell_command(const CLI::App& command, const std::string& before, std::string& page) {
    if (command.get_group().empty()) return;   // hidden
    const std::string name = before.empty() ? command.get_name() : before + " " + command.get_name();
    page += fmt::format(".SS {}\n{}\n", config::in_roff(name), config::in_roff(command.get_description() + "."));
    const auto inner = command.get_subcommands([](const CLI::App*) { return true; });
    if (inner.empty()) {
        page += ".RS 4\n";
        tell_options(command, page);
        page += ".RE\n";
    }
    if (const std::string footer = command.get_footer(); inner.empty() && !footer.empty()) page += ".PP\n" + config::in_roff(footer) + "\n";
    for (const CLI::App* one : inner) tell_command(*one, name, page);
}

std::string manual_of(const CLI::App& app) {
    std::string page(kBegin);
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) tell_command(*command, "", page);
    return page + std::string(kEnd);
}

}  // namespace

void add_manual_command(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("manual", "Print the source of a manual page: posthorn.8 or posthorn.toml.5");
    command->group("");   // not in the help: cmake --install calls it
    auto name = std::make_shared<std::string>();
    command->add_option("PAGE", *name, "posthorn.8 or posthorn.toml.5")->required()->check(CLI::IsMember({"posthorn.8", "posthorn.toml.5"}));
    command->callback([name, &app, &action] {
        action = [name, &app] {
            print(*name == "posthorn.8" ? manual_of(app) : config::manual_page());
            return exit_code::kOk;
        };
    });
}

}  // namespace posthorn::app
