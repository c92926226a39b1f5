// mailq and sendmail -q: asks the daemon over its admin socket and passes on what it says (SM-6, SM-9).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "app/sendmail/options.hpp"
#include "app/sendmail/surroundings.hpp"

namespace posthorn::app::sendmail {

// The request of a plan: "GET /mailq", "POST /mailq/flush?id=...". HTTP/1.0, so that the end of the answer is the end of the connection.
[[nodiscard]] std::string request_of(const Plan& plan);

struct HttpHead {
    int status = 0;
    std::size_t length = 0;   // octets up to and including the empty line
};
// Of an answer that may still be arriving; nothing until its head is whole. status 0: it is none of HTTP.
[[nodiscard]] std::optional<HttpHead> read_http_head(std::string_view answer);
// sysexits of the daemon's answer.
[[nodiscard]] int exit_code_of_status(int status);
// A list that came whole ends with its totals, "-- 12 Kbytes in 3 Requests.", or is "Mail queue is empty".
[[nodiscard]] bool is_whole_list(std::string_view last_line);

// Does it: standard output gets the list, `words` one line for standard error. Returns the exit code.
[[nodiscard]] int ask_daemon(const Ways& ways, const Plan& plan, std::string& words);

// newaliases: reads the alias file and tells its mistakes; there is no database to be made. The exit code is 0 (Debian Policy 11.6).
[[nodiscard]] int check_aliases(const std::string& path, std::string& words);

}  // namespace posthorn::app::sendmail
