// Where a migration reads files from, and where in them each of its values stood.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::migration {

// A place in a file of Postfix, OpenDKIM or Dovecot. No file: a default that is built into the program.
struct Origin {
    std::string file;
    std::uint32_t line = 0;  // counted from 1; 0: the file as a whole

    [[nodiscard]] bool built_in() const { return file.empty(); }
    [[nodiscard]] std::string to_string() const;  // "/etc/postfix/main.cf:12"
    friend bool operator==(const Origin&, const Origin&) = default;
    friend auto operator<=>(const Origin&, const Origin&) = default;
};

// The other programs' files, so that the rules here do not read the disk themselves. All paths are absolute.
class Files {
public:
    struct Facts {
        bool directory = false;
        std::uint32_t mode = 0;  // permission bits
        std::string owner;       // name, or number where it has none
        bool hidden = false;     // it lies in a directory that this user may not enter: nothing else is known, not even whether it is there
    };

    virtual ~Files() = default;
    // Nothing: there is no such file, or it cannot be read; `facts` tells the two apart.
    [[nodiscard]] virtual std::optional<std::string> text(const std::string& path) const = 0;
    [[nodiscard]] virtual std::optional<Facts> facts(const std::string& path) const = 0;
    // The names in a directory, sorted; none where there is no such directory.
    [[nodiscard]] virtual std::vector<std::string> names(const std::string& directory) const = 0;
};

// `path` as it is seen from `directory`: an absolute one stays.
[[nodiscard]] std::string absolute_path(std::string_view directory, std::string_view path);
[[nodiscard]] std::string parent_directory(std::string_view path);

}  // namespace posthorn::migration
