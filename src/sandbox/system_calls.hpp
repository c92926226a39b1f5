// The seccomp allow-list: the kernel answers every system call that is not on it with ENOSYS, as if it did not exist.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace posthorn::sandbox {

struct SystemCallWish {
    bool programs = false;              // it starts programs (alarm.command), which inherit the list: fork, exec and what programs use
    std::vector<std::string> more;      // by name, without conditions
};

// Empty: the kernel filters system calls, and this build may use it. Else why not.
[[nodiscard]] std::string why_no_seccomp();
// Whether any architecture knows a system call of this name.
[[nodiscard]] bool is_system_call(const std::string& name);

// For all threads of the process, for good. REQUIRES: no_new_privs. How many calls are allowed, or why it could not be.
[[nodiscard]] Result<std::size_t> confine_system_calls(const SystemCallWish& wish);

}  // namespace posthorn::sandbox
