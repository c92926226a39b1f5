// Reading the keywords of an EHLO reply.
#include "smtp/protocol/extensions.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::smtp::protocol {
namespace {

std::string_view take_word(std::string_view& rest) {
    rest = text::trim_left(rest);
    const auto end = rest.find_first_of(" \t");
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(word.size());
    return word;
}

void read_auth(Extensions& out, std::string_view arguments) {
    for (auto word = take_word(arguments); !word.empty(); word = take_word(arguments)) {
        std::string mechanism(word);
        std::transform(mechanism.begin(), mechanism.end(), mechanism.begin(),
                       [](char c) { return text::to_upper(c); });
        if (std::find(out.auth.begin(), out.auth.end(), mechanism) == out.auth.end())
            out.auth.push_back(std::move(mechanism));
    }
}

// RFC 9422 s4: "LIMITS RCPTMAX=100 MAILMAX=5".
void read_limits(Extensions& out, std::string_view arguments) {
    for (auto word = take_word(arguments); !word.empty(); word = take_word(arguments)) {
        const auto equals = word.find('=');
        if (equals == std::string_view::npos) continue;
        const auto value = text::parse_unsigned(word.substr(equals + 1), UINT32_MAX);
        if (!value) continue;
        if (text::iequals(word.substr(0, equals), "RCPTMAX"))
            out.rcpt_max = static_cast<std::uint32_t>(*value);
        if (text::iequals(word.substr(0, equals), "MAILMAX"))
            out.mail_max = static_cast<std::uint32_t>(*value);
    }
}

}  // namespace

Extensions parse_extensions(const Reply& ehlo_reply) {
    Extensions out;
    out.esmtp = true;
    // The first line is the server's name, whatever it looks like.
    for (std::size_t i = 1; i < ehlo_reply.lines.size(); ++i) {
        std::string_view rest = ehlo_reply.lines[i];
        const std::string_view keyword = take_word(rest);
        const auto is = [keyword](std::string_view name) { return text::iequals(keyword, name); };
        if (is("PIPELINING")) out.pipelining = true;
        if (is("8BITMIME")) out.eight_bit_mime = true;
        if (is("SMTPUTF8")) out.smtputf8 = true;
        if (is("DSN")) out.dsn = true;
        if (is("STARTTLS")) out.starttls = true;
        if (is("ENHANCEDSTATUSCODES")) out.enhanced_status_codes = true;
        if (is("CHUNKING")) out.chunking = true;
        if (is("REQUIRETLS")) out.require_tls = true;
        if (is("SIZE")) {
            out.size = true;
            out.size_limit = text::parse_unsigned(take_word(rest)).value_or(0);
        }
        if (is("AUTH")) read_auth(out, rest);
        if (text::istarts_with(keyword, "AUTH=")) {
            read_auth(out, keyword.substr(5));
            read_auth(out, rest);
        }
        if (is("LIMITS")) read_limits(out, rest);
    }
    return out;
}

}  // namespace posthorn::smtp::protocol
