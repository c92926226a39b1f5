// Dovecot's settings that matter for logging in at Postfix: its password databases and the socket it keeps
// for it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "migration/files.hpp"

namespace posthorn::migration {

struct Dovecot {
    struct Setting {
        std::string path;  // "service auth/unix_listener /var/spool/postfix/private/auth/mode"
        std::string value;
        Origin origin;
    };
    struct PasswordSource {
        std::string driver;  // "pam", "passwd-file", "sql"
        std::string file;    // of passwd-file
        std::string scheme;  // scheme= of its args: that of passwords without {SCHEME}
        Origin origin;
    };
    struct User {
        std::string name;
        std::string hash;     // as crypt(3) reads it; empty where that is impossible
        std::string problem;  // then why
        Origin origin;
    };

    std::string file;
    std::vector<Setting> settings;  // in order
    std::vector<PasswordSource> sources;
    std::vector<User> users;           // of all passwd-file sources
    std::vector<std::string> sockets;  // unix_listeners of service auth

    [[nodiscard]] const Setting* find(std::string_view path) const;  // the last
};

// `path`: dovecot.conf, or its directory. With !include and !include_try.
[[nodiscard]] std::optional<Dovecot> read_dovecot(const std::string& path, const Files& files);

}  // namespace posthorn::migration
