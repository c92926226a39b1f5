// One step after the other; a step that the operator wished for but did not demand may fail.
#include "sandbox/confinement.hpp"

#include <unistd.h>

namespace posthorn::sandbox {
namespace {

constexpr const char* kSwitchedOff = "switched off in the configuration";

}  // namespace

Result<InForce> confine(const Wishes& wishes) {
    InForce now;
    now.user = wishes.identity.name;
    now.root = wishes.identity.uid == 0;
    now.places = wishes.files.places;
    if (const Result<void> became = become(wishes.identity); !became) return became.error();
    if (wishes.landlock == Wish::off) {
        now.no_landlock = kSwitchedOff;
    } else if (const Result<int> confined = confine_files(wishes.files)) {
        now.landlock = *confined;
    } else if (wishes.landlock == Wish::required) {
        return Error{"sandbox.landlock is \"required\", but cannot be had: ", confined.error().what, "; use \"auto\" to start without it"};
    } else {
        now.no_landlock = confined.error().what;
    }
    // Last: what it refuses the steps above still needed.
    if (wishes.seccomp == Wish::off) {
        now.no_seccomp = kSwitchedOff;
    } else if (const Result<std::size_t> confined = confine_system_calls(wishes.calls)) {
        now.system_calls = *confined;
    } else if (wishes.seccomp == Wish::required) {
        return Error{"sandbox.seccomp is \"required\", but cannot be had: ", confined.error().what, "; use \"auto\" to start without it"};
    } else {
        now.no_seccomp = confined.error().what;
    }
    return now;
}

}  // namespace posthorn::sandbox
