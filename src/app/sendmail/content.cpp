// A message in memory and in a file: see content.hpp.
#include "app/sendmail/content.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "app/sendmail/unique.hpp"

namespace posthorn::app::sendmail {
namespace {

constexpr std::size_t kReadAtOnce = 65536;

}  // namespace

Content::~Content() { clear(); }

void Content::clear() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    in_file_ = 0;
    front_.clear();
    rest_.clear();
    failed_ = no_file_ = false;
}

bool Content::open_file(const std::string& spool) {
    const char* chosen = ::secure_getenv("TMPDIR");
    const std::string own = spool.empty() ? spool : spool + "/tmp";
    for (const char* directory : {own.c_str(), chosen == nullptr ? "" : chosen, "/var/tmp", "/tmp"}) {
        if (*directory == '\0') continue;
        const std::string path = std::string(directory) + "/" + unique_name();
        fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd_ < 0) continue;
        ::unlink(path.c_str());
        return true;
    }
    return false;
}

void Content::append(std::string_view octets, const std::string& spool) {
    if (front_.size() < kContentInMemory) {
        front_ += octets;
        return;
    }
    if (fd_ < 0 && !no_file_) no_file_ = !open_file(spool);
    while (!no_file_ && !octets.empty()) {
        const ssize_t done = ::write(fd_, octets.data(), octets.size());
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            no_file_ = true;
            break;
        }
        octets.remove_prefix(static_cast<std::size_t>(done));
        in_file_ += static_cast<std::uint64_t>(done);
    }
    rest_ += octets;
}

std::string_view Content::at(std::uint64_t position) {
    if (position < front_.size()) return std::string_view(front_).substr(position);
    position -= front_.size();
    if (position >= in_file_) {
        position -= in_file_;
        return position < rest_.size() ? std::string_view(rest_).substr(position) : std::string_view();
    }
    buffer_.resize(kReadAtOnce);
    const std::uint64_t most = in_file_ - position;
    for (;;) {
        const ssize_t got = ::pread(fd_, buffer_.data(), most < kReadAtOnce ? most : kReadAtOnce, static_cast<off_t>(position));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            failed_ = true;
            return {};
        }
        return std::string_view(buffer_).substr(0, static_cast<std::size_t>(got));
    }
}

}  // namespace posthorn::app::sendmail
