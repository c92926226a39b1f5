// Domain names and address literals: see domain.hpp.
#include "mail/domain.hpp"

#include <idn2.h>

#include "base/endpoint.hpp"
#include "base/text.hpp"

namespace posthorn::mail {

namespace {

// What is wrong with an ASCII name, or null. allow_underscore: RFC 1123 has no "_", DNS and real mail domains
// do.
const char* ascii_fault(std::string_view name, bool allow_underscore) {
    if (name.empty()) return "the domain is empty";
    if (name.size() > kMaxDomainOctets) return "the domain is longer than 255 octets";
    if (name.back() == '.') return "the domain ends with a dot";
    std::size_t label = 0;
    bool digits_only = true;  // of the label under way; of the last one at the end
    char previous = '.';
    for (const char c : name) {
        if (c == '.') {
            if (label == 0) return "the domain has an empty label";
            if (previous == '-') return "a label of the domain ends with a hyphen";
            label = 0;
            digits_only = true;
        } else {
            if (!text::is_alnum(c) && c != '-' && !(allow_underscore && c == '_'))
                return "the domain has a character that no domain has";
            if (c == '-' && label == 0) return "a label of the domain begins with a hyphen";
            if (++label > kMaxLabelOctets) return "a label of the domain is longer than 63 octets";
            digits_only = digits_only && text::is_digit(c);
        }
        previous = c;
    }
    if (previous == '-') return "a label of the domain ends with a hyphen";
    // A top-level domain is never all digits (RFC 3696 s2), so this is an IP address.
    if (digits_only) return "the domain ends in a number; an IP address goes in brackets, [192.0.2.1]";
    return nullptr;
}

}  // namespace

Result<std::string> to_ascii(std::string_view domain) {
    if (text::is_ascii(domain)) {
        if (const char* fault = ascii_fault(domain, true)) return Error{fault};
        return text::to_lower(domain);
    }
    // Each U-label grows in punycode, so what is longer cannot be a name; this bounds libidn2's work as well.
    if (domain.size() > 4 * kMaxDomainOctets) return Error{"the domain is longer than 255 octets"};
    if (!text::is_utf8(domain)) return Error{"the domain is not UTF-8"};
    if (domain.find('\0') != std::string_view::npos)
        return Error{"the domain has a character that no domain has"};
    const std::string terminated(domain);
    char* output = nullptr;
    const int rc = idn2_to_ascii_8z(terminated.c_str(), &output, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    if (rc != IDN2_OK)
        return Error{std::string("the domain is not an international name: ") + idn2_strerror(rc)};
    std::string ascii(output);
    idn2_free(output);
    if (const char* fault = ascii_fault(ascii, true)) return Error{fault};
    text::lower_in_place(ascii);
    return ascii;
}

bool is_valid_hostname(std::string_view name) {
    return ascii_fault(name, false) == nullptr;
}

bool is_fqdn(std::string_view name) {
    return is_valid_hostname(name) && name.find('.') != std::string_view::npos;
}

bool is_subdomain_of(std::string_view child, std::string_view parent) {
    if (parent.empty() || child.size() < parent.size() || !text::iends_with(child, parent)) return false;
    return child.size() == parent.size() || child[child.size() - parent.size() - 1] == '.';
}

Result<std::string> parse_address_literal(std::string_view text) {
    const auto fault = [] {
        return Error{
            "the address literal holds no IP address; it is written [192.0.2.1] or [IPv6:2001:db8::1]"};
    };
    if (text.size() < 3 || text.front() != '[' || text.back() != ']') return fault();
    std::string_view inside = text.substr(1, text.size() - 2);
    const bool tagged = text::istarts_with(inside, "IPv6:");
    if (tagged) inside.remove_prefix(5);
    const auto address = IpAddress::parse(inside);
    if (!address) return fault();
    const bool v6_text = inside.find(':') != std::string_view::npos;
    if (tagged && !v6_text) return fault();
    if (address->is_v4()) return "[" + address->to_string() + "]";
    return "[IPv6:" + address->to_string() + "]";
}

}  // namespace posthorn::mail
