// Fuzzes addresses: paths of MAIL and RCPT, bare addresses, and the ASCII form of domains.
#include <string>

#include "base/text.hpp"
#include "law.hpp"
#include "mail/address.hpp"
#include "mail/domain.hpp"

using namespace posthorn;

namespace {

// What comes out of a parser goes into commands, header fields and the log.
void check(const mail::Address& address, bool utf8_allowed) {
    const std::string text = address.to_string();
    fuzz::require(!text::has_control(text), "no control character gets through");
    fuzz::require(text::is_utf8(text), "an address is UTF-8");
    fuzz::require(utf8_allowed || text::is_ascii(text), "octets above 127 only with SMTPUTF8");
    fuzz::require(text::is_ascii(address.domain), "a domain is A-labels");
    fuzz::require(
        address.domain == text::to_lower(address.domain) || mail::is_address_literal(address.domain),
        "a domain is lower case");
    fuzz::require(
        address.local.size() <= mail::kMaxLocalOctets && address.domain.size() <= mail::kMaxDomainOctets,
        "an address has its bounds");
    fuzz::require(mail::destination_of(text) == text::to_lower(address.domain),
                  "the queue finds the domain again");
    if (address.is_null() || address.is_bare_postmaster()) return;
    const auto again = mail::parse_address(text, utf8_allowed);
    fuzz::require(again.has_value() && *again == address, "what was written down is read back the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    for (const bool utf8 : {false, true}) {
        for (const auto kind : {mail::PathKind::reverse, mail::PathKind::forward}) {
            const auto path = mail::parse_path(input, kind, utf8);
            if (!path) {
                fuzz::require(text::is_ascii(path.error().what) && !text::has_control(path.error().what),
                              "what is wrong is said in plain words");
                continue;
            }
            fuzz::require(path->consumed <= size && path->consumed >= 2 && input[path->consumed - 1] == '>',
                          "a path ends with its bracket");
            fuzz::require(kind == mail::PathKind::reverse || !path->address.is_null(), "no null recipient");
            check(path->address, utf8);
        }
        if (const auto address = mail::parse_address(input, utf8)) check(*address, utf8);
    }
    if (const auto ascii = mail::to_ascii(input)) {
        const auto again = mail::to_ascii(*ascii);
        fuzz::require(again.has_value() && *again == *ascii, "the ASCII form of an ASCII form is itself");
    }
    return 0;
}
