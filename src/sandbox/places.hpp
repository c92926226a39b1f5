// The parts of the file system that the daemon needs, as paths, and whether a path lies in them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::sandbox {

// run: read, and start programs that lie there.
enum class Access : std::uint8_t { read, write, run };

// A directory with all below it, or a single file. Whole paths without "." and "..".
struct Place {
    std::string path;
    Access access = Access::read;
};

// A value; pure but for resolved().
class Places {
public:
    // Adds a directory, or a file that is never replaced (a device).
    void add(Access access, std::string_view path);
    // Adds the directory of a file, since whoever changes a file replaces it; but "/" would be everything: there the file alone. Empty path:
    // nothing.
    void add_directory_of(Access access, std::string_view file);

    // Whether all this access is granted there: write and run include read.
    [[nodiscard]] bool covers(Access access, std::string_view path) const;
    [[nodiscard]] const std::vector<Place>& all() const { return all_; }

    // The same places as the kernel sees them: symbolic links followed (a link's own directory stays as well), and what does not exist
    // replaced by the nearest directory above that does, but never by "/". Asks the file system.
    [[nodiscard]] Places resolved() const;

private:
    std::vector<Place> all_;
};

}  // namespace posthorn::sandbox
