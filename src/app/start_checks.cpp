// The clock against the day of the build, the queue's file system by statfs(2).
#include "app/start_checks.hpp"

#include "base/log.hpp"
#include "base/utc.hpp"
#include "doctor/probes.hpp"

namespace posthorn::app {
namespace {

constexpr Duration kSlack = std::chrono::hours(24);   // a clock may run a little behind that of the machine that built us

}  // namespace

TimePoint build_time() { return TimePoint(std::chrono::seconds(POSTHORN_BUILD_TIME)); }

std::string clock_fault(TimePoint now, TimePoint built) {
    if (now + kSlack >= built) return {};
    return "it says " + utc_text(now) + ", but this program was built later, " + utc_text(built);
}

std::string place_fault(const std::string& directory, const std::string& network_type) {
    if (network_type.empty()) return {};
    return directory + " lies on " + network_type + ", where the locks and the shared memory of sqlite's log do not hold";
}

void warn_about_machine(const config::Config& config, TimePoint now) {
    if (const std::string fault = clock_fault(now, build_time()); !fault.empty()) {
        log::warning("clock").kv("reason", fault)
            .kv("meaning", "Date fields, DKIM signatures and certificates will be judged by a wrong time; receivers refuse such mail")
            .kv("action", "set the clock, and let this machine keep it by NTP");
    }
    const doctor::DiskFact disk = doctor::look_at_disk(config.queue.directory, config.queue.min_free_space);
    if (const std::string fault = place_fault(config.queue.directory, disk.network_type); !fault.empty()) {
        log::warning("queue_on_network").kv("reason", fault).kv("meaning", "the queue can be damaged, and mail lost")
            .kv("action", "move queue.directory to a disk of this machine");
    }
}

}  // namespace posthorn::app
