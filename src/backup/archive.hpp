// One backup as a stream: a tar archive whose first member says what it is and whose last one says that all of it is there.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backup/tar.hpp"
#include "base/result.hpp"

namespace posthorn::backup {

// The names of both; what is between them is described in docs/BACKUP.md.
inline constexpr std::string_view kFirstMember = "posthorn-backup.json";
inline constexpr std::string_view kLastMember = "manifest.json";

struct Member {
    std::string name;
    std::uint64_t size = 0;
    std::string sha256;                                // hexadecimal
};

// Writes to a descriptor that it does not own: a file or a pipe. One thread.
class ArchiveWriter {
public:
    explicit ArchiveWriter(int fd) : fd_(fd) {}

    [[nodiscard]] Result<void> add(const std::string& name, std::string_view content, std::uint32_t mode, std::int64_t modified);
    // Of an open file, from its beginning, exactly `size` octets: one that has fewer is an error.
    [[nodiscard]] Result<void> add_file(const std::string& name, int file, std::uint64_t size, std::uint32_t mode, std::int64_t modified);
    [[nodiscard]] Result<void> finish(std::int64_t now);

    [[nodiscard]] std::uint64_t written() const { return written_; }
    [[nodiscard]] const std::vector<Member>& members() const { return members_; }

private:
    [[nodiscard]] Result<void> write(std::string_view octets);
    [[nodiscard]] Result<void> begin(const std::string& name, std::uint64_t size, std::uint32_t mode, std::int64_t modified);

    int fd_;
    std::uint64_t written_ = 0;
    std::vector<Member> members_;
};

// Reads one member after the other. Damage (a wrong checksum, an archive that is cut off, a member twice) is an error whose text
// says so; nothing that was read may be used before finish() has said that it is whole.
class ArchiveReader {
public:
    explicit ArchiveReader(int fd) : fd_(fd) {}

    // The next member; nothing: the manifest was read, and everything agrees with it.
    [[nodiscard]] Result<std::optional<TarHeader>> next();
    // The content of the member that next() told, piece by piece; `sink` may refuse it.
    [[nodiscard]] Result<void> content(const std::function<Result<void>(std::string_view)>& sink);
    // The same as one text; more than `most` octets is an error.
    [[nodiscard]] Result<std::string> text(std::size_t most);

    [[nodiscard]] const std::vector<Member>& members() const { return members_; }

private:
    [[nodiscard]] Result<void> read(char* to, std::size_t size);
    [[nodiscard]] Result<void> check_manifest(std::string_view text) const;

    int fd_;
    TarHeader current_;
    bool content_read_ = true;
    std::vector<Member> members_;
};

}  // namespace posthorn::backup
