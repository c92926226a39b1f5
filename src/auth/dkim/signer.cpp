// Writes the DKIM-Signature field (RFC 6376 s3.5) and computes what it signs (s3.7).
#include "auth/dkim/signer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::auth::dkim {
namespace {

constexpr std::size_t kColumns = 78;  // RFC 5322 s2.1.1

// In the order of h=. Once more: named once more than it occurs, so that an added one breaks the signature
// (s8.15).
struct SignedName {
    std::string_view name;
    bool once_more;
};

// What RFC 6376 s5.4.1 names, RFC 8058 s4 (List-Unsubscribe-Post), RFC 9477 (CFBL-*), RFC 8460
// (TLS-Report-*), RFC 8689 (TLS-Required). Left out: trace fields and what relays change (Return-Path,
// Received, Bcc, X-...).
constexpr auto kSignedNames = std::to_array<SignedName>({
    {"from", true},
    {"subject", true},
    {"to", true},
    {"cc", true},
    {"date", true},
    {"reply-to", true},
    {"message-id", true},
    {"sender", true},
    {"in-reply-to", true},
    {"references", true},
    {"mime-version", true},
    {"content-type", true},
    {"content-transfer-encoding", true},
    {"list-unsubscribe", true},
    {"list-unsubscribe-post", true},
    {"list-id", false},
    {"list-help", false},
    {"list-subscribe", false},
    {"list-post", false},
    {"list-owner", false},
    {"list-archive", false},
    {"feedback-id", false},
    {"cfbl-address", false},
    {"cfbl-feedback-id", false},
    {"auto-submitted", false},
    {"resent-date", false},
    {"resent-from", false},
    {"resent-sender", false},
    {"resent-to", false},
    {"resent-cc", false},
    {"resent-message-id", false},
    {"tls-required", false},
    {"tls-report-domain", false},
    {"tls-report-submitter", false},
});

// The instances of each signed name, from the top. Views into the header; mail::HeaderBlock would copy it.
using Instances = std::array<std::vector<std::string_view>, kSignedNames.size()>;

void collect_field(std::string_view field, Instances& instances) {
    auto name = text::trim_right(field.substr(0, std::min(field.find(':'), field.size())));
    for (std::size_t i = 0; i < kSignedNames.size(); ++i) {
        if (!text::iequals(name, kSignedNames[i].name)) continue;
        instances[i].push_back(field);
        return;
    }
}

void collect(std::string_view block, Instances& instances) {
    std::size_t begin = 0;
    for (std::size_t line_end = 0; begin < block.size();) {
        line_end = block.find("\r\n", line_end);
        line_end = line_end == std::string_view::npos ? block.size() : line_end + 2;
        if (line_end < block.size() && text::is_blank(block[line_end]))
            continue;  // folded: the field goes on
        collect_field(block.substr(begin, line_end - begin), instances);
        begin = line_end;
    }
}

// Builds the field; breaks lines only between the pieces it is given.
class FoldedField {
public:
    explicit FoldedField(std::string_view begin) : text_(begin), column_(begin.size()) {}

    // One piece that stays whole, with a blank before it; on a new line where it would not fit.
    void word(std::string_view piece) {
        if (column_ + 1 + piece.size() > kColumns) {
            fold();
            text_ += piece;
        } else {
            text_ += ' ';
            text_ += piece;
            ++column_;
        }
        column_ += piece.size();
    }
    // The same without the blank: what follows inside a list.
    void next(std::string_view piece) {
        if (column_ + piece.size() > kColumns) fold();
        text_ += piece;
        column_ += piece.size();
    }
    // Octets that may be cut anywhere.
    void octets(std::string_view piece) {
        while (!piece.empty()) {
            if (column_ >= kColumns) fold();
            const auto part = piece.substr(0, kColumns - column_);
            text_ += part;
            column_ += part.size();
            piece.remove_prefix(part.size());
        }
    }
    const std::string& text() const { return text_; }
    std::string&& take() { return std::move(text_); }

private:
    void fold() {
        text_ += "\r\n ";
        column_ = 1;
    }
    std::string text_;
    std::size_t column_;
};

std::string_view word(Canonical form) {
    return form == Canonical::relaxed ? "relaxed" : "simple";
}

}  // namespace

Result<std::string> sign(HeaderParts header, const BodyHash& body_hash, const SigningIdentity& identity,
                         TimePoint now) {
    Instances instances;
    std::size_t header_size = 0;
    for (const auto part : header) {
        collect(part, instances);
        header_size += part.size();
    }
    if (instances[0].empty())
        return Error{"the message has no From field and cannot be signed (RFC 6376 s5.4)"};

    FoldedField field("DKIM-Signature:");
    field.word("v=1;");
    field.word(identity.key->algorithm() == Algorithm::rsa ? "a=rsa-sha256;" : "a=ed25519-sha256;");
    field.word(fmt::format("c={}/{};", word(identity.header), word(identity.body)));
    field.word(fmt::format("d={};", identity.domain));
    field.word(fmt::format("s={};", identity.selector));
    const auto seconds = [](auto time) {
        return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
    };
    field.word(fmt::format("t={};", seconds(now)));
    if (identity.expire_after > Duration::zero())
        field.word(fmt::format("x={};", seconds(now + identity.expire_after)));

    // h= and the signed fields in the same order; the last instance of a name first (s5.4.2).
    std::string to_sign;
    to_sign.reserve(header_size + 1536);
    bool first = true;
    std::string piece;
    const auto name_in_h = [&](std::string_view name) {
        piece.assign(first ? "h=" : ":").append(name);
        first ? field.word(piece) : field.next(piece);
        first = false;
    };
    for (std::size_t i = 0; i < kSignedNames.size(); ++i) {
        for (auto instance = instances[i].rbegin(); instance != instances[i].rend(); ++instance) {
            name_in_h(kSignedNames[i].name);
            append_canonical_field(to_sign, *instance, identity.header);
        }
        if (kSignedNames[i].once_more) name_in_h(kSignedNames[i].name);
    }
    field.next(";");
    field.word(fmt::format("bh={};", base64_encode(body_hash)));
    // b= stands last and its octets follow at once, so that deleting its value (s3.7) leaves exactly what is
    // hashed here.
    field.word("b=");
    append_canonical_field(to_sign, field.text(), identity.header);
    if (to_sign.ends_with("\r\n")) to_sign.resize(to_sign.size() - 2);

    const auto signature = identity.key->sign(to_sign);
    if (!signature)
        return Error{fmt::format("domain {}, selector {}: {}", identity.domain, identity.selector,
                                 signature.error().what)};
    field.octets(base64_encode(*signature));
    auto text = field.take();
    text += "\r\n";
    return text;
}

Result<std::string> sign_all(HeaderParts header, const BodyHashes& hashes,
                             std::span<const SigningIdentity> identities, TimePoint now) {
    std::string rsa, others;
    for (const auto& identity : identities) {
        auto field =
            sign(header, identity.body == Canonical::relaxed ? hashes.relaxed : hashes.simple, identity, now);
        if (!field) return field.error();
        (identity.key->algorithm() == Algorithm::rsa ? rsa : others) += *field;
    }
    return rsa + others;
}

}  // namespace posthorn::auth::dkim
