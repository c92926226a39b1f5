// The disk as `posthorn import` sees it: reading what there is, writing what is not there yet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "migration/files.hpp"
#include "migration/migration.hpp"

namespace posthorn::app {

class DiskFiles : public migration::Files {
public:
    [[nodiscard]] std::optional<std::string> text(const std::string& path) const override;
    [[nodiscard]] std::optional<Facts> facts(const std::string& path) const override;
    [[nodiscard]] std::vector<std::string> names(const std::string& directory) const override;
};

// What --apply did, one line each: "wrote ...", "kept ..., which has the same content".
struct Applied {
    std::vector<std::string> lines;
};

// Keys and passwords with mode 0600, then the configuration. Never overwrites: a file that has another
// content is an error before anything is written. Run by root, the files belong to the user that the daemon
// runs as, where there is one (the owner of state_directory, else "posthorn").
[[nodiscard]] Result<Applied> apply(const migration::Migration& made, const std::string& output,
                                    const std::string& state_directory);

}  // namespace posthorn::app
