// The caller's words for queue and log, and the reading of his claims.
#include "intake/caller.hpp"

#include "base/text.hpp"

namespace posthorn::intake {
namespace {

constexpr std::size_t kMaxTold = 200;  // octets of a command line or a script's name

// One word of the origin line: in quotes where a reader could not tell where it ends.
void add_word(std::string& line, std::string_view key, std::string_view value) {
    if (value.empty()) return;
    const std::string safe = text::safe_for_log(value, kMaxTold);
    line.append(" ").append(key).append("=");
    if (safe.find_first_of(" \"=") == std::string::npos) {
        line += safe;
        return;
    }
    line += '"';
    for (const char c : safe) line += c == '"' ? '\'' : c;
    line += '"';
}

}  // namespace

std::string nameless(std::uint32_t uid) {
    return "uid" + std::to_string(uid);
}

void read_claim(std::string_view claim, Caller& caller) {
    while (!claim.empty()) {
        if (text::istarts_with(claim, "cmd=")) {
            caller.command = text::trim(claim.substr(4));
            return;
        }
        const std::string_view item = text::take_field(claim, ';');
        if (text::istarts_with(item, "cwd=")) caller.directory = text::trim(item.substr(4));
        if (!text::istarts_with(item, "pid=")) continue;
        if (const auto pid = text::parse_unsigned(item.substr(4), INT32_MAX)) caller.caller_pid = static_cast<std::int32_t>(*pid);
    }
}

std::string source_of(const Caller& caller) {
    return "uid=" + std::to_string(caller.uid);
}

std::string origin_of(const Caller& caller) {
    std::string line = source_of(caller);
    add_word(line, "user", caller.user);
    if (const std::int32_t pid = caller.caller_pid != 0 ? caller.caller_pid : caller.pid; pid != 0) line += " pid=" + std::to_string(pid);
    add_word(line, "script", caller.script);
    add_word(line, "cwd", caller.directory);
    add_word(line, "cmd", caller.command);
    return line;
}

std::string_view origin_word(std::string_view origin, std::string_view key) {
    while (!origin.empty()) {
        const std::string_view name = text::take_field(origin, '=');
        std::string_view value;
        if (origin.starts_with('"')) {
            origin.remove_prefix(1);
            value = text::take_field(origin, '"');
            if (origin.starts_with(' ')) origin.remove_prefix(1);
        } else {
            value = text::take_field(origin, ' ');
        }
        if (name == key) return value;
    }
    return {};
}

}  // namespace posthorn::intake
