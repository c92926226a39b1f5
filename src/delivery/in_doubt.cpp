// The slots' form, and the file they are in.
#include "delivery/in_doubt.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.hpp"

namespace posthorn::delivery {
namespace {

// The magic is last in a slot's life and first in its octets: a cleared slot begins with a zero.
constexpr std::string_view kMagic = "PHdoubt1";
constexpr std::size_t kMaxText = 512;
constexpr std::size_t kMaxSlots = 65536;           // a file that claims more is not ours

void put(std::string& out, std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(value >> shift & 0xff);
}

void put(std::string& out, std::string_view text) {
    text = text.substr(0, kMaxText);
    put(out, text.size());
    out += text;
}

// FNV-1a: tells a torn slot from a whole one; nobody is to be kept from forging it.
std::uint64_t checksum(std::string_view octets) {
    std::uint64_t sum = 14695981039346656037U;
    for (const char c : octets) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211U;
    return sum;
}

struct DoubtReading {
    std::string_view left;
    bool sound = true;

    std::uint64_t number() {
        if (left.size() < 8) {
            sound = false;
            return 0;
        }
        std::uint64_t value = 0;
        for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(left[static_cast<std::size_t>(i)]);
        left.remove_prefix(8);
        return value;
    }
    std::string text() {
        const std::uint64_t size = number();
        if (!sound || size > kMaxText || size > left.size()) {
            sound = false;
            return {};
        }
        std::string out(left.substr(0, static_cast<std::size_t>(size)));
        left.remove_prefix(static_cast<std::size_t>(size));
        return out;
    }
};

}  // namespace

std::string encode_doubt(const Doubt& doubt) {
    std::string body;
    put(body, static_cast<std::uint64_t>(doubt.message.value()));
    put(body, static_cast<std::uint64_t>(doubt.since.time_since_epoch().count()));
    put(body, doubt.domain);
    put(body, doubt.host);
    const std::size_t room = (kDoubtSlot - kMagic.size() - 16 - body.size() - 8) / 8;
    const std::size_t count = std::min(doubt.recipients.size(), room);
    put(body, count);
    for (std::size_t i = 0; i < count; ++i) put(body, static_cast<std::uint64_t>(doubt.recipients[i]));
    std::string slot(kMagic);
    put(slot, body.size());
    put(slot, checksum(body));
    return slot + body;
}

bool decode_doubt(std::string_view slot, Doubt& doubt) {
    if (!slot.starts_with(kMagic)) return false;
    DoubtReading head{slot.substr(kMagic.size())};
    const std::uint64_t size = head.number();
    const std::uint64_t sum = head.number();
    if (!head.sound || size > head.left.size()) return false;
    const std::string_view body = head.left.substr(0, static_cast<std::size_t>(size));
    if (checksum(body) != sum) return false;
    DoubtReading in{body};
    doubt.message = QueueId(static_cast<std::int64_t>(in.number()));
    doubt.since = TimePoint(Duration(static_cast<std::int64_t>(in.number())));
    doubt.domain = in.text();
    doubt.host = in.text();
    const std::uint64_t count = in.number();
    if (!in.sound || in.left.size() % 8 != 0 || count != in.left.size() / 8) return false;
    doubt.recipients.clear();
    for (std::uint64_t i = 0; i < count; ++i) doubt.recipients.push_back(static_cast<queue::RecipientId>(in.number()));
    return static_cast<bool>(doubt.message);
}

std::vector<Judged> judge_doubt(const Doubt& doubt, const queue::QueueEntry& entry) {
    std::vector<Judged> judged;
    for (const queue::RecipientId id : doubt.recipients) {
        const auto row = std::find_if(entry.recipients.begin(), entry.recipients.end(),
                                      [&](const queue::Recipient& recipient) { return recipient.id == id; });
        Judged item;
        if (row != entry.recipients.end()) {
            item.recipient = *row;
        } else if (entry.recipient_count > entry.recipients.size()) {
            // One of those that a page of the queue does not show; a verdict on a row that is gone is no error.
            item.recipient.id = id;
            item.recipient.message = doubt.message;
            item.recipient.expires_at = entry.expires_at;
        } else {
            continue;
        }
        if (item.recipient.last_attempt >= doubt.since || item.recipient.state == queue::RecipientState::suspended) continue;
        item.outcome.result = Disposition::deferred;
        item.outcome.failure_class = Class::connection;
        item.outcome.scope = Scope::message;
        // No code, as for each connection that is lost: the words are ours.
        item.outcome.reply.lines.push_back("this server was stopped before it had recorded what became of the message, which may "
                                           "have been delivered");
        item.outcome.stage = smtp::protocol::Stage::end_of_data;
        item.outcome.host = doubt.host;
        item.outcome.maybe_delivered = true;
        judged.push_back(std::move(item));
    }
    return judged;
}

std::vector<Doubt> InDoubtFile::open(const std::string& directory) {
    std::vector<Doubt> left;
    path_ = directory + "/in-doubt";
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat status {};
    if (fd_ < 0 || ::fstat(fd_, &status) != 0) {
        complain("opened");
        return left;
    }
    const auto octets = static_cast<std::uint64_t>(status.st_size);
    if (!S_ISREG(status.st_mode) || octets > kMaxSlots * kDoubtSlot) {
        errno = EINVAL;
        complain("used: it is no file of ours");
        ::close(fd_);
        fd_ = -1;
        return left;
    }
    std::string slot(kDoubtSlot, '\0');
    const std::size_t slots = static_cast<std::size_t>((octets + kDoubtSlot - 1) / kDoubtSlot);
    used_.resize(slots, false);
    for (std::size_t i = 0; i < slots; ++i) {
        const ssize_t got = ::pread(fd_, slot.data(), slot.size(), static_cast<off_t>(i * kDoubtSlot));
        Doubt doubt;
        if (got <= 0 || !decode_doubt(std::string_view(slot).substr(0, static_cast<std::size_t>(got)), doubt)) continue;
        left.push_back(std::move(doubt));
        left_.push_back(i);
        used_[i] = true;
    }
    return left;
}

InDoubtFile::~InDoubtFile() {
    if (fd_ >= 0) ::close(fd_);
}

void InDoubtFile::complain(const char* what) {
    if (complained_) return;
    complained_ = true;
    log::warning("in_doubt_file").kv("file", path_).kv("error", std::string("it cannot be ") + what + ": " + std::strerror(errno))
        .kv("meaning", "after a crash nobody can say which messages may have been delivered twice");
}

void InDoubtFile::write(std::size_t slot, std::string_view octets) {
    const ssize_t written = ::pwrite(fd_, octets.data(), octets.size(), static_cast<off_t>(slot * kDoubtSlot));
    if (written != static_cast<ssize_t>(octets.size())) complain("written");
}

std::size_t InDoubtFile::take() {
    const auto free = std::find(used_.begin(), used_.end(), false);
    const auto slot = static_cast<std::size_t>(free - used_.begin());
    if (free == used_.end()) used_.push_back(true);
    else *free = true;
    return slot;
}

void InDoubtFile::forget_left() {
    for (const std::size_t slot : left_) {
        write(slot, std::string_view("\0\0\0\0\0\0\0\0", 8));
        used_[slot] = false;
    }
    left_.clear();
}

void InDoubtFile::Mark::note(const Doubt& doubt) {
    if (file_.fd_ < 0) return;
    if (slot_ == SIZE_MAX) slot_ = file_.take();
    file_.write(slot_, encode_doubt(doubt));
}

void InDoubtFile::Mark::settled() {
    if (slot_ == SIZE_MAX) return;
    file_.write(slot_, std::string_view("\0\0\0\0\0\0\0\0", 8));
    file_.used_[slot_] = false;
    slot_ = SIZE_MAX;
}

}  // namespace posthorn::delivery
