// From answers to the text of posthorn.toml: a new file, or what must change in the one that is there. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "setup/config_text.hpp"
#include "setup/interview.hpp"

namespace posthorn::setup {

// Where mail comes in; not asked, but may be told by flags.
struct Doors {
    // For programs without a password. Nothing: 127.0.0.1:25 in a new file, and what is there in others.
    // Empty: no port, sendmail and the socket alone.
    std::optional<std::vector<std::string>> programs;
    // For users who log in: implicit TLS on port 465, STARTTLS elsewhere.
    std::vector<std::string> users = {"*:465", "*:587"};
};

struct SetupPlan {
    std::string text;  // what posthorn.toml shall be
    std::vector<std::string>
        changes;         // in words, one each; empty: nothing is to be done, and text is what was there
    bool fresh = false;  // there were no settings before
    bool needs_users_file = false;  // users log in by a file; without it the daemon does not start
};

// The directory of a domain's keys as it stands in the file: "keys/example.com".
[[nodiscard]] std::string key_directory_of(std::string_view domain);

// present: the file as it is, and what it comes to; `path` is its absolute path. What is right already is not
// touched, and nothing is taken away. The same answers a second time give no changes. Error: the file is
// written in a way that only its author can change.
[[nodiscard]] Result<SetupPlan> make_setup_plan(ConfigText present, const config::Config& as_read,
                                                const std::string& path, const Answers& answers,
                                                const Machine& machine, const Doors& doors);

}  // namespace posthorn::setup
