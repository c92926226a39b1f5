// The stages of an SMTP client's session, each waiting for one reply (RFC 5321 s4.5.3.2).
#pragma once

#include <cstdint>
#include <string_view>

namespace posthorn::smtp::protocol {

enum class Stage : std::uint8_t {
    connect,
    greeting,
    ehlo,
    helo,
    starttls,
    tls,
    auth,
    mail,
    rcpt,
    data,
    end_of_data,
    rset,
    quit
};

[[nodiscard]] std::string_view to_string(Stage stage);

}  // namespace posthorn::smtp::protocol
