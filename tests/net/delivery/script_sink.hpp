// A receiving SMTP server of a few lines on loopback, on threads of its own, that can be told to stall or to refuse.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace posthorn::test {

// Every method may be called from any thread. Without a script it takes all mail.
class ScriptSink {
public:
    ScriptSink() {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in local{};
        local.sin_family = AF_INET;
        local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof local;
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&local), length) != 0 || ::listen(listener_, 64) != 0 ||
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&local), &length) != 0)
            throw std::runtime_error("no port for the sink");
        port_ = ntohs(local.sin_port);
        acceptor_ = std::thread([this] { accept(); });
    }
    ~ScriptSink() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
            changed_.notify_all();
            for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
        }
        ::shutdown(listener_, SHUT_RDWR);
        acceptor_.join();
        for (std::thread& session : sessions_) session.join();
        ::close(listener_);
    }
    ScriptSink(const ScriptSink&) = delete;
    ScriptSink& operator=(const ScriptSink&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }

    // The reply at "connect", "MAIL", "RCPT", "RSET", "." instead of the usual one; empty: the usual one again.
    void reply(const std::string& stage, const std::string& line) {
        const std::lock_guard lock(mutex_);
        if (line.empty()) replies_.erase(stage);
        else replies_[stage] = line;
    }
    // From now on nothing is answered at that stage until go_on().
    void stall(const std::string& stage) {
        const std::lock_guard lock(mutex_);
        stalled_ = stage;
    }
    void go_on() {
        const std::lock_guard lock(mutex_);
        stalled_.clear();
        changed_.notify_all();
    }

    // Ends all connections without a word, also those that wait at the stalled stage.
    void hang_up() {
        const std::lock_guard lock(mutex_);
        for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }

    [[nodiscard]] int connections() const {
        const std::lock_guard lock(mutex_);
        return connections_;
    }
    // Sessions that wait at the stalled stage.
    [[nodiscard]] int waiting() const {
        const std::lock_guard lock(mutex_);
        return waiting_;
    }
    // Recipients of the messages whose end was answered 250, in order.
    [[nodiscard]] std::vector<std::string> delivered() const {
        const std::lock_guard lock(mutex_);
        return delivered_;
    }
    // Of all messages that were sent, taken or not, in order.
    [[nodiscard]] std::vector<std::string> lines() const {
        const std::lock_guard lock(mutex_);
        return lines_;
    }

private:
    void accept() {
        for (;;) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) return;
            const std::lock_guard lock(mutex_);
            if (stopping_) {
                ::close(fd);
                return;
            }
            connections_ += 1;
            open_.push_back(fd);
            sessions_.emplace_back([this, fd] {
                serve(fd);
                const std::lock_guard done(mutex_);
                open_.remove(fd);
                ::close(fd);
            });
        }
    }

    // False when the session shall end.
    // `taken`: whose message the answer is about; they are written down before the peer can know.
    bool answer(int fd, const std::string& stage, const std::string& usual, const std::vector<std::string>& taken = {}) {
        std::string line = usual;
        {
            std::unique_lock lock(mutex_);
            if (stalled_ == stage) {
                waiting_ += 1;
                changed_.wait(lock, [&] { return stopping_ || stalled_ != stage; });
                waiting_ -= 1;
            }
            if (stopping_) return false;
            if (const auto told = replies_.find(stage); told != replies_.end()) line = told->second;
            else delivered_.insert(delivered_.end(), taken.begin(), taken.end());
        }
        line += "\r\n";
        return ::send(fd, line.data(), line.size(), MSG_NOSIGNAL) > 0 && !line.starts_with("421");
    }

    void serve(int fd) {
        if (!answer(fd, "connect", "220 sink.test ESMTP")) return;
        std::string buffer;
        std::vector<std::string> recipients;
        bool data = false;
        char piece[4096];
        for (;;) {
            const auto end = buffer.find("\r\n");
            if (end == std::string::npos) {
                const ssize_t got = ::recv(fd, piece, sizeof piece, 0);
                if (got <= 0) return;
                buffer.append(piece, static_cast<std::size_t>(got));
                continue;
            }
            const std::string line = buffer.substr(0, end);
            buffer.erase(0, end + 2);
            if (data) {
                if (line != ".") {
                    const std::lock_guard lock(mutex_);
                    lines_.push_back(line);
                    continue;
                }
                data = false;
                if (!answer(fd, ".", "250 2.0.0 Ok", recipients)) return;
                recipients.clear();
                continue;
            }
            const std::string verb = line.substr(0, 4);
            if (verb == "RCPT") recipients.push_back(line.substr(9, line.find('>') - 9));
            if (verb == "MAIL" || verb == "RSET") recipients.clear();
            data = verb == "DATA";
            if (!answer(fd, verb, data ? "354 Go on" : verb == "QUIT" ? "221 Bye" : "250 2.0.0 Ok") || verb == "QUIT") return;
        }
    }

    int listener_ = -1;
    std::uint16_t port_ = 0;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, std::string> replies_;
    std::string stalled_;
    std::list<int> open_;
    std::list<std::thread> sessions_;
    std::vector<std::string> delivered_, lines_;
    int connections_ = 0;
    int waiting_ = 0;
    bool stopping_ = false;
    std::thread acceptor_;
};

}  // namespace posthorn::test
