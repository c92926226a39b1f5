// Settings of the queue and of retrying ([queue] and [retry] of the configuration).
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"

namespace posthorn::queue {

// [journal]: what became of mail, after it has left the queue.
struct JournalOptions {
    // Entries, one for each recipient in each attempt; some 400 octets each. 0: none are written.
    std::uint64_t max_rows = 200'000;
    // Older entries go as new ones come.
    Duration keep = std::chrono::hours(14 * 24);
};

struct QueueOptions {
    // Directory of queue.sqlite and spool/. Must be on a local file system (WAL is not safe on NFS or SMB).
    std::string directory = "/var/lib/posthorn/queue";
    // How long a message is tried before its sender is told that it failed (RFC 5321 s4.5.4.1: at least 4-5
    // days).
    Duration lifetime = std::chrono::hours(5 * 24);
    // The same for messages with the null reverse-path (DSNs), of whose failure nobody can be told.
    Duration dsn_lifetime = std::chrono::hours(2 * 24);
    // Bodies up to this size are kept inside the database, larger ones as files beside it.
    std::uint64_t inline_body_limit = 256 * 1024;
    // Bodies of mail due at once that may stay in memory until delivered; beyond it they are read back from
    // disk.
    std::uint64_t hot_memory = 8 * 1024 * 1024;
    // New mail is refused with 452 while the file system has less than this free.
    std::uint64_t min_free_space = 64 * 1024 * 1024;
    // Octets of messages that may wait for the writer before new ones are refused with 452.
    std::uint64_t inbox_limit = 64 * 1024 * 1024;
    // How long a client waits for the disk before it gets 452 (its own timeout is 10 minutes, RFC 5321
    // s4.5.3.2.6).
    Duration store_deadline = std::chrono::seconds(30);
    JournalOptions journal;
};

struct RetryOptions {
    Duration first = std::chrono::seconds(75);  // the first retry: greylisting ends after 60-90 s
    // Each further interval is this many times the one before, the second one as much again: 75 s, 5 min, 10 min, ...
    double factor = 2.0;
    Duration max = std::chrono::hours(3);
    double jitter = 0.2;  // each interval is spread by +- this share
    // Class auth (550-5.7.26 and kin), reference to docs/DELIVERY.md: probes while DNS is being repaired.
    Duration auth_first = std::chrono::minutes(15);
    Duration auth_max = std::chrono::hours(4);
    Duration auth_lifetime = std::chrono::hours(72);  // from acceptance; never longer than queue.lifetime
    // Class local (a missing key, a mistake of our own configuration): looked at again this often, and at
    // each reload.
    Duration local_interval = std::chrono::minutes(10);
    // true: a 5xx of class auth fails at once as any other 5xx.
    bool strict_5xx = false;
    // A DSN "delayed" is sent once after this time (RFC 3461 NOTIFY=DELAY asks for it; unset senders get
    // none). 0: never.
    Duration delay_notice = std::chrono::hours(4);
};

}  // namespace posthorn::queue
