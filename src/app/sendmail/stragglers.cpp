// Older files of the spool: see stragglers.hpp.
#include "app/sendmail/stragglers.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "app/sendmail/connection.hpp"
#include "app/sendmail/header_recipients.hpp"
#include "app/sendmail/spool.hpp"
#include "app/sendmail/unique.hpp"
#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/split.hpp"

namespace posthorn::app::sendmail {
namespace {

// A file that is locked for as long as it is open.
class Held {
public:
    explicit Held(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) {
        if (fd_ < 0) return;
        // After the lock is ours the file may be gone: another program sent it. Then it has no name left.
        struct stat facts {};
        mine_ = ::flock(fd_, LOCK_EX | LOCK_NB) == 0 && ::fstat(fd_, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_nlink == 1 &&
                (facts.st_uid == ::geteuid() || ::geteuid() == 0) && facts.st_mtime + kStragglerSeconds < ::time(nullptr);
    }
    ~Held() {
        if (fd_ >= 0) ::close(fd_);
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    [[nodiscard]] bool mine() const { return mine_; }

    // False: it is not whole; the daemon that may yet come says why.
    bool read(Letter& letter, Content& content, const std::string& spool) const {
        mail::HandoffReader reader;
        std::vector<char> buffer(65536);
        for (;;) {
            const ssize_t got = ::read(fd_, buffer.data(), buffer.size());
            if (got < 0) return false;
            if (got == 0) break;
            const auto part = reader.feed(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
            for (const std::string_view piece : {part.held, part.fresh}) {
                letter.eight_bit = letter.eight_bit || !text::is_ascii(piece);
                content.append(piece, spool);
            }
        }
        if (reader.finish() != mail::HandoffFault::none) return false;
        letter.handoff = reader.handoff();
        letter.octets = content.size();
        const mail::SplitMessage parts = mail::split_message(content.front());
        const std::string header(parts.header);
        letter.author = author_of(header);
        letter.has_from = mail::HeaderBlock(header).contains("From");
        letter.has_header = !header.empty();
        letter.begins_with_text = header.empty() && !content.front().starts_with("\r\n");
        return true;
    }

private:
    int fd_;
    bool mine_ = false;
};

std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> names;
    DIR* entries = ::opendir(directory.c_str());
    if (entries == nullptr) return names;   // as in a daemon's spool: only it may list it
    while (const dirent* entry = ::readdir(entries))
        if (mail::is_handoff_name(entry->d_name)) names.emplace_back(entry->d_name);
    ::closedir(entries);
    std::ranges::sort(names);
    return names;
}

}  // namespace

std::string send_stragglers(const Ways& ways) {
    std::string words;
    if (ways.spool.empty()) return words;
    const std::string directory = ways.spool + "/new/";
    int sent = 0;
    for (const std::string& name : names_in(directory)) {
        if (sent == kStragglersAtOnce) break;
        const std::string path = directory + name;
        const Held file(path);
        Letter letter;
        Content content;
        if (!file.mine() || !file.read(letter, content, ways.spool)) continue;
        const Outcome outcome = hand_over_tcp(ways, letter, content, {host_name(), name, false});
        if (outcome.fate != Fate::stored && outcome.fate != Fate::refused) break;
        ++sent;
        mail::Handoff rest = letter.handoff;
        rest.envelope.recipients.clear();
        std::string refused;
        for (const Outcome::Left& left : outcome.left) {
            const mail::EnvelopeRecipient& recipient = letter.handoff.envelope.recipients[left.recipient];
            if (left.later) {
                rest.envelope.recipients.push_back(recipient);
            } else {
                refused += " " + text::safe_for_log(recipient.address, 256) + ": " + left.words;
            }
        }
        const bool all_refused = outcome.fate == Fate::refused && rest.envelope.recipients.empty();
        if (!rest.envelope.recipients.empty() && !write_spool(ways.spool, unique_name(), rest, content).done) break;
        if (all_refused) {
            const std::string aside = path + "-refused";
            ::rename(path.c_str(), aside.c_str());
            words += "a message that waited in the spool was refused: " + outcome.words + "; it lies in " + aside + "\n";
        } else {
            ::unlink(path.c_str());
            if (!refused.empty()) words += "a message that waited in the spool was not sent to" + refused + "\n";
        }
    }
    return words;
}

}  // namespace posthorn::app::sendmail
