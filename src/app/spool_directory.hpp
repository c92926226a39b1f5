// One spool directory as the daemon handles it: made, locked, walked, read, and cleared of what was taken. Blocking.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "base/result.hpp"
#include "intake/pickup.hpp"

struct __dirstream;

namespace posthorn::app {

// <spool>/tmp and <spool>/new (3733: anybody may put files there, nobody may list them or touch another's), and <spool>/refused
// (0700), where what can never be mail is put aside. Below the spool nothing is ever looked for by a path: each name is one
// component, looked up in the directory that was opened, and no symbolic link is followed.
//
// Made by open(), shared by the work on the pool's thread; one call at a time.
class SpoolDirectory {
public:
    // Opens it, and makes what is missing and may be made. One daemon at a time serves a spool: the lock is on `new`, so it goes
    // with the process. The error says what is wrong and what to do.
    [[nodiscard]] static Result<std::shared_ptr<SpoolDirectory>> open(const std::string& path);

    SpoolDirectory(const SpoolDirectory&) = delete;
    SpoolDirectory& operator=(const SpoolDirectory&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    // What the operator should know of it: modes that let users at each other's mail.
    [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

    // Whether the path still leads to what was opened: a volume may have been mounted over it, or made anew.
    [[nodiscard]] bool is_current() const;

    // A walk through `new`, piece by piece, so that no directory is too long for it. Names that begin with a dot are passed over.
    class Walk {
    public:
        Walk() = default;
        Walk(Walk&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
        Walk& operator=(Walk&& other) noexcept {
            std::swap(stream_, other.stream_);
            return *this;
        }
        ~Walk();
        // In order of age as far as names tell, up to `limit`; none at the end. False: it could not be read to its end.
        [[nodiscard]] bool next(std::vector<std::string>& names, std::size_t limit);

    private:
        friend class SpoolDirectory;
        __dirstream* stream_ = nullptr;
    };
    [[nodiscard]] Result<Walk> walk() const;

    // What stands under that name in `new`, and a descriptor of it where it may be read.
    struct Opened {
        intake::SpoolEntry entry;
        Descriptor file;
    };
    [[nodiscard]] Opened look(const std::string& name) const;

    // Removes the entry, if it is still the one that was looked at. An empty answer: it is gone.
    [[nodiscard]] std::string remove(const intake::SpoolEntry& entry) const;
    // Moves it into `refused`. The path it has there, or why not.
    [[nodiscard]] Result<std::string> put_aside(const intake::SpoolEntry& entry) const;
    // After removals: they are on disk.
    [[nodiscard]] bool sync() const;
    // Removes from `tmp` what its program will not finish any more; says how many.
    [[nodiscard]] std::size_t clear_abandoned(TimePoint now, Duration after) const;

private:
    SpoolDirectory() = default;
    [[nodiscard]] std::string still_the_same(const intake::SpoolEntry& entry) const;

    std::string path_;
    Descriptor incoming_;   // new
    Descriptor unfinished_; // tmp
    Descriptor refused_;
    std::vector<std::string> warnings_;
};

// Reads the next octets of an opened entry; nothing at its end. The error is the system's words.
[[nodiscard]] Result<std::string> read_piece(int file, std::uint64_t offset, std::size_t size);

}  // namespace posthorn::app
