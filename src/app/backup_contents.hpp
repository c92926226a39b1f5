// Which files belong to a backup, and under which name each of them goes into it and out of it again.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace posthorn::app {

// The members of a backup beside the first and the last one:
//   queue/...   what lies in queue.directory
//   state/...   what lies in state_directory, wherever that is on the machine it comes back to
//   files/...   anything else, by its absolute path
inline constexpr std::string_view kQueuePart = "queue/", kStatePart = "state/", kFilesPart = "files/";
// All small files together: a restore has them in memory.
inline constexpr std::uint64_t kMostSmallFiles = std::uint64_t{256} * 1024 * 1024;

enum class BackupPart : std::uint8_t { key, state, configuration };
[[nodiscard]] std::string_view part_word(BackupPart part);   // as the backup's first member has it

struct BackupFile {
    std::string path;                                  // absolute
    BackupPart part = BackupPart::state;
    bool may_be_missing = false;                       // not every installation has it
};

// Keys of domains and of unsubscribe links; lists of the state directory; with_config: the configuration, and the files it names
// that are this installation's own (users, secrets, provider rules; certificates but those that are symbolic links, which another
// program renews). Key directories are listed as they are now.
[[nodiscard]] std::vector<BackupFile> backup_files(const config::Config& config, const std::string& config_path, bool with_config);

// The directories whose files must be read as one: those that Posthorn changes itself.
[[nodiscard]] std::vector<std::string> key_directories(const config::Config& config);

[[nodiscard]] std::string member_name(const std::string& path, const std::string& state_directory);
// Nothing: it is a part of the queue, or of no part that is known.
[[nodiscard]] std::optional<std::string> path_of_member(std::string_view name, const std::string& state_directory);

}  // namespace posthorn::app
