// Opens the queue that lives in one sqlite file, with group commit (docs/QUEUE.md).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "queue/options.hpp"
#include "queue/store.hpp"

namespace posthorn::queue::sqlite {

// What no operator needs to set. Sizes in octets.
struct SqliteTuning {
    std::string vfs;                      // sqlite VFS by name; empty: the default
    std::size_t batch_operations = 1000;  // at most this many in one transaction
    std::size_t batch_bytes = 8 * 1024 * 1024;
    std::uint64_t checkpoint_every = 16 * 1024 * 1024;  // of WAL: copied beside the writer
    std::uint64_t checkpoint_force = 64 * 1024 * 1024;  // of WAL: the writer resets it itself
    std::size_t destination_cache = 4096;               // names whose ids the writer remembers
    int writer_cache_kib = 4096;
    int reader_cache_kib = 2048;
    Duration probe_interval = std::chrono::seconds(1);  // between probes of a disk that failed
    Duration space_check_interval = std::chrono::seconds(1);
};

// Creates the directory, the database and its schema where they are missing, migrates an older schema, and
// starts the store's threads. Returns in a time that does not depend on the queue's length (spool files are
// listed). An error when another process has the queue (it names the pid), when the schema is newer than this
// program, or when the disk refuses.
[[nodiscard]] Result<std::unique_ptr<QueueStore>> open_sqlite_store(const QueueOptions& options,
                                                                    const SqliteTuning& tuning = {});

}  // namespace posthorn::queue::sqlite
