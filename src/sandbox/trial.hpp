// Tries from inside what a taken-over daemon would try, in ways that do no harm should they succeed.
#pragma once

#include <string>
#include <vector>

#include "sandbox/places.hpp"

namespace posthorn::sandbox {

struct Trial {
    std::string what;          // "load a kernel module"
    std::string guard;         // who is to refuse it: "landlock", "mount" (read-only), "seccomp", "capabilities"; "nobody": it must work
    bool as_wanted = false;
    std::string answer;        // of the kernel: "Function not implemented"; "done"
};

struct TrialPlan {
    bool landlock = true, seccomp = true;     // which are in force: what is not is not tried
    bool programs = false;                    // programs may be started
    bool ports = true;                        // low ports are kept, by capabilities or Landlock
    Places places;                            // what may be read and written
    std::string own_directory;                // may be written: tried as well, and must work
};

// System calls are made with arguments that cannot be carried out, so that EFAULT, EINVAL or EBADF tell that the kernel would have looked
// at them; files are opened and closed. Blocks for a few milliseconds; may run on any thread.
[[nodiscard]] std::vector<Trial> try_everything(const TrialPlan& plan);

}  // namespace posthorn::sandbox
