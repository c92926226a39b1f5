// The tags of a signature, one check after the other.
#include "auth/dkim/signature_field.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "auth/dkim/tag_list.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"
#include "mail/domain.hpp"

namespace posthorn::auth::dkim {
namespace {

constexpr std::size_t kMostNames = 1000;  // in h=; a header that has more is an attack on verifiers
constexpr std::uint64_t kLastSecond = 999'999'999'999;  // s3.5: t= and x= have up to 12 digits

std::string_view word(Canonical form) { return form == Canonical::relaxed ? "relaxed" : "simple"; }

std::string quoted(std::string_view value) { return "\"" + text::safe_for_log(value, 60) + "\""; }

// U-labels are allowed in an internationalised message (RFC 8616 s4).
std::string name_of(std::string_view domain) {
    if (text::is_ascii(domain)) return text::to_lower(domain);
    const auto ascii = mail::to_ascii(domain);
    return ascii ? *ascii : std::string();
}

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= 253 && name.front() != '.' && name.back() != '.' && name.find("..") == std::string_view::npos &&
           std::all_of(name.begin(), name.end(), [](char c) { return text::is_alnum(c) || c == '-' || c == '.' || c == '_'; });
}

std::optional<Canonical> form_of(std::string_view name) {
    if (name == "simple") return Canonical::simple;
    if (name == "relaxed") return Canonical::relaxed;
    return std::nullopt;
}

// Reads one tag after the other; the first mistake ends it.
class Reading {
public:
    Reading(const TagList& tags, SignatureField& field) : tags_(tags), field_(field) {}

    // Names first: they say whose signature it is that has the mistake.
    std::string mistake() {
        for (const auto step : {&Reading::names, &Reading::identity, &Reading::version, &Reading::algorithm, &Reading::forms,
                                &Reading::header_names, &Reading::octets, &Reading::query, &Reading::numbers})
            if (std::string wrong = (this->*step)(); !wrong.empty()) return wrong;
        return {};
    }

private:
    std::string_view value(std::string_view name) const {
        const Tag* tag = tags_.find(name);
        return tag == nullptr ? std::string_view() : tag->value;
    }

    std::string names() {
        field_.domain = name_of(value("d"));
        field_.selector = name_of(value("s"));
        field_.algorithm = std::string(value("a"));
        for (const std::string_view name : {"v", "a", "b", "bh", "d", "h", "s"})
            if (tags_.find(name) == nullptr) return fmt::format("there is no {}= tag, which every signature must have (RFC 6376 s3.5)", name);
        if (!is_name(field_.domain)) return "d=" + quoted(value("d")) + " is no domain";
        if (!is_name(field_.selector)) return "s=" + quoted(value("s")) + " is no selector";
        return {};
    }

    std::string identity() {
        field_.identity = "@" + field_.domain;
        field_.identity_domain = field_.domain;
        if (tags_.find("i") == nullptr) return {};
        field_.identity = std::string(value("i"));
        const std::size_t at = field_.identity.rfind('@');
        if (at == std::string::npos) return "i=" + quoted(field_.identity) + " has no @";
        field_.identity_domain = name_of(std::string_view(field_.identity).substr(at + 1));
        const bool below = field_.identity_domain.size() > field_.domain.size() && field_.identity_domain.ends_with("." + field_.domain);
        if (field_.identity_domain == field_.domain || below) return {};
        return fmt::format("i={} does not lie in d={} (RFC 6376 s6.1.1)", text::safe_for_log(field_.identity, 100), field_.domain);
    }

    std::string version() {
        return value("v") == "1" ? std::string() : "v=" + quoted(value("v")) + " is a version that nobody knows; it must be 1";
    }

    std::string algorithm() {
        if (field_.algorithm == "rsa-sha256") return {};
        if (field_.algorithm == "ed25519-sha256") {
            field_.key_type = Algorithm::ed25519;
            return {};
        }
        if (field_.algorithm == "rsa-sha1")
            return "a=rsa-sha1 is insecure: receivers must not accept it any more (RFC 8301 s3.1); sign with rsa-sha256";
        return "a=" + quoted(field_.algorithm) + " is an algorithm that verifiers do not know; rsa-sha256 and ed25519-sha256 are";
    }

    std::string forms() {
        const Tag* tag = tags_.find("c");
        if (tag == nullptr) return {};
        std::string_view rest = tag->value;
        const auto header = form_of(text::take_field(rest, '/'));
        const auto body = rest.empty() ? Canonical::simple : form_of(rest);
        if (!header || !body || tag->value.ends_with('/')) return "c=" + quoted(tag->value) + " is no canonicalisation such as relaxed/simple";
        field_.header = *header;
        field_.body = *body;
        return {};
    }

    std::string header_names() {
        for (const std::string_view piece : text::split(value("h"), ':')) field_.names.push_back(text::to_lower(text::trim(piece)));
        if (field_.names.size() > kMostNames) return "h= names more than a thousand fields";
        if (std::find(field_.names.begin(), field_.names.end(), std::string()) != field_.names.end()) return "h= has an empty name in it";
        if (std::find(field_.names.begin(), field_.names.end(), "from") == field_.names.end())
            return "h= does not name From, which every signature must sign (RFC 6376 s5.4)";
        return {};
    }

    std::string octets() {
        const auto signature = base64_decode_folded(value("b")), hash = base64_decode_folded(value("bh"));
        if (!signature || signature->empty()) return "b= is not base64: the signature itself was damaged on the way";
        if (!hash || hash->size() != 32) return "bh= is not the base64 of a SHA-256 hash: the field was damaged on the way";
        field_.signature = *signature;
        field_.body_hash = *hash;
        return {};
    }

    std::string query() {
        const Tag* tag = tags_.find("q");
        if (tag == nullptr) return {};
        for (const std::string_view piece : text::split(tag->value, ':'))
            if (text::trim(piece) == "dns/txt") return {};
        return "q=" + quoted(tag->value) + " does not allow to look for the key in DNS (dns/txt)";
    }

    std::string numbers() {
        struct Number {
            std::string_view name;
            std::optional<std::uint64_t>& into;
            std::uint64_t limit;
        };
        for (const Number& number : {Number{"l", field_.body_octets, UINT64_MAX}, Number{"t", field_.signed_at, kLastSecond},
                                     Number{"x", field_.expires_at, kLastSecond}}) {
            if (tags_.find(number.name) == nullptr) continue;
            number.into = text::parse_unsigned(value(number.name), number.limit);
            if (!number.into) return fmt::format("{}={} is no such number", number.name, quoted(value(number.name)));
        }
        if (field_.signed_at && field_.expires_at && *field_.expires_at <= *field_.signed_at)
            return "x= is not later than t=, so the signature never was valid (RFC 6376 s3.5)";
        return {};
    }

    const TagList& tags_;
    SignatureField& field_;
};

}  // namespace

std::string SignatureField::canonicalisation() const { return fmt::format("{}/{}", word(header), word(body)); }

SignatureFieldRead read_signature_field(std::string_view raw) {
    SignatureFieldRead read;
    if (raw.ends_with("\r\n")) raw.remove_suffix(2);
    const std::size_t begin = std::min(raw.find(':'), raw.size() - 1) + 1;
    const Result<TagList> tags = parse_tags(raw.substr(begin));
    if (!tags) {
        read.mistake = tags.error().what;
        return read;
    }
    read.mistake = Reading(*tags, read.field).mistake();
    if (const Tag* signature = tags->find("b"); signature != nullptr) {
        read.field.without_signature = std::string(raw.substr(0, begin + signature->begin));
        read.field.without_signature += raw.substr(begin + signature->end);
    }
    return read;
}

}  // namespace posthorn::auth::dkim
