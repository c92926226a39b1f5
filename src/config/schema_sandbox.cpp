// The settings of what the daemon may still do once it runs ([sandbox]).
#include "config/field.hpp"
#include "config/schema.hpp"

namespace posthorn::config {

std::vector<Setting<Config>> sandbox_settings() {
    using namespace binding;
    const std::vector<std::pair<std::string, sandbox::Wish>> wishes = {
        {"auto", sandbox::Wish::automatic}, {"off", sandbox::Wish::off}, {"required", sandbox::Wish::required}};
    return {
        {"sandbox", "user", text<Config>(FIELD(sandbox.user), "a system user, by name or number, or \"\""),
         "Who a daemon becomes that root starts; it opens its ports before. Unset: the owner of state_directory, or, where that does not "
         "exist yet, the user posthorn if there is one.",
         "\"posthorn\""},
        {"sandbox", "landlock", choice<Config>(FIELD(sandbox.landlock), wishes),
         "Whether the kernel keeps the daemon from all files and ports but those that the settings name. \"auto\": where the kernel can "
         "(5.19 or later); \"required\": no start without it."},
        {"sandbox", "seccomp", choice<Config>(FIELD(sandbox.seccomp), wishes),
         "Whether the kernel keeps it to the system calls that a mail server needs. Programs of alarm.command are kept to a longer list."},
        {"sandbox", "read_paths", texts<Config>(FIELD(sandbox.read_paths), "a list of whole paths such as [\"/srv/keys\"]"),
         "Files and directories that it may read besides /etc, /usr, /proc and those that other settings name: for programs of "
         "alarm.command, or for settings that a reload will bring.",
         "[\"/srv/keys\"]"},
        {"sandbox", "write_paths", texts<Config>(FIELD(sandbox.write_paths), "a list of whole paths such as [\"/var/log/alarms\"]"),
         "The same for changing them. state_directory, the queue, key directories, spools and the directories of its sockets need no mention.",
         "[\"/var/log/alarms\"]"},
        {"sandbox", "system_calls", texts<Config>(FIELD(sandbox.system_calls), "a list of names such as [\"mknodat\"]"),
         "Further system calls, where a library or a program of alarm.command needs them. `journalctl -k | grep SECCOMP` tells the "
         "number of what was refused, `scmp_sys_resolver NUMBER` (Debian's seccomp) its name.",
         "[\"mknodat\"]"},
    };
}

}  // namespace posthorn::config
