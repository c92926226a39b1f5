// The environment, passwd and the calling process: see surroundings.hpp.
#include "app/sendmail/surroundings.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::app::sendmail {
namespace {

// Of a host with an optional port: "mta", "mta:2525", "192.0.2.1:25", "[2001:db8::1]:25", "2001:db8::1".
void read_host(std::string_view text, Ways& ways) {
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || (end + 1 < text.size() && text[end + 1] != ':')) {
            ways.problem = "POSTHORN_HOST is no host: " + text::safe_for_log(text, 100);
            return;
        }
        port = text.substr(std::min(text.size(), end + 2));
        ways.host = text.substr(1, end - 1);
    } else if (std::ranges::count(text, ':') == 1) {
        ways.host = text::take_field(text, ':');
        port = text;
        if (port.empty()) port = "none";
    } else {
        ways.host = text;
    }
    if (port.empty()) return;
    const auto number = text::parse_unsigned(port, 65535);
    if (!number || *number == 0) {
        ways.problem = "POSTHORN_HOST has a port that is no number from 1 to 65535: " + text::safe_for_log(port, 100);
        return;
    }
    ways.port = static_cast<std::uint16_t>(*number);
}

bool is_shell(std::string_view program) {
    program.remove_prefix(program.rfind('/') + 1);
    return program == "sh" || program == "dash" || program == "bash" || program == "ash" || program == "busybox";
}

std::string proc_path(std::uint32_t pid, const char* file) { return "/proc/" + std::to_string(pid) + "/" + file; }

}  // namespace

Ways ways_of(const Variable& variable, const Present& present) {
    Ways ways;
    if (!present(kDefaultSpool.data()) && present(kDoorSpool.data())) ways.spool = kDoorSpool;
    const auto take = [&variable](const char* name, std::string& to) {
        if (const char* value = variable(name)) to = value;
    };
    take("POSTHORN_SOCKET", ways.socket);
    take("POSTHORN_SPOOL", ways.spool);
    take("POSTHORN_ADMIN", ways.admin);
    take("POSTHORN_ALIASES", ways.aliases);
    if (const char* host = variable("POSTHORN_HOST")) read_host(text::trim(host), ways);
    if (const char* size = variable("POSTHORN_SIZE_LIMIT")) {
        const auto octets = text::parse_unsigned(size);
        if (octets && *octets > 0) {
            ways.size_limit = *octets;
        } else {
            ways.problem = "POSTHORN_SIZE_LIMIT is no number of octets: " + text::safe_for_log(size, 100);
        }
    }
    return ways;
}

bool is_directory(const char* path) {
    struct stat status {};
    return ::stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

std::optional<PasswdEntry> find_passwd(std::string_view passwd, std::uint32_t uid) {
    while (!passwd.empty()) {
        std::string_view line = text::take_field(passwd, '\n');
        const std::string_view user = text::take_field(line, ':');
        text::take_field(line, ':');  // the password's place
        if (text::parse_unsigned(text::take_field(line, ':'), UINT32_MAX) != uid || user.empty()) continue;
        text::take_field(line, ':');  // the group
        std::string_view gecos = text::take_field(line, ':');
        PasswdEntry entry;
        entry.user = user;
        for (const char c : text::take_field(gecos, ',')) {
            if (c == '&') {
                entry.gecos += text::to_upper(user.front());
                entry.gecos += user.substr(1);
            } else {
                entry.gecos += c;
            }
        }
        return entry;
    }
    return std::nullopt;
}

ProcessFacts process_facts(std::string_view stat, std::string_view command_line) {
    ProcessFacts facts;
    // "812 (php-fpm: pool) S 811 ...": the name may hold anything, the last parenthesis ends it (proc(5)).
    if (const std::size_t name_end = stat.rfind(") "); name_end != std::string_view::npos) {
        std::string_view rest = stat.substr(name_end + 2);
        text::take_field(rest, ' ');
        facts.parent = static_cast<std::uint32_t>(text::parse_unsigned(text::take_field(rest, ' '), UINT32_MAX).value_or(0));
    }
    std::string_view rest = command_line;
    const std::string_view program = text::take_field(rest, '\0');
    std::string_view first = text::take_field(rest, '\0');
    if (program.ends_with("busybox")) first = text::take_field(rest, '\0');  // "busybox sh -c"
    facts.shell = is_shell(program) && first == "-c";
    facts.command = command_line;
    while (facts.command.ends_with('\0') || facts.command.ends_with(' ')) facts.command.pop_back();
    std::ranges::replace(facts.command, '\0', ' ');
    if (facts.command.size() > kMaxCommandLine) facts.command.resize(kMaxCommandLine);
    return facts;
}

std::optional<std::string> read_file(const char* path, std::size_t limit) {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return std::nullopt;
    std::string text;
    char buffer[4096];
    ssize_t got = 0;
    while (text.size() < limit && (got = ::read(fd, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<std::size_t>(got));
    ::close(fd);
    if (got < 0) return std::nullopt;
    return text;
}

Caller find_caller() {
    Caller caller;
    caller.uid = ::getuid();
    if (const auto passwd = read_file("/etc/passwd", std::size_t{1} << 20U)) {
        if (auto entry = find_passwd(*passwd, caller.uid)) {
            caller.user = std::move(entry->user);
            caller.gecos = std::move(entry->gecos);
        }
    }
    caller.pid = static_cast<std::uint32_t>(::getppid());
    for (int generation = 0; generation < 3 && caller.pid != 0; ++generation) {
        const auto command_line = read_file(proc_path(caller.pid, "cmdline").c_str(), 4096);
        const auto stat = read_file(proc_path(caller.pid, "stat").c_str(), 4096);
        if (!command_line || !stat) break;
        ProcessFacts facts = process_facts(*stat, *command_line);
        caller.command = std::move(facts.command);
        if (!facts.shell || facts.parent <= 1) break;
        caller.pid = facts.parent;
    }
    char directory[1024];
    if (::getcwd(directory, sizeof directory) != nullptr) caller.directory = directory;
    return caller;
}

std::string host_name() {
    utsname names{};
    if (::uname(&names) != 0 || names.nodename[0] == '\0') return "localhost";
    return names.nodename;
}

}  // namespace posthorn::app::sendmail
