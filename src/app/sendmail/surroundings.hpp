// What the sendmail program knows of the place where it runs: paths and hosts from its environment, who called it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace posthorn::app::sendmail {

inline constexpr std::string_view kDefaultSocket = "/run/posthorn/submission.sock";
inline constexpr std::string_view kDefaultAdmin = "/run/posthorn/admin.sock";
inline constexpr std::string_view kDefaultSpool = "/var/spool/posthorn";
inline constexpr std::string_view kDoorSpool = "/run/posthorn/spool";  // a container's one mount, beside the socket (DO-9)
inline constexpr std::string_view kDefaultAliases = "/etc/aliases";
inline constexpr std::uint16_t kDefaultPort = 2525;
// What is read before the daemon says what it takes; its own limit is 35 MiB unless set.
inline constexpr std::uint64_t kDefaultSizeLimit = std::uint64_t{64} << 20U;

// Where mail can go, in this order (SM-37). An empty name: that way is not taken.
struct Ways {
    std::string socket{kDefaultSocket};    // POSTHORN_SOCKET
    std::string host;                      // POSTHORN_HOST, without its port
    std::uint16_t port = kDefaultPort;
    std::string spool{kDefaultSpool};      // POSTHORN_SPOOL; kDoorSpool where that is there and the default is not
    std::string admin{kDefaultAdmin};      // POSTHORN_ADMIN
    std::string aliases{kDefaultAliases};  // POSTHORN_ALIASES
    std::uint64_t size_limit = kDefaultSizeLimit;  // POSTHORN_SIZE_LIMIT, octets
    std::string problem;                   // a variable that cannot be read, in words; empty: none
};

using Variable = std::function<const char*(const char*)>;  // getenv, or a test's
using Present = std::function<bool(const char*)>;          // whether there is such a directory
[[nodiscard]] Ways ways_of(const Variable& variable, const Present& present);
[[nodiscard]] bool is_directory(const char* path);

struct PasswdEntry {
    std::string user;
    std::string gecos;   // the first comma field, "&" replaced by the user's name as passwd(5) has it
};
// Looks the uid up in the text of /etc/passwd. Static programs cannot ask the name service.
[[nodiscard]] std::optional<PasswdEntry> find_passwd(std::string_view passwd, std::uint32_t uid);

struct ProcessFacts {
    std::uint32_t parent = 0;
    std::string command;     // arguments joined by blanks, at most kMaxCommandLine octets
    bool shell = false;      // "sh -c ...": only carries out what its parent asked for
};
inline constexpr std::size_t kMaxCommandLine = 256;
// From the texts of /proc/PID/stat and /proc/PID/cmdline.
[[nodiscard]] ProcessFacts process_facts(std::string_view stat, std::string_view command_line);

struct Caller {
    std::uint32_t uid = 0;
    std::string user;        // empty: passwd has none
    std::string gecos;
    std::uint32_t pid = 0;
    std::string command;
    std::string directory;   // ours, which is the caller's: PHP changes into its script's
};
// Of this process: reads /etc/passwd and /proc. The caller is the parent, or the one behind a shell that popen() started.
[[nodiscard]] Caller find_caller();

[[nodiscard]] std::string host_name();   // of uname(2)

// The whole of a small file; nothing when it cannot be read.
[[nodiscard]] std::optional<std::string> read_file(const char* path, std::size_t limit);

}  // namespace posthorn::app::sendmail
