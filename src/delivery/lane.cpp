// Telling lanes apart, and their text form: "[~]sender-domain[/author-domain] flow" with everything unusual percent-encoded.
#include "delivery/lane.hpp"

#include <array>
#include <cstdint>
#include <string_view>

#include "base/text.hpp"
#include "delivery/signing.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"
#include "queue/store.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::size_t kMaxDomain = 255;  // RFC 1035 s2.3.4
constexpr std::size_t kMaxFlow = 64;
constexpr char kAuthor = '/';            // is_plain() is false of it, so it stands nowhere else

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".-_=@+:[]#").find(c) != std::string_view::npos;
}

void append_encoded(std::string& text, std::string_view raw) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    for (const char c : raw) {
        if (is_plain(c)) {
            text += c;
        } else {
            const auto octet = static_cast<unsigned char>(c);
            text += {'%', kHex[octet >> 4], kHex[octet & 15]};
        }
    }
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string decoded(std::string_view text) {
    std::string raw;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escape = text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
        raw += escape ? static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])) : text[i];
        i += escape ? 2 : 0;
    }
    return raw;
}

// FNV-1a: the same in every build, as it is kept on disk. Two flows with one hash only share a lane.
std::string hash_of(std::string_view text) {
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    std::string hex = "#";
    for (int shift = 60; shift >= 0; shift -= 4) hex += "0123456789abcdef"[(hash >> shift) & 15];
    return hex;
}

std::string flow_of(const mail::Message& message) {
    if (!message.stream.empty()) return "stream=" + message.stream;
    const std::string_view source = message.source;
    // An address is no sender: clients behind one network come and go, and a lane for each would be a lane for each message.
    if (source.starts_with("user=") || source.starts_with("uid=")) return std::string(source);
    return source.starts_with("dsn") ? "dsn" : std::string();
}

// RFC 2919, RFC 2369, RFC 8058: what says of itself that it goes to many; and the old word for it.
bool says_bulk(const mail::Message& message) {
    const mail::HeaderBlock header(message.header);
    for (const char* name : {"List-Id", "List-Unsubscribe", "List-Post"})
        if (header.first(name)) return true;
    const auto precedence = header.first("Precedence");
    if (!precedence) return false;
    const std::string_view word = text::trim(precedence->value);
    return text::iequals(word, "bulk") || text::iequals(word, "list") || text::iequals(word, "junk");
}

}  // namespace

Lane lane_of(const mail::Message& message, std::size_t recipients_of_domain) {
    Lane lane;
    lane.sender_domain = message.reverse_path.empty() ? from_domain_of(message) : mail::destination_of(message.reverse_path);
    if (lane.sender_domain.size() > kMaxDomain) lane.sender_domain.clear();
    if (!message.reverse_path.empty()) lane.author_domain = from_domain_of(message);
    if (lane.author_domain == lane.sender_domain || lane.author_domain.size() > kMaxDomain) lane.author_domain.clear();
    lane.flow = flow_of(message);
    lane.bulk = !message.stream.empty() || recipients_of_domain > kLetterRecipients || says_bulk(message);
    return lane;
}

std::string to_text(const Lane& lane) {
    std::string text = lane.bulk ? std::string(1, queue::kBulkLane) : std::string();
    if (lane.sender_domain.size() <= kMaxDomain) append_encoded(text, lane.sender_domain);
    if (!lane.author_domain.empty() && lane.author_domain.size() <= kMaxDomain) {
        std::string author;
        append_encoded(author, lane.author_domain);
        if (author.size() <= kMaxDomain) text += kAuthor + author;
    }
    if (lane.flow.empty()) return text;
    text += ' ';
    if (lane.flow.size() > kMaxFlow) text += hash_of(lane.flow);
    else append_encoded(text, lane.flow);
    return text;
}

Lane lane_from(std::string_view text) {
    Lane lane;
    lane.bulk = queue::is_bulk(text);
    if (lane.bulk) text.remove_prefix(1);
    const std::size_t space = text.find(' ');
    std::string_view domains = text.substr(0, space);
    if (const std::size_t slash = domains.find(kAuthor); slash != std::string_view::npos) {
        lane.author_domain = decoded(domains.substr(slash + 1));
        domains = domains.substr(0, slash);
    }
    lane.sender_domain = decoded(domains);
    if (space != std::string_view::npos) lane.flow = decoded(text.substr(space + 1));
    return lane;
}

}  // namespace posthorn::delivery
