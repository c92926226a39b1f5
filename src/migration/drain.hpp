// The configuration with which Postfix hands its queue over, and what its postqueue says of it.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace posthorn::migration {

// What `main_cf` says, each name once, with the directory it stood in for $config_directory; but what sends
// all mail that is not for mailboxes of this machine to `next_hop` ("[127.0.0.1]:25"), and keeps everything
// that is not taken, in place of what it said.
[[nodiscard]] std::string drain_main_cf(std::string_view main_cf, std::string_view directory,
                                        std::string_view next_hop);

// `master_cf` without services that listen on the network, and with the smtp clients as they are by default.
[[nodiscard]] std::string drain_master_cf(std::string_view master_cf);

// Messages of `postqueue -j` by queue: "active", "deferred", "hold", "incoming", "maildrop".
struct QueueCount {
    std::map<std::string, std::size_t> messages;
    std::map<std::string, std::size_t> reasons;  // why deferred mail waits

    [[nodiscard]] std::size_t in(const std::string& queue) const;
    [[nodiscard]] std::size_t total() const;
    [[nodiscard]] std::size_t moving() const;  // neither deferred nor on hold
};
[[nodiscard]] QueueCount count_queue(std::string_view postqueue_json);

}  // namespace posthorn::migration
