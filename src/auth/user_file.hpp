// Who may submit: the users file with its crypt(3) hashes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace posthorn::auth {

// The users file: lines "name:hash", empty lines, and comments that begin with '#'. A name is what AUTH
// sends, so it may hold '@' but no ':', blank or control character. A hash is what crypt(3) reads (yescrypt
// "$y$", "$6$", "$2b$", ...); one that begins with '!' or '*' lets nobody in.
class UserFile {
public:
    // All mistakes at once in the error, one a line, each "file:line: what is wrong". file_name is for
    // messages only.
    [[nodiscard]] static Result<UserFile> parse(std::string_view text, const std::string& file_name);
    // The same from a file. warning: who else may read the file, or empty.
    [[nodiscard]] static Result<UserFile> load(const std::string& path, std::string* warning = nullptr);

    [[nodiscard]] const std::string* hash_of(std::string_view user) const;
    // A hash of the scheme that most users have, or nullptr without users.
    [[nodiscard]] const std::string* typical_hash() const;
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] std::size_t size() const { return hashes_.size(); }

private:
    std::map<std::string, std::string, std::less<>> hashes_;
};

// A yescrypt hash with a random salt, for the users file. Takes 10-100 ms on purpose.
[[nodiscard]] Result<std::string> make_hash(std::string_view password);

enum class UserChange : std::uint8_t {
    add,      // the user must be new
    replace,  // the user must be there
    remove,   // the user must be there; password is not looked at
};

// Changes one line of the file and keeps all others (comments too) as they are; a missing file is made by
// `add` with mode 0600. Atomic: readers see the old file or the new one; of two changes at the same moment
// none is lost.
[[nodiscard]] Result<void> change_user(const std::string& path, UserChange change, std::string_view user,
                                       std::string_view password);

}  // namespace posthorn::auth
