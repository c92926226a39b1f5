// The whole sandbox in its order: become the user, give up privileges, Landlock, seccomp; and what came of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "sandbox/landlock.hpp"
#include "sandbox/options.hpp"
#include "sandbox/privileges.hpp"
#include "sandbox/system_calls.hpp"

namespace posthorn::sandbox {

struct Wishes {
    Identity identity;
    Wish landlock = Wish::automatic;
    LandlockWish files;
    Wish seccomp = Wish::automatic;
    SystemCallWish calls;
};

// What holds, for log, status and `posthorn sandbox check`.
struct InForce {
    std::string user;
    bool root = false;
    int landlock = 0;                  // version of the interface; 0: not in force
    std::string no_landlock;           // then why
    std::size_t system_calls = 0;      // how many are allowed; 0: not in force
    std::string no_seccomp;            // then why
    Places places;                     // what Landlock grants; of no meaning without it
};

// Once, before the first thread is started. An error is a start that must not go on: a user that cannot be become, a required part
// that the kernel does not have.
[[nodiscard]] Result<InForce> confine(const Wishes& wishes);

}  // namespace posthorn::sandbox
