// A person at a terminal, asked line by line; ^C, a closed terminal and the end of input are answers of their
// own.
#pragma once

#include <array>
#include <csignal>
#include <optional>
#include <string>
#include <string_view>

namespace posthorn::app {

// While it lives, SIGINT, SIGTERM and SIGHUP do not end the process but the question, so that the caller
// leaves in good order and the terminal is as it was. One at a time; not for programs with threads that want
// those signals.
class Terminal {
public:
    Terminal();
    ~Terminal();
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    // Whether somebody sits there: standard input and output are terminals.
    [[nodiscard]] static bool is_there();

    // Prints the prompt and waits for a line. Nothing: there is none, and never will be (then interrupted()
    // or the input is closed).
    [[nodiscard]] std::optional<std::string> ask(std::string_view prompt);
    // What is typed is not shown.
    [[nodiscard]] std::optional<std::string> ask_hidden(std::string_view prompt);
    // The signal that ended a question; 0: none.
    [[nodiscard]] static int interrupted();

private:
    std::array<struct sigaction, 3> before_{};
    sigset_t mask_before_{};
};

// What `posthorn user add` does, its password asked for at a terminal that is asked already; the exit code
// (commands_user.cpp).
int add_user(const std::string& config_path, const std::string& name, Terminal& terminal);

// Lines of at most `columns`, broken at spaces; line ends in the text stay, and a line's leading spaces are
// those of its continuation, too.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t columns = 80);

// Each line that is not empty behind `indent`; ends with a line end.
[[nodiscard]] std::string set_in(std::string_view text, std::string_view indent);

}  // namespace posthorn::app
