// Who of this machine handed a message in: what the kernel says of him, and what was only claimed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::intake {

// Known by SO_PEERCRED on a unix socket, by the owner of a file in the spool. Decisions look at uid and door; what the caller says
// of himself is for the operator, who looks for a site that was broken into.
struct Caller {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::int32_t pid = 0;          // of the program that connected; 0: not known (it left a file)
    std::string user;              // the system user's name, or "uid33" where passwd has none; never empty
    std::string full_name;         // of the passwd entry's GECOS, or empty
    std::string home;              // of the passwd entry, or empty
    std::string door;              // the listener's socket or the spool's directory, as configured: its path
    // Claims.
    std::int32_t caller_pid = 0;   // of the program that called sendmail
    std::string command;           // and its command line
    std::string directory;         // its working directory: PHP changes into the script's
    std::string script;            // of PHP's X-PHP-Originating-Script or X-PHP-Script field; intake fills it in
};

// The name of a user that passwd does not know: "uid33".
[[nodiscard]] std::string nameless(std::uint32_t uid);

// Reads what stands in MAIL's XCALLER=, decoded: "pid=812;cwd=/srv/shop;cmd=php-fpm: pool www". Keys it does not know are passed over; cmd is the
// last, for it may hold anything. What cannot be read is no error: nothing depends on it.
void read_claim(std::string_view claim, Caller& caller);

// mail::Message::source: "uid=33".
[[nodiscard]] std::string source_of(const Caller& caller);
// mail::Message::origin, one line without control characters:
// "uid=33 user=www-data pid=812 script=12:mailer.php cwd=/srv/shop cmd=\"php-fpm: pool www\"".
[[nodiscard]] std::string origin_of(const Caller& caller);
// The word of an origin with that key, "" where there is none: origin_word(origin, "script") is "12:mailer.php".
[[nodiscard]] std::string_view origin_word(std::string_view origin, std::string_view key);

}  // namespace posthorn::intake
