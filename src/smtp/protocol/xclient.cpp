// Reading the attributes of XCLIENT.
#include "smtp/protocol/xclient.hpp"

#include <algorithm>
#include <vector>

#include "base/text.hpp"
#include "mail/xtext.hpp"

namespace posthorn::smtp::protocol {
namespace {

// "[UNAVAILABLE]": for good; "[TEMPUNAVAIL]": for now. Nobody here asks again later.
bool unavailable(std::string_view value) {
    return text::iequals(value, "[UNAVAILABLE]") || text::iequals(value, "[TEMPUNAVAIL]");
}

std::optional<IpAddress> address_of(std::string_view value) {
    const bool tagged = text::istarts_with(value, "IPV6:");
    if (tagged) value.remove_prefix(5);
    const auto address = IpAddress::parse(value);
    if (!address || (tagged && value.find(':') == std::string_view::npos)) return std::nullopt;
    return *address;
}

// False: the value is none of this attribute.
bool take(XclientCommand& command, std::string_view name, const std::string& value) {
    const bool unknown = unavailable(value);
    if (name == "ADDR") {
        command.has_address = true;
        if (!unknown) command.address = address_of(value);
        return unknown || command.address;
    }
    if (name == "DESTADDR") return unknown || address_of(value);
    if (name == "PORT" || name == "DESTPORT") return unknown || text::parse_unsigned(value, 65535);
    if (name == "PROTO") {
        command.extended = text::iequals(value, "ESMTP");
        return *command.extended || text::iequals(value, "SMTP");
    }
    if (unknown) return true;
    if (name == "HELO") command.helo = value;
    if (name == "LOGIN") command.login = value;
    // Both end in logs and Received fields.
    return name == "LOGIN" ? !text::has_control(value) && text::is_utf8(value) : acceptable_helo(value);
}

}  // namespace

Parsed<XclientCommand> parse_xclient(std::string_view arguments) {
    const auto bad = [](std::string_view text) { return make_reply(501, "5.5.4", text); };
    if (arguments.empty()) return bad("Syntax: XCLIENT attribute=value...");
    const auto names = text::split(kXclientAttributes, ' ');
    XclientCommand command;
    std::vector<std::string_view> seen;
    for (std::string_view rest = arguments; !rest.empty(); rest = text::trim_left(rest)) {
        const std::string_view word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(word.size());
        const auto equals = word.find('=');
        const auto known = std::find_if(names.begin(), names.end(), [&](std::string_view name) {
            return text::iequals(name, word.substr(0, equals));
        });
        if (equals == std::string_view::npos || known == names.end()) return bad("Attribute not recognized");
        if (std::find(seen.begin(), seen.end(), *known) != seen.end()) return bad("Attribute given twice");
        seen.push_back(*known);
        const auto value = mail::xtext_decode(word.substr(equals + 1));
        if (!value || value->empty() || !take(command, *known, *value))
            return bad("Bad value of an attribute");
    }
    return command;
}

}  // namespace posthorn::smtp::protocol
