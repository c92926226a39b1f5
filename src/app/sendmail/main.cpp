// The program sendmail, mailq and newaliases: reads what its caller says and leaves it where it is durable.
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/sendmail/content.hpp"
#include "app/sendmail/control.hpp"
#include "app/sendmail/header_recipients.hpp"
#include "app/sendmail/input.hpp"
#include "app/sendmail/options.hpp"
#include "app/sendmail/stdio_dialogue.hpp"
#include "app/sendmail/stragglers.hpp"
#include "app/sendmail/submission.hpp"
#include "app/sendmail/surroundings.hpp"
#include "base/sysexits.hpp"
#include "base/text.hpp"
#include "mail/header.hpp"

namespace posthorn::app::sendmail {
namespace {

void write_out(int fd, std::string_view octets) {
    while (!octets.empty()) {
        const ssize_t done = ::write(fd, octets.data(), octets.size());
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return;
        octets.remove_prefix(static_cast<std::size_t>(done));
    }
}

// What standard error gets ends in a web server's error log: one line, in one write.
void complain(std::string_view program, std::string_view words) {
    if (words.empty()) return;
    std::string text;
    while (!words.empty()) {
        const std::string_view line = text::take_field(words, '\n');
        text.append(program).append(": ").append(line).append("\n");
    }
    write_out(STDERR_FILENO, text);
}

int fail(std::string& words, int code, std::string what) {
    words = std::move(what);
    return code;
}

// -1: an error, and errno says which.
ssize_t read_input(char* buffer, std::size_t size) {
    for (;;) {
        const ssize_t got = ::read(STDIN_FILENO, buffer, size);
        if (got >= 0 || errno != EINTR) return got;
    }
}

// The claims about the caller, and the name for a missing From field: -F, else NAME, else passwd (SM-4, SM-23).
mail::Handoff claims_of(const Caller& caller, const std::string& full_name, bool trust_environment) {
    mail::Handoff handoff;
    handoff.uid = caller.uid;
    handoff.user = caller.user;
    handoff.pid = caller.pid;
    handoff.command = caller.command;
    handoff.directory = caller.directory;
    const char* variable = trust_environment ? ::getenv("NAME") : nullptr;
    handoff.name = !full_name.empty() ? full_name : variable != nullptr && *variable != '\0' ? variable : caller.gecos;
    // What a form on a web page made of it: a line break is a try to add fields, and else costs the message.
    std::replace_if(handoff.name.begin(), handoff.name.end(), [](char c) { return text::is_control(c); }, ' ');
    return handoff;
}

// What the message's own header tells the hand-over.
void look_at_header(Letter& letter, const Content& content, std::uint64_t header_octets) {
    const std::string header = content.front().substr(0, header_octets);
    letter.has_header = !header.empty();
    letter.begins_with_text = header.empty() && !content.front().starts_with("\r\n");
    letter.author = author_of(header);
    letter.has_from = mail::HeaderBlock(header).contains("From");
}

// With -t: recipients out of the header, Bcc out of the message. Words: what was no address.
std::string take_header_recipients(const Plan& plan, mail::Envelope& envelope, Content& content, std::uint64_t header_octets) {
    HeaderRecipients taken = take_recipients(content.front().substr(0, header_octets));
    content.replace_front(taken.header + content.front().substr(header_octets));
    std::set<std::string_view> known;
    for (const mail::EnvelopeRecipient& recipient : envelope.recipients) known.insert(recipient.address);
    std::vector<mail::EnvelopeRecipient> fresh;
    for (const std::string& address : taken.addresses)
        if (known.insert(address).second) fresh.push_back({address, "", plan.notify});
    envelope.recipients.insert(envelope.recipients.end(), fresh.begin(), fresh.end());
    std::string words;
    for (const std::string& unsound : taken.unsound)
        words.append(words.empty() ? "no address: \"" : ", \"").append(text::safe_for_log(unsound, 100)).append("\"");
    return words;
}

int send_message(const Plan& plan, const Ways& ways, bool trust_environment, std::string& words) {
    Content content;
    MessageInput input(InputRules{!plan.dot_is_text, false, true});
    std::string out;
    char buffer[65536];
    bool something = false;
    while (!input.ended() && input.fault().empty()) {
        const ssize_t got = read_input(buffer, sizeof buffer);
        if (got < 0) return fail(words, exit_code::kIoError, std::string("standard input: ") + std::strerror(errno));
        if (got == 0) break;
        something = true;
        out.clear();
        input.feed(std::string_view(buffer, static_cast<std::size_t>(got)), out);
        if (input.octets() > ways.size_limit)  // SM-25
            return fail(words, exit_code::kUnavailable,
                        "the message was NOT sent: it is longer than " + std::to_string(ways.size_limit) + " octets (POSTHORN_SIZE_LIMIT)");
        content.append(out, ways.spool);
    }
    out.clear();
    input.finish(out);
    content.append(out, ways.spool);
    if (!input.fault().empty()) return fail(words, exit_code::kDataError, "the message was NOT sent: " + input.fault());
    if (!something && plan.header_recipients) return fail(words, exit_code::kDataError, "no message on standard input");  // SM-26

    Letter letter;
    letter.handoff = claims_of(find_caller(), plan.full_name, trust_environment);
    letter.handoff.sender_asked = plan.sender_asked;
    letter.handoff.envelope = plan.envelope;
    letter.eight_bit = input.eight_bit();
    look_at_header(letter, content, input.header_octets());
    std::string unsound;
    if (plan.header_recipients)
        unsound = take_header_recipients(plan, letter.handoff.envelope, content, input.header_octets());
    if (letter.handoff.envelope.recipients.empty())
        return fail(words, exit_code::kDataError,
                    "the message was NOT sent: it names no recipients" + (unsound.empty() ? unsound : "; " + unsound));
    Receipt receipt = submit(ways, letter, content);
    words = std::move(receipt.words);
    int code = receipt.exit_code;
    if (!unsound.empty()) {
        words = words.empty() ? "sent, but not to everybody: " + unsound : words + "; " + unsound;
        if (code == 0) code = exit_code::kDataError;
    }
    if (receipt.by_tcp)
        if (const std::string older = send_stragglers(ways); !older.empty()) words += (words.empty() ? "" : "\n") + older;
    return code;
}

// -bs: one message after the other, each durable before its 250.
int hold_dialogue(const Ways& ways, bool trust_environment, std::string& words) {
    StdioDialogue dialogue({host_name(), ways.size_limit});
    const Caller caller = find_caller();
    Content content;
    write_out(STDOUT_FILENO, dialogue.greeting());
    char buffer[65536];
    for (;;) {
        const ssize_t got = read_input(buffer, sizeof buffer);
        if (got < 0) return fail(words, exit_code::kIoError, std::string("standard input: ") + std::strerror(errno));
        if (got == 0) return exit_code::kOk;  // what was not finished is not sent
        std::string_view chunk(buffer, static_cast<std::size_t>(got));
        std::string replies;
        while (!chunk.empty() && !dialogue.done()) {
            std::string out;
            chunk.remove_prefix(dialogue.feed(chunk, replies, out));
            content.append(out, ways.spool);
            if (!dialogue.has_message()) continue;
            Letter letter;
            letter.handoff = claims_of(caller, {}, trust_environment);
            letter.handoff.sender_asked = true;
            letter.handoff.envelope = dialogue.envelope();
            letter.eight_bit = dialogue.message().eight_bit();
            look_at_header(letter, content, dialogue.message().header_octets());
            const Receipt receipt = submit(ways, letter, content, true);
            content.clear();
            const bool unsaved = receipt.exit_code == exit_code::kCannotCreate || receipt.exit_code == exit_code::kIoError;
            if (receipt.exit_code == 0) {
                dialogue.on_result(250, "2.0.0", receipt.answer, replies);
            } else {
                dialogue.on_result(unsaved ? 451 : 550, unsaved ? "4.3.0" : "5.0.0", receipt.answer.empty() ? receipt.words : receipt.answer, replies);
            }
        }
        write_out(STDOUT_FILENO, replies);
        if (dialogue.done()) return exit_code::kOk;
    }
}

int run(int count, char** arguments) {
    // A caller who closed one of the three would have our files or sockets take its place.
    for (int fd = 0; fd <= 2; ++fd)
        if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) < 0) return exit_code::kOsError;
    ::signal(SIGPIPE, SIG_IGN);

    const std::string_view path = count > 0 ? arguments[0] : "sendmail";
    const std::string_view program = path.substr(path.rfind('/') + 1);
    const std::vector<std::string_view> options(arguments + (count > 0 ? 1 : 0), arguments + count);
    const Plan plan = plan_of(path, options);
    if (plan.mode == Mode::refuse) {
        complain(program, plan.words);
        return plan.exit_code;
    }
    // Installed setuid or setgid, the caller's variables say nothing (SM-36).
    const bool trust_environment = ::getauxval(AT_SECURE) == 0;
    const Ways ways = trust_environment ? ways_of(::getenv, is_directory) : ways_of([](const char*) -> const char* { return nullptr; }, is_directory);
    if (!ways.problem.empty()) {
        complain(program, ways.problem);
        return exit_code::kConfig;
    }
    std::string words;
    int code = exit_code::kOk;
    switch (plan.mode) {
        case Mode::send: code = send_message(plan, ways, trust_environment, words); break;
        case Mode::dialogue: code = hold_dialogue(ways, trust_environment, words); break;
        case Mode::check_aliases: code = check_aliases(ways.aliases, words); break;
        default: code = ask_daemon(ways, plan, words); break;
    }
    complain(program, words);
    return code;
}

}  // namespace
}  // namespace posthorn::app::sendmail

int main(int count, char** arguments) {
    try {
        // Nothing needs an orderly end: what must be durable is.
        ::_exit(posthorn::app::sendmail::run(count, arguments));
    } catch (const std::exception& error) {
        const std::string line = std::string("sendmail: the message was NOT sent: ") + error.what() + "\n";
        (void)!::write(STDERR_FILENO, line.data(), line.size());
        ::_exit(posthorn::exit_code::kOsError);  // out of memory
    }
}
