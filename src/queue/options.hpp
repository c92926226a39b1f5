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
    Duration first = std::chrono::seconds(75);  // the first retry
    // Each further interval is this many times the one before, the second one as much again: 75 s, 5 min, 10 min, ...
    double factor = 2.0;
    Duration max = std::chrono::hours(3);
    double jitter = 0.2;  // each interval is spread by +- this share
    // Class grey: the first interval where the server named none (postgrey's default is 5 minutes), then twice as long up to half an
    // hour. Never earlier: what comes too early is refused again.
    Duration grey = std::chrono::minutes(5);
    Duration full_mailbox = std::chrono::hours(4);  // class rcpt-full: every interval; people do not tidy up in minutes
    // Class auth (550-5.7.26 and kin; docs/SUSPENSIONS.md). Probes where the diagnosis finds nothing to repair: after a 4xx this long,
    // then twice as long each time up to 32 times; after a 5xx 4, 16 and 48 times. Where nothing is suspended: the first retry.
    Duration auth_first = std::chrono::minutes(15);
    Duration auth_max = std::chrono::hours(12);       // no interval of these is longer
    Duration auth_lifetime = std::chrono::hours(72);  // from when it was first held; never longer than queue.lifetime
    Duration auth_poll = std::chrono::minutes(15);    // DNS is looked at this often; at first after 1/15, 2/15, 1/3, 2/3 of it
    Duration auth_settle = std::chrono::seconds(60);  // from the repair to the probe
    // Class rep: probes after a 4xx after 1, 2 and 4 times this; after a 5xx 2, 4, 8 and 24 times; where they say that repeating
    // is in vain, 24 times.
    Duration rep_first = std::chrono::hours(1);
    Duration rep_hold = Duration(0);                  // how long a message is kept that a 5xx of class rep refused; 0: returned at once
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
