// Parsing of web addresses.
#include "base/web_address.hpp"

#include <algorithm>

#include "base/endpoint.hpp"
#include "base/text.hpp"

namespace posthorn {
namespace {

constexpr std::size_t kLongestName = 253;   // RFC 1035 s2.3.4

bool is_host_name(std::string_view name) {
    return !name.empty() && name.size() <= kLongestName && std::all_of(name.begin(), name.end(), [](char c) {
        return text::is_alnum(c) || c == '-' || c == '.' || c == '_';
    });
}

}  // namespace

Result<WebAddress> WebAddress::parse(std::string_view text) {
    WebAddress address;
    const std::size_t scheme_end = text.find("://");
    const std::string scheme = scheme_end == std::string_view::npos ? std::string() : text::to_lower(text.substr(0, scheme_end));
    if (scheme != "https" && scheme != "http") return Error{"which does not begin with https:// or http://"};
    if (!std::all_of(text.begin(), text.end(), text::is_graphic)) return Error{"which has blanks, control characters or letters beyond ASCII"};
    address.tls = scheme == "https";
    address.port = address.tls ? 443 : 80;
    std::string_view rest = text.substr(scheme_end + 3);
    const std::size_t authority_end = std::min(rest.find_first_of("/?#"), rest.size());
    std::string_view authority = rest.substr(0, authority_end);
    rest.remove_prefix(authority_end);
    if (rest.find('#') != std::string_view::npos) return Error{"which has a fragment (#...), of which a server never hears"};
    if (authority.find('@') != std::string_view::npos) return Error{"which has a user in it; the signature says who we are"};
    address.target = rest.empty() || rest.front() != '/' ? "/" + std::string(rest) : std::string(rest);

    std::string_view port;
    bool has_port = false;
    if (authority.starts_with('[')) {
        const std::size_t end = authority.find(']');
        if (end == std::string_view::npos) return Error{"whose IPv6 address has no ] at its end"};
        const Result<IpAddress> literal = IpAddress::parse(authority.substr(1, end - 1));
        if (!literal || literal->is_v4()) return Error{"whose host is no IPv6 address"};
        address.host = literal->to_string();
        port = authority.substr(end + 1);
        has_port = !port.empty();
        if (has_port && port.front() != ':') return Error{"whose port does not follow a colon"};
    } else {
        const std::size_t colon = authority.find(':');
        has_port = colon != std::string_view::npos;
        if (has_port) port = authority.substr(colon);
        const std::string_view host = authority.substr(0, colon);
        if (!is_host_name(host)) return Error{"whose host is no name and no address"};
        address.host = text::to_lower(host);
    }
    if (has_port) {
        const auto number = text::parse_unsigned(port.substr(1), 65535);
        if (!number || *number == 0) return Error{"whose port is no number from 1 to 65535"};
        address.port = static_cast<std::uint16_t>(*number);
    }
    return address;
}

bool WebAddress::is_literal() const {
    return host == "localhost" || IpAddress::parse(host).has_value();
}

bool WebAddress::is_near() const {
    const Result<IpAddress> address = IpAddress::parse(host);
    return address ? address->is_loopback() || address->is_private() : host == "localhost";
}

std::string WebAddress::authority() const {
    const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return port == (tls ? 443 : 80) ? shown : shown + ":" + std::to_string(port);
}

std::string without_secrets(std::string_view url) {
    const std::size_t scheme_end = url.find("://");
    const std::size_t begin = scheme_end == std::string_view::npos ? 0 : scheme_end + 3;
    const std::size_t end = std::min(url.find_first_of("/?#", begin), url.size());
    std::string_view authority = url.substr(begin, end - begin);
    std::string shown(url.substr(0, begin));
    if (const std::size_t user_end = authority.rfind('@'); user_end != std::string_view::npos) {
        shown += "...@";
        authority.remove_prefix(user_end + 1);
    }
    shown += authority;
    if (end < url.size()) shown += end + 1 == url.size() && url[end] == '/' ? "/" : "/...";
    return shown;
}

}  // namespace posthorn
