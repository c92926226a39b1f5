// XCLIENT: what a proxy in front of us says about the client it speaks for (Postfix's XCLIENT_README).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/endpoint.hpp"
#include "smtp/protocol/command.hpp"

namespace posthorn::smtp::protocol {

// The attributes we offer, in the order of EHLO.
inline constexpr std::string_view kXclientAttributes = "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";

// A text attribute that was not said, or said to be [UNAVAILABLE] or [TEMPUNAVAIL], is empty. NAME, PORT,
// DESTADDR and DESTPORT are read for their syntax only: we have no use for them.
struct XclientCommand {
    bool has_address = false;          // ADDR was said
    std::optional<IpAddress> address;  // nothing although it was said: the proxy does not know it either
    std::string helo;
    std::string login;
    std::optional<bool> extended;  // PROTO=ESMTP or SMTP
};

// arguments: "ADDR=192.0.2.1 NAME=[UNAVAILABLE]"; values in xtext, names in any case.
[[nodiscard]] Parsed<XclientCommand> parse_xclient(std::string_view arguments);

}  // namespace posthorn::smtp::protocol
