// The Received field: see received.hpp.
#include "mail/received.hpp"

#include <array>
#include <vector>

#include "base/text.hpp"
#include "mail/date.hpp"
#include "mail/domain.hpp"

namespace posthorn::mail {

namespace {

constexpr std::size_t kColumns = 78;
constexpr std::size_t kMaxHelo = 255;

// What a client said about itself, made fit to stand outside quotes and comments. An "(" or ";" could
// otherwise forge clauses.
std::string safe_word(std::string_view said, std::size_t limit) {
    std::string word;
    for (const char c : said.substr(0, limit)) {
        const bool fits = text::is_alnum(c) ||
                          std::string_view(".-_:[]@+=!#$%&'*/?^`{|}~").find(c) != std::string_view::npos;
        word += fits && c != '\0' ? c : '?';
    }
    return word;
}

}  // namespace

std::string_view received_protocol(bool esmtp, bool tls, bool authenticated, bool smtputf8) {
    static constexpr std::array<std::string_view, 8> kNames = {
        "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA", "UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"};
    if (!esmtp) return "SMTP";
    return kNames[(smtputf8 ? 4U : 0U) + (authenticated ? 2U : 0U) + (tls ? 1U : 0U)];
}

bool is_public_helo(std::string_view helo) {
    if (is_address_literal(helo)) {
        const Result<std::string> literal = parse_address_literal(helo);
        if (!literal) return false;
        std::string_view inside = std::string_view(*literal).substr(1, literal->size() - 2);
        if (inside.starts_with("IPv6:")) inside.remove_prefix(5);
        const auto address = IpAddress::parse(inside);
        return address && !address->is_private();
    }
    static constexpr std::array<std::string_view, 13> kPrivate = {
        ".localhost", ".localdomain", ".local", ".internal", ".intranet", ".private", ".corp",
        ".home",      ".home.arpa",   ".lan",   ".fritz.box", ".docker",  ".localnet"};
    if (helo.find('.') == std::string_view::npos || helo.ends_with('.')) return false;
    for (const std::string_view suffix : kPrivate)
        if (text::iends_with(helo, suffix)) return false;
    return to_ascii(helo).has_value();
}

std::string make_received(const ReceivedFacts& facts) {
    // Words that stay together; the field is folded between them.
    std::vector<std::string> words;
    if (!facts.helo.empty()) {
        words.push_back("from " + safe_word(facts.helo, kMaxHelo));
        if (facts.client_ip)
            words.push_back(facts.client_ip->is_v4() ? "([" + facts.client_ip->to_string() + "])"
                                                     : "([IPv6:" + facts.client_ip->to_string() + "])");
    }
    words.push_back("by " + facts.by);
    if (!facts.with.empty()) words.push_back("with " + std::string(facts.with));
    words.push_back("id " + facts.id.to_string());
    // A path that is not ASCII would need an SMTPUTF8 header; the clause is optional (RFC 5321 s4.4).
    if (!facts.for_address.empty() && text::is_ascii(facts.for_address) &&
        !text::has_control(facts.for_address))
        words.push_back("for <" + facts.for_address + ">");
    // RFC 8314 s4.3: "tls" and the suite's name from the IANA registry; such added clauses come last (RFC
    // 5321 s4.4).
    if (!facts.tls.empty()) words.push_back("tls " + safe_word(facts.tls, 64));
    words.back() += ';';
    words.push_back(format_date(facts.date));

    std::string field = "Received:";
    std::size_t column = field.size();
    for (const auto& word : words) {
        if (column + 1 + word.size() > kColumns) {
            field += "\r\n";
            column = 0;
        }
        field += column == 0 ? '\t' : ' ';
        field += word;
        column += 1 + word.size();
    }
    field += "\r\n";
    return field;
}

}  // namespace posthorn::mail
