// The parser of SMTP paths: see address.hpp.
#include "mail/address.hpp"

#include <boost/assert/source_location.hpp>
#include <optional>
#include <stdexcept>

#include "base/text.hpp"
#include "mail/domain.hpp"

namespace posthorn::mail {

namespace {

// RFC 5322 atext; with RFC 6531 s3.3 also what lies beyond ASCII (well-formedness is checked for the whole
// path).
bool is_atext(char c) {
    return text::is_alnum(c) || text::is_8bit(c) ||
           (c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos);
}

AddressError error(AddressFault fault, const char* what) {
    return AddressError{fault, what};
}

// Reads along one text. The octets have been checked: no control characters, and UTF-8 where it is not ASCII.
class PathReader {
public:
    explicit PathReader(std::string_view text) : text_(text) {}

    [[nodiscard]] std::size_t at() const { return at_; }
    [[nodiscard]] bool done() const { return at_ >= text_.size(); }
    [[nodiscard]] char peek() const { return done() ? '\0' : text_[at_]; }
    bool take(char c) {
        if (peek() != c || done()) return false;
        ++at_;
        return true;
    }

    // "@a.example,@b.example:" before the mailbox. Its domains need only look like domains: nobody uses them.
    std::optional<AddressError> skip_route() {
        if (peek() != '@') return std::nullopt;
        for (;;) {
            if (!take('@')) return error(AddressFault::bad_route, "the source route is malformed");
            const std::size_t begin = at_;
            while (is_domain_octet(peek())) ++at_;
            // "<@example.com>" is no route but an address without its local part.
            if (peek() == '>' || done())
                return error(AddressFault::empty_local, "the address has nothing before the @");
            if (at_ == begin) return error(AddressFault::bad_route, "the source route is malformed");
            if (take(':')) return std::nullopt;
            if (!take(',')) return error(AddressFault::bad_route, "the source route is malformed");
        }
    }

    std::optional<AddressError> read_local(std::string& local) {
        const std::size_t begin = at_;
        if (peek() == '"') {
            ++at_;
            for (;;) {
                if (done()) return error(AddressFault::bad_local, "the quoted local part does not end");
                const char c = text_[at_++];
                if (c == '"') break;
                if (c == '\\') {
                    if (done()) return error(AddressFault::bad_local, "the quoted local part does not end");
                    ++at_;
                }
            }
        } else {
            char previous = '.';
            while (is_atext(peek()) || (peek() == '.' && !done())) {
                if (peek() == '.' && previous == '.')
                    return error(AddressFault::bad_local,
                                 "the local part begins with a dot or has two in a row");
                previous = text_[at_++];
            }
            if (at_ > begin && previous == '.')
                return error(AddressFault::bad_local, "the local part ends with a dot");
        }
        local = text_.substr(begin, at_ - begin);
        if (local.size() > kMaxLocalOctets)
            return error(AddressFault::local_too_long, "the local part is longer than 64 octets");
        return std::nullopt;
    }

    std::optional<AddressError> read_domain(std::string& domain) {
        const std::size_t begin = at_;
        if (peek() == '[') {
            while (!done() && text_[at_] != ']' && text_[at_] != '>') ++at_;
            take(']');
            auto literal = parse_address_literal(text_.substr(begin, at_ - begin));
            if (!literal) return AddressError{AddressFault::bad_literal, literal.error().what};
            domain = std::move(*literal);
            return std::nullopt;
        }
        while (is_domain_octet(peek())) ++at_;
        const std::string_view written = text_.substr(begin, at_ - begin);
        if (text::is_ascii(written) && written.size() > kMaxDomainOctets)
            return error(AddressFault::domain_too_long, "the domain is longer than 255 octets");
        auto ascii = to_ascii(written);
        if (!ascii) return AddressError{AddressFault::bad_domain, ascii.error().what};
        domain = std::move(*ascii);
        return std::nullopt;
    }

private:
    static bool is_domain_octet(char c) {
        return text::is_alnum(c) || c == '-' || c == '.' || c == '_' || text::is_8bit(c);
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

// Where the path ends: behind the ">" outside quotes. npos: nowhere.
std::size_t path_end(std::string_view text) {
    bool quoted = false;
    for (std::size_t at = 1; at < text.size(); ++at) {
        const char c = text[at];
        if (quoted && c == '\\')
            ++at;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && c == '>')
            return at + 1;
    }
    return std::string_view::npos;
}

std::optional<AddressError> octet_fault(std::string_view text, bool smtputf8) {
    if (text::has_control(text))
        return error(AddressFault::control_character, "the address has a control character");
    if (text::is_ascii(text)) return std::nullopt;
    if (!smtputf8)
        return error(AddressFault::needs_smtputf8,
                     "the address is not ASCII; this needs the SMTPUTF8 extension");
    if (!text::is_utf8(text)) return error(AddressFault::bad_utf8, "the address is neither ASCII nor UTF-8");
    return std::nullopt;
}

std::optional<AddressError> read_mailbox(PathReader& reader, Address& address) {
    if (auto fault = reader.read_local(address.local)) return fault;
    if (address.local.empty())
        return reader.peek() == '@'
                   ? error(AddressFault::empty_local, "the address has nothing before the @")
                   : error(AddressFault::bad_local, "the local part has a character that needs quotes");
    if (!reader.take('@')) {
        if (reader.peek() == '>' || reader.done())
            return error(AddressFault::missing_domain, "the address has no domain; write user@example.com");
        return error(AddressFault::bad_local, "the local part has a character that needs quotes");
    }
    if (reader.peek() == '>' || reader.done())
        return error(AddressFault::missing_domain,
                     "the address has no domain after the @; write user@example.com");
    return reader.read_domain(address.domain);
}

}  // namespace

void throw_exception_from_error(const AddressError& error, const boost::source_location&) {
    throw std::runtime_error(error.what);
}

bool Address::has_utf8() const {
    return !text::is_ascii(local);
}

std::string Address::to_string() const {
    return domain.empty() ? local : local + "@" + domain;
}

AddressResult<ParsedPath> parse_path(std::string_view text, PathKind kind, bool smtputf8) {
    if (!text.starts_with('<'))
        return error(AddressFault::missing_bracket,
                     "the address must stand in angle brackets: <user@example.com>");
    const std::size_t end = path_end(text);
    const std::string_view path = text.substr(0, end);
    if (auto fault = octet_fault(path, smtputf8)) return *fault;
    if (end == std::string_view::npos)
        return error(AddressFault::unterminated, "the address has no closing angle bracket");

    ParsedPath parsed;
    parsed.consumed = end;
    parsed.has_utf8 = !text::is_ascii(path);
    if (path == "<>") {
        if (kind == PathKind::reverse || kind == PathKind::reverse_or_name) return parsed;
        return error(AddressFault::null_path, "the null path <> cannot be a recipient");
    }

    PathReader reader(path);
    reader.take('<');
    if (auto fault = reader.skip_route()) return *fault;
    const std::size_t mailbox_begin = reader.at();
    if (auto fault = read_mailbox(reader, parsed.address)) {
        // RFC 5321 s4.1.1.3, s4.5.1: the one address that has no domain.
        const bool may_be_bare = kind == PathKind::reverse_or_name || kind == PathKind::forward_or_name;
        const bool is_name = may_be_bare && path[reader.at() - 1] != '@';   // "<root@>" is none
        const bool is_postmaster = kind == PathKind::forward && text::iequals(path.substr(1), "postmaster>");
        if (fault->fault != AddressFault::missing_domain || !(is_name || is_postmaster)) return *fault;
    }
    if (!reader.take('>') || reader.at() != path.size())
        return error(AddressFault::bad_domain, "the domain has a character that no domain has");
    if (path.size() - mailbox_begin + 1 > kMaxPathOctets)
        return error(AddressFault::path_too_long, "the address is longer than 256 octets");
    return parsed;
}

AddressResult<Address> parse_address(std::string_view text, bool smtputf8) {
    if (auto fault = octet_fault(text, smtputf8)) return *fault;
    if (text.starts_with('<'))
        return error(AddressFault::bad_local, "the address is written here without angle brackets");
    Address address;
    PathReader reader(text);
    if (auto fault = read_mailbox(reader, address)) return *fault;
    if (!reader.done()) return error(AddressFault::trailing_text, "there is something behind the address");
    if (text.size() + 2 > kMaxPathOctets)
        return error(AddressFault::path_too_long, "the address is longer than 256 octets");
    return address;
}

std::string destination_of(std::string_view address) {
    // A quoted local part may hold "@"; a domain never does.
    const std::size_t at = address.rfind('@');
    if (at == std::string_view::npos) return {};
    const std::string_view domain = address.substr(at + 1);
    return domain.find('"') == std::string_view::npos ? text::to_lower(domain) : std::string();
}

}  // namespace posthorn::mail
