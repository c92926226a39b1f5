// Handing Postfix's queue over: Postfix's own queue manager, started once more with another way for its mail.
#pragma once

#include <chrono>
#include <string>

namespace posthorn::app {

struct PostfixDrain {
    std::string postfix;  // the directory of main.cf
    std::string config;   // ours, whose listeners are looked through
    std::string to;       // "127.0.0.1:25"; empty: a listener of the configuration
    std::chrono::seconds patience;
    bool as_json = false;
};

// Returns an exit code. Writes to a temporary directory only, which it removes; docs/from-postfix.md tells
// how and why.
[[nodiscard]] int drain_postfix(const PostfixDrain& drain);

}  // namespace posthorn::app
