// Sockets and waiting: see connection.hpp.
#include "app/sendmail/connection.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/sendmail/resolve.hpp"

namespace posthorn::app::sendmail {
namespace {

constexpr std::size_t kPiece = 65536;

void limit_connecting(int fd) {
    // For unix sockets, too, where a full backlog makes connect() wait; a non-blocking one would fail at once instead.
    const timeval limit{kConnectSeconds, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

std::string connect_words(int error) {
    // SO_SNDTIMEO's way to say that time ran out.
    if (error == EINPROGRESS || error == EAGAIN)
        return "no connection within " + std::to_string(kConnectSeconds) + " seconds";
    return std::strerror(error);
}

// Puts a dot before dots that begin a line (RFC 5321 s4.5.2). line_start: whether the next octet begins one.
std::string stuffed(std::string_view octets, bool& line_start) {
    std::string out;
    out.reserve(octets.size() + 16);
    for (const char c : octets) {
        if (c == '.' && line_start) out += '.';
        out += c;
        line_start = c == '\n';
    }
    return out;
}

class Exchange {
public:
    Exchange(int fd, Handover& dialogue, Content& content) : fd_(fd), dialogue_(&dialogue), content_(&content) {}

    void run() {
        ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
        while (!dialogue_->outcome()) {
            refill();
            if (!dialogue_->outcome() && !out_.empty()) write();
            if (!dialogue_->outcome()) read();
        }
        // What is left to say (QUIT) is said if it can be said at once.
        if (!out_.empty() && !broken_) (void)!::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }

private:
    void take(Handover::Step step) {
        out_ += step.text;
        if (!step.content) return;
        // With the message's octets what ends them; the rest of `step` waits in step_.
        step_ = std::move(step);
        sending_ = true;
        position_ = 0;
        prefix_done_ = false;
        line_start_ = true;
    }

    void refill() {
        while (sending_ && out_.size() < kPiece) {
            std::string_view piece = prefix_done_ ? content_->at(position_) : step_.prefix;
            if (prefix_done_) piece = piece.substr(0, kPiece);
            if (piece.empty() && prefix_done_) {
                if (content_->failed()) return dialogue_->on_lost("the message cannot be read back from its temporary file");
                sending_ = false;
                if (step_.stuffed) out_ += ".\r\n";
                out_ += step_.after;
                // From the moment the last octets are given to the kernel; earlier costs nothing, as the name is the same.
                dialogue_->on_content_written();
                return;
            }
            if (step_.stuffed) {
                out_ += stuffed(piece, line_start_);
            } else {
                out_ += piece;
            }
            if (prefix_done_) position_ += piece.size();
            prefix_done_ = true;
        }
    }

    void write() {
        const ssize_t done = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
        if (done > 0) {
            out_.erase(0, static_cast<std::size_t>(done));
            return;
        }
        if (errno == EAGAIN || errno == EINTR) return;
        // It hung up; perhaps it said why before.
        broken_ = true;
        sending_ = false;
        out_.clear();
    }

    // Waits until there is something to read, or room to write, and reads.
    void read() {
        const bool more_to_write = !out_.empty() || sending_;
        pollfd ready{fd_, static_cast<short>(more_to_write ? POLLIN | POLLOUT : POLLIN), 0};
        const int count = ::poll(&ready, 1, kAnswerSeconds * 1000);
        if (count < 0 && errno == EINTR) return;
        if (count <= 0) return dialogue_->on_lost("no answer within " + std::to_string(kAnswerSeconds) + " seconds");
        if ((ready.revents & (POLLIN | POLLHUP | POLLERR)) == 0) return;
        char buffer[8192];
        const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) return dialogue_->on_lost(got == 0 ? "the connection was closed" : std::strerror(errno));
        std::string_view in(buffer, static_cast<std::size_t>(got));
        while (!dialogue_->outcome()) {
            switch (parser_.feed(in)) {
                case smtp::protocol::ReplyParser::Status::need_more: return;
                case smtp::protocol::ReplyParser::Status::malformed: return dialogue_->on_lost("what answers is no mail server");
                case smtp::protocol::ReplyParser::Status::reply: take(dialogue_->on_reply(parser_.take()));
            }
        }
    }

    int fd_;
    Handover* dialogue_;
    Content* content_;
    smtp::protocol::ReplyParser parser_;
    std::string out_;
    Handover::Step step_;
    bool sending_ = false;
    bool broken_ = false;
    bool prefix_done_ = false;
    bool line_start_ = true;
    std::uint64_t position_ = 0;
};

Outcome unanswered(std::string words) { return {Fate::unanswered, std::move(words), 0, {}}; }

Outcome converse(const Socket& socket, const Letter& letter, Content& content, HandoverOptions options) {
    Handover dialogue(letter, std::move(options));
    Exchange(socket.fd(), dialogue, content).run();
    return *dialogue.outcome();
}

Socket connect_tcp(const IpAddress& address, std::uint16_t port) {
    sockaddr_storage storage{};
    socklen_t length = 0;
    const auto& octets = address.octets();
    if (address.is_v4()) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        std::memcpy(&v4->sin_addr, octets.data() + 12, 4);
        length = sizeof *v4;
    } else {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        std::memcpy(&v6->sin6_addr, octets.data(), 16);
        length = sizeof *v6;
    }
    const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return Socket();
    limit_connecting(fd);
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&storage), length) == 0) return Socket(fd);
    const int error = errno;
    ::close(fd);
    errno = error;
    return Socket();
}

}  // namespace

Socket::~Socket() {
    if (fd_ >= 0) ::close(fd_);
}

Socket connect_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return Socket();
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return Socket();
    limit_connecting(fd);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return Socket(fd);
    const int error = errno;
    ::close(fd);
    errno = error;
    return Socket();
}

Outcome hand_over_unix(const std::string& path, const Letter& letter, Content& content, HandoverOptions options) {
    const Socket socket = connect_unix(path);
    if (!socket.ok()) return unanswered(path + ": " + connect_words(errno));
    Outcome outcome = converse(socket, letter, content, std::move(options));
    if (outcome.fate == Fate::unanswered || outcome.fate == Fate::doubtful) outcome.words.insert(0, path + ": ");
    return outcome;
}

Outcome hand_over_tcp(const Ways& ways, const Letter& letter, Content& content, HandoverOptions options) {
    const std::string where = ways.host + ":" + std::to_string(ways.port);
    const auto addresses = resolve(ways.host);
    if (addresses.empty()) return unanswered("the host " + ways.host + " of POSTHORN_HOST is not known");
    Outcome outcome = unanswered("");
    for (const IpAddress& address : addresses) {
        const Socket socket = connect_tcp(address, ways.port);
        if (!socket.ok()) {
            outcome = unanswered(where + ": " + connect_words(errno));
            continue;
        }
        outcome = converse(socket, letter, content, options);
        if (outcome.fate == Fate::unanswered || outcome.fate == Fate::doubtful) outcome.words.insert(0, where + ": ");
        if (outcome.fate != Fate::unanswered) break;
    }
    return outcome;
}

}  // namespace posthorn::app::sendmail
