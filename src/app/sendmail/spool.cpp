// tmp/, sync, new/: see spool.hpp.
#include "app/sendmail/spool.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/sysexits.hpp"
#include "base/text.hpp"

namespace posthorn::app::sendmail {
namespace {

// The file to remove when a signal ends the program; written only while those signals are blocked.
char unfinished[4096];

void remove_unfinished(int signal) {
    if (unfinished[0] != '\0') ::unlink(unfinished);
    ::signal(signal, SIG_DFL);
    ::raise(signal);
}

constexpr int kEnding[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

// While it lives, signals that end the program wait.
class Undisturbed {
public:
    Undisturbed() {
        sigset_t ending;
        sigemptyset(&ending);
        for (const int signal : kEnding) sigaddset(&ending, signal);
        ::sigprocmask(SIG_BLOCK, &ending, &before_);
    }
    ~Undisturbed() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
    Undisturbed(const Undisturbed&) = delete;
    Undisturbed& operator=(const Undisturbed&) = delete;

private:
    sigset_t before_;
};

bool write_all(int fd, std::string_view octets) {
    while (!octets.empty()) {
        const ssize_t done = ::write(fd, octets.data(), octets.size());
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        octets.remove_prefix(static_cast<std::size_t>(done));
    }
    return true;
}

bool write_record(int fd, const mail::Handoff& handoff, Content& content) {
    mail::HandoffWriter writer;
    if (!write_all(fd, writer.head(handoff))) return false;
    for (std::uint64_t position = 0; position < content.size();) {
        const std::string_view piece = content.at(position);
        if (piece.empty()) return false;
        writer.body(piece);
        if (!write_all(fd, piece)) return false;
        position += piece.size();
    }
    return write_all(fd, writer.end());
}

Spooled failed(int exit_code, const std::string& what) { return {false, exit_code, what + ": " + std::strerror(errno)}; }

// Users may put files into new/, and neither list nor open it (mode 3733). For them the file is synced once more: its rename changed
// its inode, and ext4, xfs and btrfs write both or neither.
bool sync_rename(int file, const std::string& directory) {
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ::fsync(file) == 0;
    const bool done = ::fsync(fd) == 0 || errno == EINVAL;
    ::close(fd);
    return done;
}

}  // namespace

Spooled write_spool(const std::string& spool, const std::string& name, const mail::Handoff& handoff, Content& content) {
    const std::string unfinished_path = spool + "/tmp/" + name;
    const std::string path = spool + "/new/" + name;
    if (unfinished_path.size() >= sizeof unfinished) {
        errno = ENAMETOOLONG;
        return failed(exit_code::kCannotCreate, "the spool's path");
    }
    for (const int signal : kEnding) {
        struct sigaction action {};
        // A caller who had them ignored (nohup) keeps that.
        if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) continue;
        action = {};
        action.sa_handler = remove_unfinished;
        ::sigaction(signal, &action, nullptr);
    }
    int fd = -1;
    {
        const Undisturbed for_now;
        fd = ::open(unfinished_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0) return failed(exit_code::kCannotCreate, spool + "/tmp");
        std::strcpy(unfinished, unfinished_path.c_str());
    }
    Spooled result;
    // The caller's umask may have taken the daemon's right to read it. fsync before rename: what is in new/ is whole.
    if (::fchmod(fd, 0640) != 0 || !write_record(fd, handoff, content) || ::fsync(fd) != 0)
        result = failed(exit_code::kIoError, spool + "/tmp");
    const Undisturbed from_here;
    if (result.exit_code == 0 && ::rename(unfinished_path.c_str(), path.c_str()) != 0)
        result = failed(exit_code::kCannotCreate, spool + "/new");
    if (result.exit_code != 0) {
        ::unlink(unfinished_path.c_str());
    } else if (!sync_rename(fd, spool + "/new")) {
        // It may be there after a crash, or not; nobody is told that it is.
        result = failed(exit_code::kIoError, spool + "/new");
        ::unlink(path.c_str());
    }
    unfinished[0] = '\0';
    ::close(fd);
    result.done = result.exit_code == 0;
    return result;
}

SpoolListing list_spool(const std::string& spool) {
    SpoolListing listing;
    const std::string directory = spool + "/new";
    DIR* entries = ::opendir(directory.c_str());
    if (entries == nullptr) {
        listing.error = errno;
        return listing;
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(entries))
        if (mail::is_handoff_name(entry->d_name)) names.emplace_back(entry->d_name);
    ::closedir(entries);
    std::ranges::sort(names);
    for (const std::string& name : names) {
        const int fd = ::open((directory + "/" + name).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) continue;
        struct stat facts {};
        mail::HandoffReader reader;
        if (::fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode)) {
            char buffer[16384];
            ssize_t got = 0;
            while (!reader.has_head() && reader.fault() == mail::HandoffFault::none && (got = ::read(fd, buffer, sizeof buffer)) > 0)
                (void)reader.feed(std::string_view(buffer, static_cast<std::size_t>(got)));
        }
        ::close(fd);
        if (!reader.has_head()) continue;
        ++listing.messages;
        char when[40] = "";
        tm local{};
        if (::gmtime_r(&facts.st_mtime, &local) != nullptr) ::strftime(when, sizeof when, "%Y-%m-%d %H:%M:%SZ", &local);
        const mail::Handoff& handoff = reader.handoff();
        const std::string sender = !handoff.sender_asked ? handoff.user : "<" + handoff.envelope.reverse_path + ">";
        listing.text += name + "  " + std::to_string(facts.st_size) + "  " + when + "  " + text::safe_for_log(sender, 256) + "\n";
        for (const mail::EnvelopeRecipient& recipient : handoff.envelope.recipients)
            listing.text += "    " + text::safe_for_log(recipient.address, 256) + "\n";
    }
    return listing;
}

}  // namespace posthorn::app::sendmail
