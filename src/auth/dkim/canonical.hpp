// Canonical forms of RFC 6376 s3.4: the body while it streams by, hashed with SHA-256, and single header
// fields.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "auth/options.hpp"

namespace posthorn::auth::dkim {

using BodyHash = std::array<std::uint8_t, 32>;

// Brings a body to its canonical form. Line ends must be CRLF already; a CR or LF alone is an octet like any
// other. Any slicing of the body into write() calls appends the same octets in all. Not thread-safe; constant
// memory.
class BodyCanonicalizer {
public:
    explicit BodyCanonicalizer(Canonical form) : form_(form) {}

    // Out is std::string, or anything else with += of string_view and char; canonical.cpp instantiates it for
    // those that are used.
    template <class Out>
    void write(std::string_view octets, Out& out);
    // Ends the body: a last line without CRLF gets one, empty lines at the end go; an empty body is CRLF in
    // the simple form (s3.4.3) and nothing in the relaxed form (s3.4.4). Afterwards the object is as new.
    template <class Out>
    void finish(Out& out);

private:
    template <class Out>
    void write_simple(std::string_view octets, Out& out);
    template <class Out>
    void write_relaxed(std::string_view octets, Out& out);
    template <class Out>
    void begin_text(Out& out);
    void end_line();

    Canonical form_;
    std::uint64_t empty_lines_ = 0;  // CRLFs seen and not yet written: written when text follows
    bool cr_ = false;                // the last octet was a CR whose meaning the next one decides
    bool blank_ = false;             // relaxed: a run of blanks not yet written
    bool wrote_ = false;             // the canonical body is not empty
};

// BodyCanonicalizer and SHA-256: the bh= value.
class BodyHasher {
public:
    explicit BodyHasher(Canonical form);
    ~BodyHasher();
    BodyHasher(BodyHasher&&) noexcept;
    BodyHasher& operator=(BodyHasher&&) noexcept;

    void write(std::string_view octets);
    [[nodiscard]] BodyHash finish();  // and begins anew

private:
    struct Digest;
    BodyCanonicalizer canonicalizer_;
    std::unique_ptr<Digest> digest_;
};

[[nodiscard]] BodyHash hash_body(std::string_view body, Canonical form);
// For tests and for showing what was signed.
[[nodiscard]] std::string canonical_body(std::string_view body, Canonical form);

// Appends one field in canonical form. `field` is the field as it stands in the message, with its CRLF; the
// result ends with CRLF too (s3.4.1 leaves it as it is, s3.4.2 unfolds, lowers the name, reduces blanks).
void append_canonical_field(std::string& out, std::string_view field, Canonical form);

}  // namespace posthorn::auth::dkim
