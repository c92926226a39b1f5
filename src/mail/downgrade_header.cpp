// One field at a time, by what may stand in it: see downgrade_header.hpp.
#include "mail/downgrade_header.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"
#include "mail/address_field.hpp"
#include "mail/address_repair.hpp"
#include "mail/encoded_word.hpp"
#include "mail/header.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kParameterPiece = 48;  // octets of one RFC 2231 continuation

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
    return std::any_of(names.begin(), names.end(), [name](std::string_view known) { return text::iequals(name, known); });
}

bool holds_addresses(std::string_view name) {
    static constexpr std::array<std::string_view, 17> kNames = {
        "From",        "Sender",           "Reply-To",        "To",
        "Cc",          "Bcc",              "Resent-From",     "Resent-Sender",
        "Resent-To",   "Resent-Cc",        "Resent-Bcc",      "Resent-Reply-To",
        "Errors-To",   "Mail-Followup-To", "Mail-Reply-To",   "Disposition-Notification-To",
        "Return-Receipt-To"};
    return is_one_of(name, kNames);
}

bool holds_parameters(std::string_view name) {
    static constexpr std::array<std::string_view, 2> kNames = {"Content-Type", "Content-Disposition"};
    return is_one_of(name, kNames);
}

// Fields with a grammar in which no encoded word has a place.
bool holds_no_text(std::string_view name) {
    static constexpr std::array<std::string_view, 14> kNames = {
        "Date",       "Resent-Date",       "Message-ID",     "Resent-Message-ID",         "In-Reply-To",
        "References", "Return-Path",       "MIME-Version",   "Content-Transfer-Encoding", "Content-ID",
        "Received",   "Authentication-Results", "Received-SPF", "Original-Message-ID"};
    return is_one_of(name, kNames) || text::istarts_with(name, "DKIM-") || text::istarts_with(name, "ARC-") ||
           (text::istarts_with(name, "List-") && !text::iequals(name, "List-Id"));
}

std::optional<std::string> addresses(std::string_view name, std::string_view value) {
    AddressPolicy policy;
    policy.complete = false;
    policy.keep_bare = true;
    AddressRepair repair = repair_addresses(value, read_address_field(value), name.size() + 1, policy);
    if (repair.mistake != AddressMistake::none) return std::nullopt;
    return std::move(repair.value);
}

std::string percent_encoded(std::string_view value) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : value) {
        // RFC 2231 s7: attribute-char.
        if (text::is_alnum(c) || std::string_view("!#$&+-.^_`{|}~").find(c) != std::string_view::npos) {
            out += c;
            continue;
        }
        out += '%';
        out += kDigits[static_cast<unsigned char>(c) >> 4];
        out += kDigits[static_cast<unsigned char>(c) & 15];
    }
    return out;
}

std::string unquoted(std::string_view value) {
    value = text::trim(value);
    if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::string(value);
    value = value.substr(1, value.size() - 2);
    std::string out;
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (value[i] == '\\' && i + 1 < value.size()) ++i;
        if (value[i] != '\r' && value[i] != '\n') out += value[i];
    }
    return out;
}

// " name=value" as RFC 2231 s4 has it, by s3 in pieces where it is long.
std::optional<std::string> parameter(std::string_view segment) {
    const std::size_t equals = segment.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view name = text::trim(segment.substr(0, equals));
    // A boundary stands in the body as well; "name*" says its charset already.
    if (!text::is_ascii(name) || name.empty() || name.find_first_of("* \t()") != std::string_view::npos ||
        text::iequals(name, "boundary"))
        return std::nullopt;
    const std::string coded = percent_encoded(unquoted(segment.substr(equals + 1)));
    std::string out;
    if (coded.size() <= kParameterPiece) return "\r\n " + std::string(name) + "*=utf-8''" + coded;
    std::string_view rest = coded;
    for (std::size_t number = 0; !rest.empty(); ++number) {
        std::size_t size = std::min(kParameterPiece, rest.size());
        // "%C3" stays together.
        for (std::size_t back = 1; back <= 2 && size < rest.size(); ++back)
            if (rest[size - back] == '%') {
                size -= back;
                break;
            }
        out.append(number == 0 ? "\r\n " : ";\r\n ").append(name).append("*").append(std::to_string(number)).append("*=");
        if (number == 0) out += "utf-8''";
        out += rest.substr(0, size);
        rest.remove_prefix(size);
    }
    return out;
}

std::optional<std::string> parameters(std::string_view value) {
    std::string out;
    bool quoted = false;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= value.size(); ++i) {
        if (i < value.size()) {
            if (quoted && value[i] == '\\') {
                ++i;
                continue;
            }
            if (value[i] == '"') quoted = !quoted;
            if (quoted || value[i] != ';') continue;
        }
        const std::string_view segment = value.substr(begin, std::min(i, value.size()) - begin);
        if (begin > 0) out += ';';
        if (text::is_ascii(segment)) {
            out += segment;
        } else {
            const auto coded = begin > 0 ? parameter(segment) : std::nullopt;   // before the first ";" is the type itself
            if (!coded) return std::nullopt;
            out += *coded;
        }
        begin = i + 1;
    }
    return out;
}

// RFC 2919: a phrase, and the identifier in angle brackets.
std::optional<std::string> phrase_and_id(std::string_view name, std::string_view value) {
    const std::size_t angle = std::min(value.find('<'), value.size());
    if (!text::is_ascii(value.substr(angle))) return std::nullopt;
    const std::string phrase = unquoted(value.substr(0, angle));
    return " " + encode_phrase(phrase, name.size() + 2) + "\r\n " + std::string(value.substr(angle));
}

// Phrases between commas (RFC 5322 s3.6.5).
std::string phrases(std::string_view name, std::string_view value) {
    std::string out;
    std::size_t column = name.size() + 1;
    for (bool first = true; first || !value.empty(); first = false) {
        if (!first) out += ',';
        const std::string_view phrase = text::take_field(value, ',');
        out += encode_unstructured(phrase, column);
        const std::size_t fold = out.rfind('\n');
        column = fold == std::string::npos ? name.size() + 2 + out.size() : out.size() - fold;
    }
    return out;
}

// RFC 6857 s3.1.10: the clause that names the recipient goes.
std::optional<std::string> trace(std::string_view value) {
    std::size_t at = value.find("for <");
    if (at == std::string_view::npos || at == 0 || !text::is_space(value[at - 1])) return std::nullopt;
    const std::size_t end = value.find('>', at);
    if (end == std::string_view::npos) return std::nullopt;
    while (at > 0 && text::is_space(value[at - 1])) --at;
    return std::string(value.substr(0, at)) + std::string(value.substr(end + 1));
}

std::optional<std::string> downgraded(std::string_view name, std::string_view value) {
    if (holds_addresses(name)) return addresses(name, value);
    if (holds_parameters(name)) return parameters(value);
    if (text::iequals(name, "List-Id")) return phrase_and_id(name, value);
    if (text::iequals(name, "Keywords")) return phrases(name, value);
    if (text::iequals(name, "Received")) return trace(value);
    if (holds_no_text(name)) return std::nullopt;
    return encode_unstructured(value, name.size() + 1);
}

}  // namespace

DowngradedHeader downgrade_header(std::string_view fields) {
    DowngradedHeader out;
    if (text::is_ascii(fields)) {
        out.fields = fields;
        return out;
    }
    const HeaderBlock block{std::string(fields)};
    for (std::size_t i = 0; i < block.size(); ++i) {
        const HeaderField field = block[i];
        if (text::is_ascii(field.raw)) {
            out.fields += field.raw;
            continue;
        }
        const bool readable = !field.name.empty() && text::is_ascii(field.name) && text::is_utf8(field.value);
        const auto value = readable ? downgraded(field.name, field.value) : std::nullopt;
        if (!value || !text::is_ascii(*value)) {
            out.obstacle = text::is_utf8(field.raw) ? "UTF-8 that has no ASCII form" : "octets above 127 that are not UTF-8";
            out.obstacle += field.name.empty() || !text::is_ascii(field.name) ? " in a line that is no field"
                                                                              : " in the field " + std::string(field.name);
            return out;
        }
        out.fields.append(field.name).append(":").append(*value).append("\r\n");
    }
    return out;
}

bool is_signed(std::string_view fields) {
    static constexpr std::array<std::string_view, 5> kNames = {"DKIM-Signature", "ARC-Message-Signature", "ARC-Seal",
                                                               "DomainKey-Signature", "X-Google-DKIM-Signature"};
    const HeaderBlock block{std::string(fields)};
    for (std::size_t i = 0; i < block.size(); ++i)
        if (is_one_of(block[i].name, kNames)) return true;
    return false;
}

}  // namespace posthorn::mail
