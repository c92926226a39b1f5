// One message from the caller to a place where it is durable: socket, host, spool, in this order (SM-27 to SM-30, SM-37).
#pragma once

#include <string>
#include <vector>

#include "app/sendmail/content.hpp"
#include "app/sendmail/handover.hpp"
#include "app/sendmail/surroundings.hpp"

namespace posthorn::app::sendmail {

struct Receipt {
    int exit_code = 0;      // 0: durable for every recipient
    std::string words;      // one line for standard error; empty with 0
    std::string answer;     // the daemon's words, or where the spool has it: for -bs
    bool by_tcp = false;    // it went to a host, which is up: send_stragglers()
};

// all_or_nothing: see HandoverOptions.
[[nodiscard]] Receipt submit(const Ways& ways, Letter& letter, Content& content, bool all_or_nothing = false);

}  // namespace posthorn::app::sendmail
