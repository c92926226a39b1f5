// Who may submit: the users file with its crypt(3) hashes and SCRAM secrets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/crypto.hpp"
#include "auth/scram.hpp"
#include "base/result.hpp"

namespace posthorn::auth {

// The users file: lines "name:hash" or "name:hash:scram", empty lines, and comments that begin with '#'.
//
// A name is what AUTH sends, so it may hold '@' but no ':', blank or control character; two names that
// SASLprep makes the same are the same user (RFC 4616 s2, RFC 5802 s5.1). hash is what crypt(3) reads
// (yescrypt "$y$",
// "$6$", "$2b$", ...), for PLAIN and LOGIN; one that begins with '!' or '*' lets nobody in by any mechanism.
// scram is "SCRAM-SHA-256$..." (RFC 5803), for SCRAM; without it the user can log in by PLAIN and LOGIN only.
//
// One comment has a meaning: "#salt-key BASE64" with 32 octets. From it come the salts that SCRAM shows for
// names that do not exist; it must outlive restarts, since a salt that changes while others stay tells which
// names exist. change_user writes it with the first SCRAM secret.
class UserFile {
public:
    struct User {
        std::string name;  // as it is written
        std::string hash;
        std::optional<ScramSecret> scram;

        [[nodiscard]] bool locked() const { return hash.starts_with('!') || hash.starts_with('*'); }
    };

    // All mistakes at once in the error, one a line, each "file:line: what is wrong". file_name is for
    // messages only.
    [[nodiscard]] static Result<UserFile> parse(std::string_view text, const std::string& file_name);
    // The same from a file. warning: who else may read the file, or empty.
    [[nodiscard]] static Result<UserFile> load(const std::string& path, std::string* warning = nullptr);

    // Empty when a line can have this name, else why not.
    [[nodiscard]] static std::string fault_of_name(std::string_view name);

    // Locked users, too; nullptr where there is none.
    [[nodiscard]] const User* find(std::string_view name) const;
    // nullptr for locked users, too.
    [[nodiscard]] const std::string* hash_of(std::string_view user) const;
    // A hash of the scheme that most users have, or nullptr without users.
    [[nodiscard]] const std::string* typical_hash() const;
    // In the order of their prepared names.
    [[nodiscard]] std::vector<const User*> users() const;
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] std::size_t size() const { return users_.size(); }
    // The file's, or one made of all its secrets where it has none: that changes with each password.
    [[nodiscard]] Sha256 salt_key() const;

private:
    std::map<std::string, User, std::less<>> users_;  // by prepared name
    std::optional<Sha256> salt_key_;
};

// A yescrypt hash with a random salt, for the users file, of the password as it is. Takes 10-100 ms on
// purpose.
[[nodiscard]] Result<std::string> make_hash(std::string_view password);
// What follows the name on a user's line: hash and SCRAM secret of the prepared password. The error says what
// is wrong with the password.
[[nodiscard]] Result<std::string> make_secrets(std::string_view password);

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
