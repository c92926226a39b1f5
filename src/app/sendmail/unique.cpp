// Unique names: see unique.hpp.
#include "app/sendmail/unique.hpp"

#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>

#include "mail/handoff.hpp"

namespace posthorn::app::sendmail {

std::string unique_name() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    std::uint64_t random = 0;
    // Eight octets never come in part (getrandom(2)). Where the kernel has none, the clock's nanoseconds and the process tell us apart.
    if (::getrandom(&random, sizeof random, 0) != sizeof random) random = static_cast<std::uint64_t>(now.tv_nsec);
    const auto microseconds = static_cast<std::uint64_t>(now.tv_sec) * 1000000U + static_cast<std::uint64_t>(now.tv_nsec) / 1000U;
    return mail::handoff_name(microseconds, static_cast<std::uint32_t>(::getpid()), random);
}

}  // namespace posthorn::app::sendmail
