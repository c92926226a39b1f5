// Reads a few small files of /proc.
#include "net/process.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string_view>

#include "base/text.hpp"

namespace posthorn::net {
namespace {

constexpr int kMostShells = 3;

// The first octets of a file, or nothing.
std::optional<std::string> beginning_of(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return std::nullopt;
    std::array<char, ProcessSeen::kLongestCommand> block;
    std::string content;
    while (content.size() < block.size()) {
        const ssize_t got = ::read(fd, block.data(), block.size() - content.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        content.append(block.data(), static_cast<std::size_t>(got));
    }
    ::close(fd);
    return content;
}

std::string directory_of(std::int32_t pid) {
    return "/proc/" + std::to_string(pid);
}

std::string command_of(std::int32_t pid) {
    std::string words = beginning_of(directory_of(pid) + "/cmdline").value_or("");
    while (!words.empty() && words.back() == '\0') words.pop_back();
    std::replace(words.begin(), words.end(), '\0', ' ');
    return words;
}

// The fourth field of stat (proc(5)); the second may hold anything, parentheses and blanks as well.
std::int32_t parent_of(std::int32_t pid) {
    const std::optional<std::string> stat = beginning_of(directory_of(pid) + "/stat");
    const std::size_t name_end = stat ? stat->rfind(')') : std::string::npos;
    if (name_end == std::string::npos || name_end + 4 >= stat->size()) return 0;
    std::string_view rest = std::string_view(*stat).substr(name_end + 4);  // ") S "
    const auto parent = text::parse_unsigned(text::take_field(rest, ' '), 0x7FFFFFFF);
    return parent ? static_cast<std::int32_t>(*parent) : 0;
}

bool passes_on(std::string_view command) {
    std::string_view rest = command;
    std::string_view program = text::take_field(rest, ' ');
    program.remove_prefix(program.rfind('/') == std::string_view::npos ? 0 : program.rfind('/') + 1);
    return (program == "sh" || program == "dash" || program == "bash") && rest.starts_with("-c ");
}

}  // namespace

ProcessSeen see_process(std::int32_t pid, std::uint32_t uid) {
    ProcessSeen seen;
    struct stat owner {};
    if (pid <= 0 || ::stat(directory_of(pid).c_str(), &owner) != 0 || owner.st_uid != uid) return seen;
    seen.pid = pid;
    seen.command = command_of(pid);
    seen.parent_pid = parent_of(pid);
    for (int shells = 0; seen.parent_pid > 0; ++shells) {
        seen.parent_command = command_of(seen.parent_pid);
        if (shells >= kMostShells || !passes_on(seen.parent_command)) break;
        const std::int32_t above = parent_of(seen.parent_pid);
        if (above <= 1) break;
        seen.parent_pid = above;
    }
    return seen;
}

}  // namespace posthorn::net
