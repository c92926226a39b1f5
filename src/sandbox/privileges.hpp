// Who the daemon is: which user it becomes when root starts it, and which capabilities it keeps (none).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace posthorn::sandbox {

struct Identity {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name;          // as passwd has it, or the number
    bool known = false;        // passwd has it: then its supplementary groups are taken on as well
};

// Started by another than root: itself, and an error where `wished` is somebody else. Started by root: `wished`; unset, the owner of the
// state directory; where that does not exist yet, the user "posthorn", if there is one. root where all of this says root. A wished
// number need not be in passwd; its group is the same number.
[[nodiscard]] Result<Identity> choose_identity(const std::string& wished, const std::string& state_directory);

// Who that number is in passwd; its own groups where it is there, else the group given.
[[nodiscard]] Identity user_of(uid_t uid, gid_t group_unless_known);

// All later file operations are the identity's, with its groups alone, until the end of the scope: for what root has to do where another
// may put links in its way. One inside another, and one of somebody who is not root, changes nothing. REQUIRES: no other thread.
class ActingAs {
public:
    explicit ActingAs(const Identity& identity);
    ~ActingAs();
    ActingAs(const ActingAs&) = delete;
    ActingAs& operator=(const ActingAs&) = delete;
    [[nodiscard]] bool failed() const { return failed_; }   // still root, who must not go on with what was meant for the other

private:
    bool acting_ = false;
    bool failed_ = false;
    std::vector<gid_t> groups_;                             // root's, to come back to
};

// For good: the user, his group and groups; no capability is left, none can be had again (bounding and ambient sets are empty), and
// nothing that is executed gains a privilege (no_new_privs). A daemon that stays root keeps CHOWN, DAC_OVERRIDE, FOWNER and FSETID, with
// which it reads mail that users left in spools, and keeps the owners of files that it replaces. REQUIRES: no other thread.
[[nodiscard]] Result<void> become(const Identity& identity);

}  // namespace posthorn::sandbox
