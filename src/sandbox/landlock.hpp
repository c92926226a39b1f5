// Landlock: the kernel refuses this process every file, port and signal but those named (landlock(7)).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "sandbox/places.hpp"

namespace posthorn::sandbox {

struct LandlockWish {
    Places places;                       // resolved
    std::vector<std::uint16_t> ports;    // on which it may listen; ports that the kernel chooses are always free
    bool abstract_sockets = false;       // may talk to sockets without a file (NOTIFY_SOCKET=@...)
};

// The kernel's version of Landlock's interface; 0: it has none, or it is switched off.
[[nodiscard]] int landlock_version();
// The oldest that is used: before it no file could be moved from one directory to another.
inline constexpr int kOldestLandlock = 2;
// From this one on it confines ports as well.
inline constexpr int kLandlockWithPorts = 4;

// For this thread and all that it starts, for good. REQUIRES: no_new_privs, and no other thread. The version used, or why it could not be.
[[nodiscard]] Result<int> confine_files(const LandlockWish& wish);

}  // namespace posthorn::sandbox
