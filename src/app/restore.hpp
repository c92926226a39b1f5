// `posthorn restore`: a backup put in place where there is no queue yet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::app {

struct RestoreOrder {
    std::string config_path;
    std::string file;                                  // "-": standard input
    bool with_config = false;                          // put the configuration and the files it names in place as well
    bool hold = false;                                 // all mail is held until the operator releases it
    bool verify_only = false;                          // read all of it, check it, change nothing
    bool replace = false;                              // keys and files that are there already and differ
};

struct Restored {
    std::string made_at, hostname, version;            // of the backup
    std::string queue_directory;
    std::uint64_t octets = 0;
    std::uint64_t messages = 0, recipients = 0, held = 0, expired = 0;
    std::uint64_t files = 0;                           // keys, lists, and with_config what belongs to it
    std::vector<std::string> without_body;             // ids of messages whose body was missing when the backup was made
    std::vector<std::string> left_out;                 // files of the configuration that were not asked for
};

// Everything is read and checked beside the queue's place before anything of it is in place; the queue's database comes last. While it
// is under way, or after it was killed, no daemon starts there (unfinished_restore()).
[[nodiscard]] Result<Restored> restore(const RestoreOrder& order, TimePoint now);

// The directory of a restore that did not come to its end; empty: there is none. A daemon must not begin an empty queue beside it.
[[nodiscard]] std::string unfinished_restore(const std::string& queue_directory);

}  // namespace posthorn::app
