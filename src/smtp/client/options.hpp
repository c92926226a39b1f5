// How long the client waits, stage by stage ([delivery.timeouts]).
#pragma once

#include "base/clock.hpp"
#include "smtp/protocol/stage.hpp"

namespace posthorn::smtp::client {

// RFC 5321 s4.5.3.2 gives the minimum of each; connect, tls_handshake, session and quit are ours.
struct ClientTimeouts {
    Duration connect = std::chrono::seconds(30);
    Duration tls_handshake = std::chrono::seconds(60);
    Duration greeting = std::chrono::minutes(5);
    Duration command = std::chrono::minutes(5);          // EHLO, AUTH, MAIL, RCPT, RSET
    Duration data = std::chrono::minutes(2);             // DATA -> 354
    Duration data_block = std::chrono::minutes(3);
    Duration end_of_data = std::chrono::minutes(10);
    Duration session = std::chrono::hours(2);            // all of an opening, all of a transaction
    Duration quit = std::chrono::seconds(5);
};

// The time limit of what is waited for.
[[nodiscard]] Duration limit_of(const ClientTimeouts& timeouts, protocol::Stage stage);

}  // namespace posthorn::smtp::client
