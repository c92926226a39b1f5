// An envelope address and the parser of SMTP paths (RFC 5321 s4.1.2, RFC 6531 s3.3).
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::mail {

inline constexpr std::size_t kMaxLocalOctets = 64;  // RFC 5321 s4.5.3.1.1
inline constexpr std::size_t kMaxPathOctets =
    256;  // s4.5.3.1.3, with the angle brackets; a source route does not count

struct Address {
    std::string local;  // as the client wrote it: still quoted where it was quoted
    std::string
        domain;  // lower case A-labels, or "[192.0.2.1]", "[IPv6:2001:db8::1]"; empty for <> and <postmaster>

    [[nodiscard]] bool is_null() const { return local.empty() && domain.empty(); }
    [[nodiscard]] bool is_bare_postmaster() const { return !local.empty() && domain.empty(); }
    [[nodiscard]] bool has_utf8() const;  // in the local part; the domain never has
    [[nodiscard]] std::string to_string()
        const;  // "local@domain", "postmaster", or "" for the null path; no brackets
    friend bool operator==(const Address&, const Address&) = default;
};

enum class AddressFault : std::uint8_t {
    missing_bracket,  // no "<" at the start
    unterminated,     // no ">" at the end
    null_path,        // "<>" where an address is needed
    missing_domain,   // "<user>"
    empty_local,      // "<@example.com>"
    bad_local,        // a character that needs quotes, two dots in a row, a quoted string that does not end
    local_too_long,
    bad_domain,
    domain_too_long,
    path_too_long,
    bad_literal,        // "[...]" with no address in it
    bad_route,          // "@a,@b:" malformed
    control_character,  // CR, LF, NUL and their kin: refused before anything else (SMTP-37)
    needs_smtputf8,     // octets above 127 without SMTPUTF8
    bad_utf8,
    trailing_text,  // parse_address only
};

// `what` may be sent to the client: it says what is wrong in one ASCII sentence without the client's own
// octets.
struct AddressError {
    AddressFault fault = AddressFault::bad_local;
    std::string what;
};
[[noreturn]] void throw_exception_from_error(const AddressError& error, const boost::source_location&);

template <class T>
using AddressResult = boost::system::result<T, AddressError>;

enum class PathKind : std::uint8_t {
    reverse,  // MAIL FROM: the null path is allowed
    forward,  // RCPT TO: "<postmaster>" is allowed (RFC 5321 s4.5.1), the null path is not
    // Of programs of this machine, who know its users by name: also any local part alone, "<root>".
    reverse_or_name,
    forward_or_name,
};

struct ParsedPath {
    Address address;
    std::size_t consumed = 0;  // octets of text up to and including ">"; the parameters follow
    bool has_utf8 =
        false;  // anywhere in the path, also in a domain that is now A-labels (RFC 6531 s3.4 wants SMTPUTF8)
};

// Reads "<...>" at the start of text; blanks before it are the caller's business. A source route "@a,@b:" is
// accepted and dropped (RFC 5321 s4.1.2, appendix C). `smtputf8` false refuses octets above 127; a server
// that has not yet read the parameters of MAIL passes true and compares has_utf8 with the parameter
// afterwards.
[[nodiscard]] AddressResult<ParsedPath> parse_path(std::string_view text, PathKind kind, bool smtputf8);

// A bare "local@domain" that fills text: for the command line, the configuration and DSNs. The same rules.
[[nodiscard]] AddressResult<Address> parse_address(std::string_view text, bool smtputf8 = true);

// The part of "local@domain" after the last "@" outside quotes, lower case: the queue's destination. Empty
// when there is none.
[[nodiscard]] std::string destination_of(std::string_view address);
[[nodiscard]] inline std::string destination_of(const Address& address) {
    return address.domain;
}

}  // namespace posthorn::mail
