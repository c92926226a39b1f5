// What /proc shows of a process and of the one that started it: for the operator, who looks for the program that sends.
#pragma once

#include <cstdint>
#include <string>

namespace posthorn::net {

struct ProcessSeen {
    std::int32_t pid = 0;         // 0: nothing is to be seen (hidepid, another PID namespace, gone)
    std::string command;          // its command line, words joined by blanks; raw octets, at most kLongestCommand
    std::int32_t parent_pid = 0;  // of the process that started it; shells that only passed it on ("sh -c ...") are passed over
    std::string parent_command;

    static constexpr std::size_t kLongestCommand = 1000;
};

// Reads /proc/PID, its parent, and at most three shells between. A process can write what it likes into its command line, but not
// choose its parent. Nothing is seen of a process of another user than `uid`: then the number was given to somebody else
// meanwhile. Not for the shard: reading may wait for the memory of the process.
[[nodiscard]] ProcessSeen see_process(std::int32_t pid, std::uint32_t uid);

}  // namespace posthorn::net
