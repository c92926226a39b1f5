// Finds local parts by walking back from each "@"; and SipHash, as its paper has it.
#include "base/address_mask.hpp"

#include <bit>

#include "base/text.hpp"

namespace posthorn {
namespace {

// RFC 5321 s4.1.2: atext and dots; RFC 6531 s3.3: any octet of UTF-8.
bool in_local_part(char c) {
    return text::is_alnum(c) || text::is_8bit(c) ||
           std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != std::string_view::npos;
}

bool in_domain(char c) {
    return text::is_alnum(c) || text::is_8bit(c) || c == '[' || c == '-' || c == '.';
}

// Where the local part begins that ends before `at`; `at` itself where there is none.
std::size_t local_begin(std::string_view text, std::size_t at, std::size_t floor) {
    std::size_t begin = at;
    if (begin > floor && text[begin - 1] == '"') {
        for (std::size_t i = begin - 1; i > floor; --i) {
            if (text[i - 1] == '"' && (i < 2 || text[i - 2] != '\\')) return i - 1;
        }
    }
    while (begin > floor && in_local_part(text[begin - 1])) --begin;
    return begin;
}

void append_masked(std::string& out, std::string_view local) {
    std::size_t first = 1;
    while (first < local.size() && (static_cast<unsigned char>(local[first]) & 0xc0U) == 0x80U)
        ++first;  // the rest of one character
    if (local.size() > first && local.front() != '"') out += local.substr(0, first);
    out += "***";
}

void append_hash(std::string& out, std::string_view local, std::string_view domain, const MaskKey& key) {
    std::string whole = text::to_lower(local) + '@' + text::to_lower(domain);
    const std::uint64_t hash = sip_hash(whole, key);
    constexpr char kDigits[] = "0123456789abcdef";
    out += '#';
    for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[(hash >> static_cast<unsigned>(shift)) & 15U];
}

}  // namespace

std::string mask_addresses(std::string_view text, AddressForm form, const MaskKey& key) {
    if (form == AddressForm::full) return std::string(text);
    std::string out;
    std::size_t written = 0;
    for (std::size_t at = text.find('@'); at != std::string_view::npos; at = text.find('@', at + 1)) {
        std::size_t end = at + 1;
        while (end < text.size() && in_domain(text[end])) ++end;
        const std::size_t begin = local_begin(text, at, written);
        if (begin == at || end == at + 1) continue;
        out += text.substr(written, begin - written);
        if (form == AddressForm::masked)
            append_masked(out, text.substr(begin, at - begin));
        else
            append_hash(out, text.substr(begin, at - begin), text.substr(at + 1, end - at - 1), key);
        written = at;
    }
    out += text.substr(written);
    return out;
}

std::uint64_t sip_hash(std::string_view octets, const MaskKey& key) {
    std::uint64_t v0 = key[0] ^ 0x736f6d6570736575U;
    std::uint64_t v1 = key[1] ^ 0x646f72616e646f6dU;
    std::uint64_t v2 = key[0] ^ 0x6c7967656e657261U;
    std::uint64_t v3 = key[1] ^ 0x7465646279746573U;
    const auto round = [&] {
        v0 += v1, v1 = std::rotl(v1, 13), v1 ^= v0, v0 = std::rotl(v0, 32);
        v2 += v3, v3 = std::rotl(v3, 16), v3 ^= v2;
        v0 += v3, v3 = std::rotl(v3, 21), v3 ^= v0;
        v2 += v1, v1 = std::rotl(v1, 17), v1 ^= v2, v2 = std::rotl(v2, 32);
    };
    const auto take = [&](std::uint64_t word) {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    };
    const auto word_of = [](std::string_view eight) {
        std::uint64_t word = 0;
        for (std::size_t i = eight.size(); i > 0; --i)
            word = word << 8U | static_cast<unsigned char>(eight[i - 1]);
        return word;
    };
    const std::uint64_t length = octets.size();
    for (; octets.size() >= 8; octets.remove_prefix(8)) take(word_of(octets.substr(0, 8)));
    take(word_of(octets) | length << 56U);
    v2 ^= 0xff;
    for (int i = 0; i < 4; ++i) round();
    return v0 ^ v1 ^ v2 ^ v3;
}

MaskKey mask_key_of(std::string_view text) {
    return {sip_hash(text, {1, 2}), sip_hash(text, {3, 4})};
}

}  // namespace posthorn
