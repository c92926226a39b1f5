// The socket under a hand-over: connects within two seconds, carries out what Handover decides, and gives up after ten without progress.
#pragma once

#include <string>

#include "app/sendmail/content.hpp"
#include "app/sendmail/handover.hpp"
#include "app/sendmail/surroundings.hpp"

namespace posthorn::app::sendmail {

inline constexpr int kConnectSeconds = 2;   // SM-38
inline constexpr int kAnswerSeconds = 10;   // SM-38; since the last octet that went either way

// A stream socket that is closed with its owner. -1: none, and errno says why.
class Socket {
public:
    explicit Socket(int fd = -1) : fd_(fd) {}
    ~Socket();
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Socket& operator=(Socket&&) = delete;

    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] bool ok() const { return fd_ >= 0; }

private:
    int fd_;
};
[[nodiscard]] Socket connect_unix(const std::string& path);

// The daemon behind a unix socket.
[[nodiscard]] Outcome hand_over_unix(const std::string& path, const Letter& letter, Content& content, HandoverOptions options);
// A host and port, its addresses one after the other; the first that answers has the word.
[[nodiscard]] Outcome hand_over_tcp(const Ways& ways, const Letter& letter, Content& content, HandoverOptions options);

}  // namespace posthorn::app::sendmail
