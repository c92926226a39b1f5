// ppoll(2) and read(2): signals are let in only while waiting, so that none is missed between a look and a
// wait.
#include "app/terminal.hpp"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/text.hpp"

namespace posthorn::app {
namespace {

constexpr std::array<int, 3> kEndings = {SIGINT, SIGTERM, SIGHUP};

volatile std::sig_atomic_t ending_signal = 0;

void note_ending(int signal) {
    ending_signal = signal;
}

// Without echo, for as long as it lives.
class Unseen {
public:
    Unseen() : known_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
        if (!known_) return;
        termios unseen = before_;
        unseen.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
    }
    ~Unseen() {
        if (known_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
    Unseen(const Unseen&) = delete;
    Unseen& operator=(const Unseen&) = delete;

private:
    termios before_{};
    bool known_;
};

}  // namespace

Terminal::Terminal() {
    ending_signal = 0;
    struct sigaction noting {};
    noting.sa_handler = note_ending;
    sigset_t endings;
    ::sigemptyset(&endings);
    for (std::size_t i = 0; i < kEndings.size(); ++i) {
        ::sigaction(kEndings[i], &noting, &before_[i]);
        ::sigaddset(&endings, kEndings[i]);
    }
    ::sigprocmask(SIG_BLOCK, &endings, &mask_before_);
}

Terminal::~Terminal() {
    for (std::size_t i = 0; i < kEndings.size(); ++i) ::sigaction(kEndings[i], &before_[i], nullptr);
    ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
}

bool Terminal::is_there() {
    return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
}

int Terminal::interrupted() {
    return ending_signal;
}

std::optional<std::string> Terminal::ask(std::string_view prompt) {
    std::fwrite(prompt.data(), 1, prompt.size(), stdout);
    if (std::fflush(stdout) != 0) return std::nullopt;
    std::string line;
    while (ending_signal == 0) {
        pollfd input{STDIN_FILENO, POLLIN, 0};
        if (::ppoll(&input, 1, nullptr, &mask_before_) < 0) {
            if (errno == EINTR) continue;
            return std::nullopt;
        }
        std::array<char, 1024> piece{};
        const ssize_t count = ::read(STDIN_FILENO, piece.data(), piece.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return std::nullopt;  // ^D, or nobody is there any more
        line.append(piece.data(), static_cast<std::size_t>(count));
        if (const auto end = line.find('\n'); end != std::string::npos) {
            line.resize(end);
            return line;
        }
    }
    return std::nullopt;
}

std::optional<std::string> Terminal::ask_hidden(std::string_view prompt) {
    std::optional<std::string> answer;
    {
        const Unseen unseen;
        answer = ask(prompt);
    }
    std::fputs("\n", stdout);
    return answer;
}

std::string wrapped(std::string_view text, std::size_t columns) {
    std::string out;
    for (std::string_view line : text::split(text, '\n')) {
        const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
        std::string shown(line.substr(0, indent));
        bool empty = true;
        for (const std::string_view word : text::split(line.substr(indent), ' ')) {
            if (!empty && shown.size() + 1 + word.size() > columns) {
                out += shown + "\n";
                shown.assign(indent, ' ');
                empty = true;
            }
            if (!empty) shown += ' ';
            shown += word;
            empty = false;
        }
        out += shown + "\n";
    }
    if (!out.empty()) out.pop_back();
    return out;
}

std::string set_in(std::string_view text, std::string_view indent) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        if (end > at) out += indent;
        out.append(text.substr(at, end - at)).append("\n");
        at = end + 1;
    }
    return out;
}

}  // namespace posthorn::app
