// Files of a test: a map of paths to texts in place of a disk.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "migration/files.hpp"

namespace posthorn::migration::test {

class FileTree : public Files {
public:
    std::map<std::string, std::string> texts;
    std::map<std::string, std::uint32_t> modes;  // 0600 where nothing is said

    std::set<std::string> hidden;                 // directories that may not be entered

    [[nodiscard]] std::optional<std::string> text(const std::string& path) const override {
        if (is_hidden(path)) return std::nullopt;
        const auto found = texts.find(path);
        return found == texts.end() ? std::nullopt : std::optional(found->second);
    }
    [[nodiscard]] std::optional<Facts> facts(const std::string& path) const override {
        if (is_hidden(path)) return Facts{false, 0, "", true};
        if (texts.contains(path)) {
            const auto mode = modes.find(path);
            return Facts{false, mode == modes.end() ? 0600 : mode->second, "root", false};
        }
        const auto below = texts.lower_bound(path + "/");
        if (below != texts.end() && below->first.starts_with(path + "/")) return Facts{true, 0755, "root", false};
        return std::nullopt;
    }
    [[nodiscard]] std::vector<std::string> names(const std::string& directory) const override {
        std::set<std::string> found;
        for (const auto& [path, text] : texts) {
            if (!path.starts_with(directory + "/")) continue;
            const std::string rest = path.substr(directory.size() + 1);
            found.insert(rest.substr(0, rest.find('/')));
        }
        return {found.begin(), found.end()};
    }

private:
    [[nodiscard]] bool is_hidden(const std::string& path) const {
        return std::any_of(hidden.begin(), hidden.end(), [&](const std::string& directory) { return path.starts_with(directory + "/"); });
    }
};

}  // namespace posthorn::migration::test
