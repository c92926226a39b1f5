// `posthorn backup`: queue, keys and configuration in one file, made while the daemon runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

namespace posthorn::app {

struct BackupOrder {
    std::string config_path;
    config::Config config;
    std::string file;                                  // "-": standard output
    bool with_config = true;                           // the configuration, and the users, secrets and certificates it names
    bool replace = false;                              // a file that is there already
    std::string work_directory;                        // for the copy of the database; empty: where the file goes
};

struct BackupMade {
    std::uint64_t octets = 0;
    std::uint64_t messages = 0, recipients = 0;        // in it
    std::uint64_t left_meanwhile = 0;                  // recipients settled while it was made; not in it
    std::uint64_t keys = 0;                            // files
    std::int64_t schema = 0;
    std::vector<std::string> missing;                  // what the configuration names and is not there
};

// The file has its name when it is whole and on disk, and not before; mode 0600. The error says what to do.
[[nodiscard]] Result<BackupMade> make_backup(const BackupOrder& order);

}  // namespace posthorn::app
