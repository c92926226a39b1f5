// The settings of the spool directory, where programs leave mail while no daemon takes it ([local]).
#include "config/field.hpp"
#include "config/schema.hpp"

namespace posthorn::config {

std::vector<Setting<Config>> pickup_settings() {
    using namespace binding;
    using std::chrono::hours;
    using std::chrono::milliseconds;
    return {
        {"local", "spool", path<Config>(FIELD(intake.pickup.directory), true),
         "Where the sendmail program leaves mail while it finds no daemon, to be picked up at the next start. It is made where that "
         "is possible; its owner must be the daemon's user (`install -d -o posthorn /var/spool/posthorn`). Unset: /var/spool/posthorn, "
         "but none where state_directory is another than the default. Empty: none."},
        {"local", "spool_scan_interval", duration<Config>(FIELD(intake.pickup.scan_interval), milliseconds(100), hours(1)),
         "How often all spool directories are looked at. The kernel tells of new files at once; this is for volumes where it cannot, "
         "and for what could not be taken before."},
        {"local", "spool_abandoned_after", duration<Config>(FIELD(intake.pickup.abandoned_after), milliseconds(100), hours(24 * 30)),
         "When a file in the spool's tmp directory is removed, since the program that wrote it must have been killed."},
    };
}

}  // namespace posthorn::config
