// Reads what says who gets mail for this machine's names: alias file, :include: lists, .forward files, passwd.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "intake/local_names.hpp"

namespace posthorn::smtp::server {

// Everything here blocks: on the disk, behind passwd perhaps on a directory server. Called on the disk pool (and by commands).
// The alias file is read again when it was changed (device, inode, size, times of the last change): no restart, no newaliases.
class AliasFiles final : public intake::NameFiles {
public:
    AliasFiles();

    [[nodiscard]] Aliases aliases(const std::string& path) override;
    [[nodiscard]] intake::NameFile file(const std::string& path, bool follow) override;
    [[nodiscard]] std::optional<intake::PasswdEntry> user(const std::string& name) override;
    [[nodiscard]] std::uint32_t own_uid() const override { return own_uid_; }

private:
    // What tells one state of a file from another.
    struct Stamp {
        std::uint64_t device = 0, inode = 0, size = 0;
        std::int64_t modified = 0, changed = 0;   // nanoseconds
        friend bool operator==(const Stamp&, const Stamp&) = default;
    };
    std::uint32_t own_uid_;
    std::mutex mutex_;                            // of what follows
    std::string path_;
    Stamp stamp_;
    std::shared_ptr<const mail::AliasTable> table_;
};

// Faults of the alias file, each "file:line: what", and what else keeps mail to root from arriving (SM-44); empty: all is well.
// At most `most` of the file's. For check-config, the start and each reload; blocks.
[[nodiscard]] std::vector<std::string> local_name_faults(const intake::LocalNames& names, std::size_t most = 20);

}  // namespace posthorn::smtp::server
