// One scanner reads macros for both, the check and the expansion.
#include "auth/spf_macro.hpp"

#include <algorithm>
#include <vector>

#include "base/text.hpp"

namespace posthorn::auth::spf {
namespace {

constexpr std::size_t kMaxName = 253;  // s7.3
constexpr unsigned kMaxLabels = 128;   // no name has more; what is beyond says the same
constexpr std::string_view kDelimiters = ".-+,/_=";
constexpr std::string_view kLetters = "slodiphv";  // c, r and t: explanations only (s7.2)

// "%{ir.}", or one of "%%", "%_", "%-", of which `literal` is what they stand for.
struct Macro {
    char letter = 0;
    std::string_view literal;
    unsigned labels = 0;  // 0: all
    bool reversed = false;
    std::string_view delimiters = ".";
    std::size_t length = 0;  // of the text it was read from
};

// The macro that text begins with.
std::optional<Macro> read_macro(std::string_view text) {
    Macro macro;
    if (text.size() < 2 || text[0] != '%') return std::nullopt;
    macro.length = 2;
    switch (text[1]) {
        case '%':
            macro.literal = "%";
            return macro;
        case '_':
            macro.literal = " ";
            return macro;
        case '-':
            macro.literal = "%20";
            return macro;
        case '{':
            break;
        default:
            return std::nullopt;
    }
    std::size_t at = 2;
    if (at == text.size() || kLetters.find(text::to_lower(text[at])) == std::string_view::npos) return std::nullopt;
    macro.letter = text[at++];
    const std::size_t digits = at;
    for (; at < text.size() && text::is_digit(text[at]); ++at)
        macro.labels = std::min(macro.labels * 10 + static_cast<unsigned>(text[at] - '0'), kMaxLabels);
    if (at > digits && macro.labels == 0) return std::nullopt;  // s7.3: "The DIGIT transformer ... MUST be nonzero"
    if (at < text.size() && text::to_lower(text[at]) == 'r') {
        macro.reversed = true;
        ++at;
    }
    const std::size_t first = at;
    while (at < text.size() && kDelimiters.find(text[at]) != std::string_view::npos) ++at;
    if (at > first) macro.delimiters = text.substr(first, at - first);
    if (at == text.size() || text[at] != '}') return std::nullopt;
    macro.length = at + 1;
    return macro;
}

bool is_literal(char c) {
    return c > 0x20 && c < 0x7f && c != '%';
}

// s7.3: of IPv6 the nibbles, dotted.
std::string dotted(const IpAddress& ip) {
    if (ip.is_v4()) return ip.to_string();
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string out;
    for (const std::uint8_t octet : ip.octets()) {
        if (!out.empty()) out += '.';
        out += kHex[octet >> 4];
        out += '.';
        out += kHex[octet & 15];
    }
    return out;
}

std::string value_of(char letter, const MacroValues& values) {
    switch (letter) {
        case 's':
            return values.sender_local + '@' + values.sender_domain;
        case 'l':
            return values.sender_local;
        case 'o':
            return values.sender_domain;
        case 'd':
            return values.domain;
        case 'i':
            return dotted(values.ip);
        case 'p':
            return values.validated_name.empty() ? "unknown" : values.validated_name;
        case 'v':
            return values.ip.is_v4() ? "in-addr" : "ip6";
        default:
            return values.helo;
    }
}

std::string transformed(const std::string& value, const Macro& macro) {
    if (macro.labels == 0 && !macro.reversed && macro.delimiters == ".") return value;
    std::vector<std::string_view> parts;
    std::string_view rest = value;
    for (std::size_t end = 0; (end = rest.find_first_of(macro.delimiters)) != std::string_view::npos; rest.remove_prefix(end + 1))
        parts.push_back(rest.substr(0, end));
    parts.push_back(rest);
    if (macro.reversed) std::reverse(parts.begin(), parts.end());
    const std::size_t skip = macro.labels > 0 && parts.size() > macro.labels ? parts.size() - macro.labels : 0;
    std::string out;
    for (std::size_t i = skip; i < parts.size(); ++i) {
        if (i > skip) out += '.';
        out += parts[i];
    }
    return out;
}

// s7.3: an upper case letter asks for the coding of URLs.
std::string url_encoded(std::string_view text) {
    std::string out;
    constexpr std::string_view kHex = "0123456789ABCDEF";
    for (const char c : text) {
        if (text::is_alnum(c) || std::string_view("-._~").find(c) != std::string_view::npos) {
            out += c;
        } else {
            const auto octet = static_cast<unsigned char>(c);
            out += {'%', kHex[octet >> 4], kHex[octet & 15]};
        }
    }
    return out;
}

// s7.1: toplabel: letters, digits and inner hyphens, not digits alone.
bool can_be_last(std::string_view label) {
    if (label.empty() || !text::is_alnum(label.front()) || !text::is_alnum(label.back())) return false;
    if (!std::all_of(label.begin(), label.end(), [](char c) { return text::is_alnum(c) || c == '-'; })) return false;
    return !std::all_of(label.begin(), label.end(), text::is_digit);
}

}  // namespace

bool is_macro_string(std::string_view text) {
    while (!text.empty()) {
        if (is_literal(text.front())) {
            text.remove_prefix(1);
            continue;
        }
        const auto macro = read_macro(text);
        if (!macro) return false;
        text.remove_prefix(macro->length);
    }
    return true;
}

bool is_domain_spec(std::string_view text) {
    if (text.empty() || !is_macro_string(text)) return false;
    std::size_t end_of_macros = 0;
    bool ends_in_macro = false;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] != '%') {
            ++at;
            ends_in_macro = false;
            continue;
        }
        const auto macro = read_macro(text.substr(at));
        at += macro->length;
        end_of_macros = at;
        ends_in_macro = true;
    }
    if (ends_in_macro) return true;
    std::string_view tail = text.substr(end_of_macros);
    if (tail.ends_with('.')) tail.remove_suffix(1);
    const std::size_t dot = tail.rfind('.');
    return dot != std::string_view::npos && can_be_last(tail.substr(dot + 1));
}

bool uses_validated_name(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto macro = read_macro(text.substr(at));
        if (macro && text::to_lower(macro->letter) == 'p') return true;
        at += macro ? macro->length : 1;
    }
    return false;
}

std::string expand(std::string_view text, const MacroValues& values) {
    std::string out;
    while (!text.empty()) {
        const auto macro = read_macro(text);
        if (!macro) {
            out += text.front();
            text.remove_prefix(1);
            continue;
        }
        if (macro->letter == 0) {
            out += macro->literal;
        } else {
            const std::string value = transformed(value_of(text::to_lower(macro->letter), values), *macro);
            out += text::is_upper(macro->letter) ? url_encoded(value) : value;
        }
        text.remove_prefix(macro->length);
    }
    return out;
}

std::string expand_domain(std::string_view text, const MacroValues& values) {
    std::string name = text::to_lower(expand(text, values));
    if (name.ends_with('.')) name.pop_back();
    while (name.size() > kMaxName) {
        const std::size_t dot = name.find('.');
        if (dot == std::string::npos) return {};
        name.erase(0, dot + 1);
    }
    return is_dns_name(name) ? name : std::string();
}

bool is_dns_name(std::string_view name) {
    if (name.empty() || name.size() > kMaxName) return false;
    for (const std::string_view label : text::split(name, '.'))
        if (label.empty() || label.size() > 63) return false;
    return std::none_of(name.begin(), name.end(), [](char c) { return text::is_control(c) || text::is_8bit(c); });
}

}  // namespace posthorn::auth::spf
