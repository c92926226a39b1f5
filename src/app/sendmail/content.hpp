// The octets of the message at hand: the first mebibyte in memory, what follows in a file without a name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::app::sendmail {

// More than a header may have (kMaxHeaderOctets), so that all of a header is in front().
inline constexpr std::size_t kContentInMemory = (std::size_t{1} << 20U) + 65536;

// Owned by main(). Where no directory takes a file, or the disk is full, the rest stays in memory as well: a message is not lost for
// want of a place to put it down.
class Content {
public:
    Content() = default;
    ~Content();
    Content(const Content&) = delete;
    Content& operator=(const Content&) = delete;

    void append(std::string_view octets, const std::string& spool);
    // For the next message of the same process.
    void clear();

    [[nodiscard]] std::uint64_t size() const { return front_.size() + in_file_ + rest_.size(); }
    [[nodiscard]] const std::string& front() const { return front_; }
    void replace_front(std::string octets) { front_ = std::move(octets); }

    // Octets at `position`, as many as are at hand in one piece; empty: the end, or (failed()) the file cannot be read. Valid until
    // the next call.
    [[nodiscard]] std::string_view at(std::uint64_t position);
    [[nodiscard]] bool failed() const { return failed_; }

private:
    bool open_file(const std::string& spool);

    std::string front_;
    int fd_ = -1;
    bool no_file_ = false;
    std::uint64_t in_file_ = 0;
    std::string rest_;
    std::string buffer_;
    bool failed_ = false;
};

}  // namespace posthorn::app::sendmail
