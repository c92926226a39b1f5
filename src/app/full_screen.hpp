// A terminal that is ours for a while: its whole screen, keys as they are pressed, and as it was when it ends.
#pragma once

#include <termios.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::app {

enum class Key : std::uint8_t { none, character, up, down, page_up, page_down, enter, escape, resized, ended };

struct ScreenSize {
    std::size_t columns = 80, lines = 24;              // where the terminal does not say
};
// Of the terminal that standard output is.
[[nodiscard]] ScreenSize screen_size();

struct Pressed {
    Key key = Key::none;
    char character = 0;                                // of Key::character
};

// While it lives the terminal is raw, on its other screen, without a cursor. The destructor gives it back as it was; so do SIGINT, SIGTERM,
// SIGHUP and SIGQUIT, which become Key::ended. One at a time; main thread. REQUIRES: Terminal::is_there().
class FullScreen {
public:
    FullScreen();
    ~FullScreen();
    FullScreen(const FullScreen&) = delete;
    FullScreen& operator=(const FullScreen&) = delete;

    // Waits for a key at most so long (Key::none: none came). A closed terminal is Key::ended.
    [[nodiscard]] Pressed wait(Duration at_most);
    // Shows these lines and nothing else; each is already as wide as the screen at most.
    void show(const std::vector<std::string>& lines);
    [[nodiscard]] ScreenSize size() const { return size_; }

private:
    [[nodiscard]] Pressed take();                      // of what was read; none: it is not a whole key yet

    termios before_{};
    std::array<struct sigaction, 6> actions_before_{};
    sigset_t mask_before_{};
    ScreenSize size_;
    std::string input_;
};

}  // namespace posthorn::app
