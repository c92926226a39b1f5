// RFC 6376 s3.4: canonical forms of body and header fields.
#include "auth/dkim/canonical.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "auth/crypto.hpp"
#include "base/text.hpp"

namespace posthorn::auth::dkim {
namespace {

using text::is_blank;

// An octet that the relaxed form may change, or that ends a line: a tab, a CR, a space before another blank
// or before a CR. A single space between words stays as it is, so that common text has one such octet a line.
constexpr bool is_special(char c, char next) {
    return c == '\t' || c == '\r' || (c == ' ' && (is_blank(next) || next == '\r'));
}

// The first special octet of [p, end), or the last octet if it is a space (what follows is not known yet), or
// end.
const char* find_special(const char* p, const char* end) {
#ifdef __SSE2__
    const __m128i space = _mm_set1_epi8(' '), tab = _mm_set1_epi8('\t'), cr = _mm_set1_epi8('\r');
    while (end - p > 16) {  // one octet more is read than tested
        const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i next = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 1));
        const __m128i here_ends = _mm_or_si128(_mm_cmpeq_epi8(here, tab), _mm_cmpeq_epi8(here, cr));
        const __m128i next_ends = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(next, tab), _mm_cmpeq_epi8(next, cr)), _mm_cmpeq_epi8(next, space));
        const __m128i special =
            _mm_or_si128(here_ends, _mm_and_si128(_mm_cmpeq_epi8(here, space), next_ends));
        const int mask = _mm_movemask_epi8(special);
        if (mask != 0) return p + __builtin_ctz(unsigned(mask));
        p += 16;
    }
#endif
    for (; end - p > 1; ++p) {
        if (is_special(p[0], p[1])) return p;
    }
    if (p != end && !is_blank(*p) && *p != '\r') ++p;
    return p;
}

}  // namespace

// What was held back is due now that an octet follows.
template <class Out>
void BodyCanonicalizer::begin_text(Out& out) {
    for (; empty_lines_ > 0; --empty_lines_) out += std::string_view("\r\n");
    if (blank_) out += ' ';
    blank_ = false;
    wrote_ = true;
}

template <class Out>
void BodyCanonicalizer::write(std::string_view octets, Out& out) {
    if (octets.empty()) return;
    if (cr_) {
        cr_ = false;
        if (octets.front() == '\n') {
            end_line();
            octets.remove_prefix(1);
        } else {
            begin_text(out);
            out += '\r';
        }
    }
    form_ == Canonical::relaxed ? write_relaxed(octets, out) : write_simple(octets, out);
}

void BodyCanonicalizer::end_line() {
    blank_ = false;
    ++empty_lines_;
}

// All stays as it is but the line ends at the end of the body: they are held back until text follows.
template <class Out>
void BodyCanonicalizer::write_simple(std::string_view octets, Out& out) {
    if (octets.ends_with('\r')) {
        cr_ = true;
        octets.remove_suffix(1);
    }
    std::uint64_t line_ends = 0;
    while (octets.ends_with("\r\n")) {
        octets.remove_suffix(2);
        ++line_ends;
    }
    if (!octets.empty()) {
        begin_text(out);
        out += octets;
    }
    empty_lines_ += line_ends;
}

template <class Out>
void BodyCanonicalizer::write_relaxed(std::string_view octets, Out& out) {
    const char* p = octets.data();
    const char* const end = p + octets.size();
    while (p != end) {
        if (is_blank(*p)) {
            blank_ = true;
            ++p;
            continue;
        }
        if (*p == '\r') {
            if (p + 1 == end) {
                cr_ = true;
                return;
            }
            if (p[1] == '\n') {
                end_line();
                p += 2;
                continue;
            }
            begin_text(out);
            out += *p++;
            continue;
        }
        // A run that is canonical already, over line ends as long as text follows them.
        const char* q = find_special(p, end);
        while (end - q > 2 && q[0] == '\r' && q[1] == '\n' && q[2] != '\r' && !is_blank(q[2]))
            q = find_special(q + 2, end);
        begin_text(out);
        out += std::string_view(p, std::size_t(q - p));
        p = q;
    }
}

template <class Out>
void BodyCanonicalizer::finish(Out& out) {
    if (cr_) {
        begin_text(out);
        out += '\r';
    }
    if (wrote_ || form_ == Canonical::simple) out += std::string_view("\r\n");
    *this = BodyCanonicalizer(form_);
}

template void BodyCanonicalizer::write(std::string_view octets, std::string& out);
template void BodyCanonicalizer::finish(std::string& out);

// Collects small pieces, which would cost more in calls than in the hash; what a million held back line ends
// become does not fit into memory at once, so it goes on when full.
struct BodyHasher::Digest {
    static constexpr std::size_t kFull = 16384;  // stays in the first level cache
    OpensslPtr<EVP_MD_CTX> context{EVP_MD_CTX_new()};
    std::array<char, kFull> buffer;
    std::size_t used = 0;

    Digest() { begin(); }
    void begin() { check(context != nullptr && EVP_DigestInit_ex2(context.get(), sha256(), nullptr) == 1); }
    void operator+=(char c) { *this += std::string_view(&c, 1); }
    void operator+=(std::string_view octets) {
        if (octets.size() > kFull - used) flush();
        if (octets.size() >= kFull) {
            check(EVP_DigestUpdate(context.get(), octets.data(), octets.size()) == 1);
            return;
        }
        std::copy(octets.begin(), octets.end(), buffer.begin() + std::ptrdiff_t(used));
        used += octets.size();
    }
    void flush() { check(EVP_DigestUpdate(context.get(), buffer.data(), std::exchange(used, 0)) == 1); }
    BodyHash end() {
        flush();
        BodyHash hash{};
        check(EVP_DigestFinal_ex(context.get(), hash.data(), nullptr) == 1);
        begin();
        return hash;
    }
    static void check(bool ok) {
        if (!ok) throw std::runtime_error("SHA-256 failed: " + openssl_error());
    }
};

BodyHasher::BodyHasher(Canonical form) : canonicalizer_(form), digest_(std::make_unique<Digest>()) {}
BodyHasher::~BodyHasher() = default;
BodyHasher::BodyHasher(BodyHasher&&) noexcept = default;
BodyHasher& BodyHasher::operator=(BodyHasher&&) noexcept = default;

void BodyHasher::write(std::string_view octets) {
    canonicalizer_.write(octets, *digest_);
}

BodyHash BodyHasher::finish() {
    canonicalizer_.finish(*digest_);
    return digest_->end();
}

BodyHash hash_body(std::string_view body, Canonical form) {
    BodyHasher hasher(form);
    hasher.write(body);
    return hasher.finish();
}

std::string canonical_body(std::string_view body, Canonical form) {
    std::string out;
    BodyCanonicalizer canonicalizer(form);
    canonicalizer.write(body, out);
    canonicalizer.finish(out);
    return out;
}

void append_canonical_field(std::string& out, std::string_view field, Canonical form) {
    if (form == Canonical::simple) {
        out += field;
        return;
    }
    const auto colon = std::min(field.find(':'), field.size());
    auto name = field.substr(0, colon);
    while (!name.empty() && is_blank(name.back())) name.remove_suffix(1);
    for (const char c : name) out += text::to_lower(c);
    out += ':';
    bool blank = false, begun = false;
    for (std::size_t i = colon + 1; i < field.size(); ++i) {
        const char c = field[i];
        if (c == '\r' && i + 1 < field.size() && field[i + 1] == '\n') {
            ++i;  // unfolded: the blank that begins the next line remains
        } else if (is_blank(c)) {
            blank = true;
        } else {
            if (blank && begun) out += ' ';
            blank = false;
            begun = true;
            out += c;
        }
    }
    out += "\r\n";
}

}  // namespace posthorn::auth::dkim
