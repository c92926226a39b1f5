// termios(3) and the control sequences that every terminal since the VT100 knows; signals come only while it waits.
#include "app/full_screen.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace posthorn::app {
namespace {

constexpr std::array<int, 6> kScreenSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
// How long the rest of a key's sequence may take: a lone escape is a key of its own.
constexpr int kSequenceMilliseconds = 50;

volatile std::sig_atomic_t end_asked = 0;
volatile std::sig_atomic_t size_changed = 0;

void note_signal(int signal) {
    if (signal == SIGWINCH) size_changed = 1;
    else if (signal != SIGTSTP) end_asked = 1;         // ^Z would leave the terminal raw
}

void put_on_screen(std::string_view octets) {
    while (!octets.empty()) {
        const ssize_t count = ::write(STDOUT_FILENO, octets.data(), octets.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return;                        // the window is closed: the next read says so
        octets.remove_prefix(static_cast<std::size_t>(count));
    }
}

}  // namespace

ScreenSize screen_size() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
    return {size.ws_col, size.ws_row};
}

FullScreen::FullScreen() {
    end_asked = 0;
    size_changed = 0;
    struct sigaction noting {};
    noting.sa_handler = note_signal;
    sigset_t all;
    ::sigemptyset(&all);
    for (std::size_t i = 0; i < kScreenSignals.size(); ++i) {
        ::sigaction(kScreenSignals[i], &noting, &actions_before_[i]);
        ::sigaddset(&all, kScreenSignals[i]);
    }
    ::sigprocmask(SIG_BLOCK, &all, &mask_before_);
    ::tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    put_on_screen("\x1b[?1049h\x1b[?25l");
    size_ = screen_size();
}

FullScreen::~FullScreen() {
    put_on_screen("\x1b[?25h\x1b[?1049l");
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    // A closed window is told twice; what is pending still has been heeded.
    struct sigaction ignoring {};
    ignoring.sa_handler = SIG_IGN;
    for (const int signal : kScreenSignals) ::sigaction(signal, &ignoring, nullptr);
    ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    for (std::size_t i = 0; i < kScreenSignals.size(); ++i) ::sigaction(kScreenSignals[i], &actions_before_[i], nullptr);
}

Pressed FullScreen::take() {
    if (input_.empty()) return {};
    struct Sequence {
        std::string_view octets;
        Key key;
    };
    static constexpr Sequence kSequences[] = {{"\x1b[A", Key::up},     {"\x1bOA", Key::up},       {"\x1b[B", Key::down},
                                              {"\x1bOB", Key::down},   {"\x1b[5~", Key::page_up}, {"\x1b[6~", Key::page_down}};
    for (const Sequence& sequence : kSequences) {
        if (!input_.starts_with(sequence.octets)) continue;
        input_.erase(0, sequence.octets.size());
        return {sequence.key, 0};
    }
    const char first = input_.front();
    if (first == '\x1b' && input_.size() > 1 && (input_[1] == '[' || input_[1] == 'O')) {
        // A key that we do not know: to its last octet (ECMA-48 s5.4).
        const std::size_t end = input_.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz~", 2);
        input_.erase(0, end == std::string::npos ? end : end + 1);
        return {};
    }
    input_.erase(0, 1);
    if (first == '\x1b') return {Key::escape, 0};
    if (first == '\r' || first == '\n') return {Key::enter, 0};
    return {Key::character, first};
}

Pressed FullScreen::wait(Duration at_most) {
    bool whole = input_.empty() || input_.front() != '\x1b';
    for (;;) {
        if (end_asked != 0) return {Key::ended, 0};
        if (size_changed != 0) {
            size_changed = 0;
            size_ = screen_size();
            return {Key::resized, 0};
        }
        if (!input_.empty() && whole) return take();
        pollfd input{STDIN_FILENO, POLLIN, 0};
        const auto milliseconds = input_.empty() ? at_most.count() : kSequenceMilliseconds;
        const timespec limit{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
        const int ready = ::ppoll(&input, 1, &limit, &mask_before_);
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) return {Key::ended, 0};
        if (ready == 0) {
            if (input_.empty()) return {};
            whole = true;                              // nothing follows: it was the escape key
            continue;
        }
        std::array<char, 64> piece{};
        const ssize_t count = ::read(STDIN_FILENO, piece.data(), piece.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return {Key::ended, 0};
        input_.append(piece.data(), static_cast<std::size_t>(count));
        whole = input_.front() != '\x1b' || input_.size() > 2;
    }
}

void FullScreen::show(const std::vector<std::string>& lines) {
    std::string out = "\x1b[H";
    // Cleared before it is written: behind the last column a terminal would clear the last character.
    for (std::size_t i = 0; i < lines.size(); ++i) out += (i == 0 ? "\x1b[2K" : "\r\n\x1b[2K") + lines[i];
    put_on_screen(out);
}

}  // namespace posthorn::app
