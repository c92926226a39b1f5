// Files that hold secrets (keys, password hashes): read with a look at who else may read them, written whole
// or not at all.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace posthorn::auth {

struct SecretFile {
    std::string path;
    std::string content;
    // Empty, or who else may read or change the file and the chmod that repairs it. A warning: the file was
    // read.
    std::string exposed_to;
};

// At most 1 MiB is read. The error names the path, the reason and what to do ("chown posthorn ..." for
// EACCES).
[[nodiscard]] Result<SecretFile> read_secret_file(const std::string& path);

enum class Existing : std::uint8_t { refuse, replace };

// Temporary file beside it, fsync, rename (link for `refuse`, so that two writers cannot both win), fsync of
// the directory: after a crash the old file or the new one is there, never half of one. A replaced file keeps
// its mode and owner.
[[nodiscard]] Result<void> write_secret_file(const std::string& path, std::string_view content,
                                             Existing existing, unsigned mode = 0600);

// Replaces the file by what `change` makes of its content (nullptr: there is no file yet), while no other
// call of this function in any process can do the same in that directory: no change is lost. An error of
// `change` is passed on.
using SecretChange = std::function<Result<std::string>(const std::string* content)>;
[[nodiscard]] Result<void> change_secret_file(const std::string& path, const SecretChange& change);

}  // namespace posthorn::auth
