// A large body on its way to disk: written beside the database and durable before the row that names it
// commits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/queue_id.hpp"
#include "base/result.hpp"

namespace posthorn::queue {

// The name of a message's spool file, relative to the spool directory: "<2 hex>/<id>".
[[nodiscard]] std::string spool_name(QueueId id);

// One file being written. Until finish() nobody else sees it: it has no name (O_TMPFILE), or a temporary one
// where the file system cannot do that, and the kernel or the next start removes it after a crash. After
// finish() it belongs to the message that names it; when that message is not added after all, the caller
// removes it with remove_spooled(). One thread at a time; the calls block on the disk.
class BodySpool {
public:
    // `directory` is QueueStore::spool_directory(); it exists.
    [[nodiscard]] static Result<BodySpool> open(const std::string& directory, QueueId id);

    BodySpool(BodySpool&& other) noexcept;
    BodySpool& operator=(BodySpool&& other) noexcept;
    BodySpool(const BodySpool&) = delete;
    BodySpool& operator=(const BodySpool&) = delete;
    ~BodySpool();  // abandons what was not finished

    [[nodiscard]] Result<void> write(std::string_view octets);
    // Up to `size` of the octets written, from `offset` on; fewer at the end, none behind it. Not after finish().
    [[nodiscard]] Result<std::string> read(std::uint64_t offset, std::size_t size) const;
    // The file's data, its name and its directory are on disk when this returns the name for
    // mail::Body::spool_file. An existing file of that name is an error.
    [[nodiscard]] Result<std::string> finish();
    [[nodiscard]] std::uint64_t size() const { return size_; }

private:
    BodySpool() = default;
    void abandon() noexcept;

    int fd_ = -1;
    std::uint64_t size_ = 0;
    std::string directory_;  // with the two hex digits
    std::string name_;       // relative to the spool directory
    std::string final_path_;
    std::string temporary_path_;  // empty with O_TMPFILE
};

// Gives a finished file a second name, for another message with the same body, and answers it: durable, as finish(). The two are
// removed apart from each other. Where the file system has no hard links it is a copy.
[[nodiscard]] Result<std::string> link_spooled(const std::string& directory, const std::string& spool_file, QueueId id);

// Removes a finished file whose message was not added. No error when it is gone already.
void remove_spooled(const std::string& directory, const std::string& spool_file) noexcept;

}  // namespace posthorn::queue
