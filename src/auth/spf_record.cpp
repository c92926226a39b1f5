// The grammar of RFC 7208 s12, read term by term.
#include "auth/spf_record.hpp"

#include <algorithm>
#include <array>

#include "auth/spf.hpp"
#include "auth/spf_macro.hpp"
#include "base/text.hpp"

namespace posthorn::auth::spf {
namespace {

// s5, s6. A term that takes a domain must have one where it is required; dual: a/24//64 (s5.3).
struct Form {
    std::string_view name;
    TermKind kind;
    bool takes_domain, needs_domain, dual;
};
constexpr std::array<Form, 7> kMechanisms = {{{"all", TermKind::all, false, false, false},
                                              {"include", TermKind::include, true, true, false},
                                              {"a", TermKind::a, true, false, true},
                                              {"mx", TermKind::mx, true, false, true},
                                              {"ptr", TermKind::ptr, true, false, false},
                                              {"exists", TermKind::exists, true, true, false},
                                              {"ip4", TermKind::ip4, false, false, false}}};

Error wrong(std::string_view term, std::string_view why) {
    return Error{"the term \"", text::safe_for_log(term, 100), "\" ", why};
}

// Takes "/24" off the end of text. Digits without a leading zero; what is no length is left where it is, to be found wrong there.
std::optional<unsigned> take_length(std::string_view& text, std::string_view slashes) {
    const std::size_t at = text.rfind(slashes);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view digits = text.substr(at + slashes.size());
    const auto length = text::parse_unsigned(digits, 999);
    if (!length || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
    text = text.substr(0, at);
    return static_cast<unsigned>(*length);
}

Result<Term> parse_network(Term term, std::string_view value) {
    const bool v4 = term.kind == TermKind::ip4;
    const unsigned width = v4 ? 32 : 128;
    const auto length = take_length(value, "/");
    const auto address = IpAddress::parse(value);
    if (!address || (value.find(':') == std::string_view::npos) != v4)
        return wrong(term.text, v4 ? "has no IPv4 address, such as ip4:192.0.2.1 or ip4:192.0.2.0/24"
                                   : "has no IPv6 address, such as ip6:2001:db8::1 or ip6:2001:db8::/32");
    if (length.value_or(0) > width) return wrong(term.text, "has too long a prefix");
    term.network = *address;
    (v4 ? term.prefix4 : term.prefix6) = length.value_or(width);
    return term;
}

Result<Term> parse_modifier(Term term, std::string_view name, std::string_view value) {
    if (text::iequals(name, "redirect"))
        term.kind = TermKind::redirect;
    else if (text::iequals(name, "exp"))
        term.kind = TermKind::exp;
    else
        term.kind = TermKind::other;
    if (term.kind == TermKind::other) {
        if (!is_macro_string(value)) return wrong(term.text, "has a value that is no text of SPF (RFC 7208 s7.1)");
        return term;
    }
    if (!is_domain_spec(value)) return wrong(term.text, "names no domain");
    term.domain = value;
    return term;
}

Result<Term> parse_mechanism(Term term, std::string_view text) {
    const std::size_t end = text.find_first_of(":/");
    const std::string_view name = text.substr(0, end);
    std::string_view rest = end == std::string_view::npos ? std::string_view() : text.substr(end);
    if (text::iequals(name, "ip4") || text::iequals(name, "ip6")) {
        term.kind = text::iequals(name, "ip4") ? TermKind::ip4 : TermKind::ip6;
        if (!rest.starts_with(':')) return wrong(term.text, "names no network");
        return parse_network(std::move(term), rest.substr(1));
    }
    const auto* const form =
        std::find_if(kMechanisms.begin(), kMechanisms.end(), [&](const Form& one) { return text::iequals(one.name, name); });
    if (form == kMechanisms.end() || form->kind == TermKind::ip4)
        return wrong(term.text, "is no mechanism of SPF; there are all, include, a, mx, ptr, ip4, ip6, exists");
    term.kind = form->kind;
    if (form->dual) {
        if (const auto length = take_length(rest, "//")) term.prefix6 = *length;
        if (const auto length = take_length(rest, "/")) term.prefix4 = *length;
        if (term.prefix6 > 128 || term.prefix4 > 32) return wrong(term.text, "has too long a prefix");
    }
    if (rest.empty()) {
        if (form->needs_domain) return wrong(term.text, "needs a domain behind a colon");
        return term;
    }
    if (!form->takes_domain || rest.front() != ':' || !is_domain_spec(rest.substr(1)))
        return wrong(term.text, form->takes_domain ? "names no domain" : "takes nothing behind its name");
    term.domain = rest.substr(1);
    return term;
}

// s4.6.1: what has "=" behind a name is a modifier.
Result<Term> parse_term(std::string_view text) {
    Term term;
    term.text = text;
    const std::size_t end = text.find_first_of("=:/%");
    if (end != std::string_view::npos && text[end] == '=') {
        const std::string_view name = text.substr(0, end);
        const bool well_formed =
            !name.empty() && text::is_alpha(name.front()) &&
            std::all_of(name.begin(), name.end(), [](char c) { return text::is_alnum(c) || c == '-' || c == '_' || c == '.'; });
        if (!well_formed) return wrong(text, "has no name that a modifier can have");
        return parse_modifier(std::move(term), name, text.substr(end + 1));
    }
    if (!text.empty() && std::string_view("+-~?").find(text.front()) != std::string_view::npos) {
        term.qualifier = text.front();
        text.remove_prefix(1);
    }
    return parse_mechanism(std::move(term), text);
}

constexpr std::size_t kVersion = 6;  // of "v=spf1"

std::vector<std::string_view> terms_of(std::string_view record) {
    std::vector<std::string_view> terms;
    for (const std::string_view term : text::split(record.substr(kVersion), ' '))
        if (!term.empty()) terms.push_back(term);
    return terms;
}

}  // namespace

bool Term::asks_dns() const {
    return kind == TermKind::include || kind == TermKind::a || kind == TermKind::mx || kind == TermKind::ptr ||
           kind == TermKind::exists || kind == TermKind::redirect;
}

const Term* Record::find(TermKind kind) const {
    const auto found = std::find_if(terms.begin(), terms.end(), [&](const Term& term) { return term.kind == kind; });
    return found == terms.end() ? nullptr : &*found;
}

bool is_record(std::string_view text) {
    return text::istarts_with(text, "v=spf1") && (text.size() == kVersion || text[kVersion] == ' ');
}

Result<Record> parse(std::string_view text) {
    if (!is_record(text)) return Error{"it does not begin with v=spf1"};
    Record record;
    for (const std::string_view one : terms_of(text)) {
        Result<Term> term = parse_term(one);
        if (!term) return term.error();
        if ((term->kind == TermKind::redirect || term->kind == TermKind::exp) && record.find(term->kind) != nullptr)
            return wrong(one, "stands there twice");
        record.terms.push_back(std::move(*term));
    }
    return record;
}

std::vector<std::string> suspicions(const Record& record) {
    constexpr unsigned kWide4 = 12;
    constexpr unsigned kWide6 = 20;
    std::vector<std::string> found;
    for (const Term& term : record.terms) {
        if (term.is_modifier() || term.qualifier != '+') continue;
        const bool wide =
            (term.kind == TermKind::ip4 && term.prefix4 < kWide4) || (term.kind == TermKind::ip6 && term.prefix6 < kWide6) ||
            ((term.kind == TermKind::a || term.kind == TermKind::mx) && (term.prefix4 < kWide4 || term.prefix6 < kWide6));
        if (term.kind == TermKind::all)
            found.push_back("\"" + term.text + "\" lets every machine of the Internet send for the domain");
        else if (wide)
            found.push_back("\"" + term.text + "\" lets a huge network send for the domain");
    }
    return found;
}

std::string with_addresses(std::span<const std::string> records, std::span<const IpAddress> addresses) {
    std::vector<std::string> terms;
    std::string rest;  // "-all" or the like, or a redirect: what is said of all others
    bool rest_is_all = false;
    const auto add = [&](std::string term) {
        if (std::none_of(terms.begin(), terms.end(), [&](const std::string& known) { return text::iequals(known, term); }))
            terms.push_back(std::move(term));
    };
    for (const IpAddress& address : addresses) add((address.is_v4() ? "ip4:" : "ip6:") + address.to_string());
    for (const std::string& record : records) {
        if (!is_record(record)) continue;
        bool over = false;  // what stands behind "all" was never looked at (s5.1), and must not come to life in front of it
        for (const std::string_view one : terms_of(record)) {
            const Result<Term> term = parse_term(one);
            if (!term || (over && !term->is_modifier())) continue;
            if (term->kind == TermKind::all) {
                over = true;
                if (!rest_is_all)
                    rest = one;
                else if (!text::iequals(rest, one))
                    rest = "~all";
                rest_is_all = true;
            } else if (term->kind == TermKind::redirect) {
                // Of two redirects only one can stay; as an include the other still says the same of its own machines.
                if (rest.empty())
                    rest = one;
                else if (!rest_is_all && !text::iequals(rest, one))
                    add("include:" + term->domain);
            } else {
                add(std::string(one));
            }
        }
    }
    std::string merged = "v=spf1";
    for (const std::string& term : terms) merged += ' ' + term;
    // What a record leaves unsaid stays unsaid (neutral, s4.7).
    if (rest.empty() && std::none_of(records.begin(), records.end(), is_record)) rest = "~all";
    return rest.empty() ? merged : merged + ' ' + rest;
}

}  // namespace posthorn::auth::spf
