// The trials: a bounded number, each one hash or one verification.
#include "auth/dkim/signature_reasons.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "auth/crypto.hpp"
#include "auth/dkim/canonical.hpp"
#include "base/text.hpp"

namespace posthorn::auth::dkim {
namespace {

constexpr std::size_t kMostLines = 20'000;   // of a body that are tried as its signed end
constexpr std::size_t kMostTrials = 200;     // of headers

bool is_hash_of(const BodyHash& hash, const SignatureField& signature) {
    return std::equal(hash.begin(), hash.end(), signature.body_hash.begin(), signature.body_hash.end(),
                      [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); });
}

std::string without_carriage_returns(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (text[i] != '\r' || i + 1 == text.size() || text[i + 1] != '\n') out += text[i];
    return out;
}

std::string without_stuffed_dots(std::string_view body) {
    std::string out;
    for (std::size_t i = 0; i < body.size(); ++i) {
        const bool line_begins = i == 0 || body[i - 1] == '\n';
        if (!(line_begins && body[i] == '.' && i + 1 < body.size() && body[i + 1] == '.')) out += body[i];
    }
    return out;
}

// The end of a part of the canonical body, at a line's end, that gives the hash: behind it something was appended.
std::optional<std::size_t> signed_end(std::string_view canonical, const SignatureField& signature) {
    OpensslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new()), ended(EVP_MD_CTX_new());
    if (context == nullptr || ended == nullptr || EVP_DigestInit_ex2(context.get(), sha256(), nullptr) != 1) return std::nullopt;
    std::size_t at = 0, blank_from = 0;
    for (std::size_t line = 0; line < kMostLines && at < canonical.size(); ++line) {
        const std::size_t end = canonical.find("\r\n", at);
        if (end == std::string_view::npos) break;
        const bool blank = end == at;
        if (!blank) {
            // Empty lines at the end of a body are not part of its canonical form.
            EVP_DigestUpdate(context.get(), canonical.data() + blank_from, end + 2 - blank_from);
            blank_from = end + 2;
            BodyHash hash{};
            if (EVP_MD_CTX_copy_ex(ended.get(), context.get()) != 1 || EVP_DigestFinal_ex(ended.get(), hash.data(), nullptr) != 1)
                return std::nullopt;
            if (is_hash_of(hash, signature)) return end + 2;
        }
        at = end + 2;
    }
    return std::nullopt;
}

std::string_view name_of(Canonical form) { return form == Canonical::relaxed ? "relaxed" : "simple"; }

Canonical other(Canonical form) { return form == Canonical::relaxed ? Canonical::simple : Canonical::relaxed; }

// A header that was changed in one way, tried.
class HeaderTrials {
public:
    HeaderTrials(const std::vector<SignedInstance>& instances, const SignatureField& signature, const PublicKey& key)
        : instances_(instances), signature_(signature), key_(key) {}

    bool holds(const std::vector<SignedInstance>& instances) const {
        if (++trials_ > kMostTrials) return false;
        return key_.verifies(signed_header(instances, signature_), signature_.signature);
    }
    bool holds_with(std::size_t index, std::string_view field) const {
        std::vector<SignedInstance> changed = instances_;
        changed[index].field = field;
        return holds(changed);
    }

    std::string reason() const {
        for (std::size_t i = 0; i < instances_.size(); ++i)
            if (std::string found = about(i); !found.empty()) return found;
        if (std::string found = order(); !found.empty()) return found;
        SignatureField changed = signature_;
        changed.header = other(signature_.header);
        if (key_.verifies(signed_header(instances_, changed), signature_.signature))
            return fmt::format("it holds in the {} form of the header, but c= says {}: the field DKIM-Signature itself was changed",
                               name_of(changed.header), name_of(signature_.header));
        return {};
    }

private:
    std::string about(std::size_t i) const {
        const SignedInstance& one = instances_[i];
        if (one.field.empty()) return {};
        if (holds_with(i, {}))
            return fmt::format("the field {} was added after it was signed: without it the signature holds", shown(one));
        // Mailing lists put "[name] " before the subject.
        const std::size_t colon = std::min(one.field.find(':'), one.field.size() - 1);
        const std::size_t open = one.field.find('[', colon), close = one.field.find(']', colon);
        if (open != std::string_view::npos && close != std::string_view::npos && open < close) {
            for (const std::string_view gap : {"", " "}) {
                std::string cut(one.field.substr(0, open));
                std::string_view rest = one.field.substr(close + 1);
                while (gap.empty() && !rest.empty() && text::is_blank(rest.front())) rest.remove_prefix(1);
                cut += rest;
                if (holds_with(i, cut))
                    return fmt::format("\"{}\" was put into the field {} after it was signed, as mailing lists do: without it the signature holds",
                                       text::safe_for_log(one.field.substr(open, close + 1 - open), 60), shown(one));
            }
        }
        if (signature_.header == Canonical::simple) {
            // Simple form: a relay that folds anew, or another number of blanks behind the colon.
            const std::string value(text::trim(one.field.substr(colon + 1)));
            const std::string name(one.field.substr(0, colon));
            for (const std::string& tried : {name + ": " + value + "\r\n", name + ":" + value + "\r\n", name + ":  " + value + "\r\n",
                                             text::to_lower(name) + ": " + value + "\r\n", unfolded(one.field)})
                if (tried != one.field && holds_with(i, tried))
                    return fmt::format("blanks, folding or case of the field {} were changed after it was signed; c=relaxed would allow that",
                                       shown(one));
        }
        return {};
    }

    // Two fields of one name that changed places.
    std::string order() const {
        for (std::size_t i = 0; i + 1 < instances_.size(); ++i) {
            for (std::size_t k = i + 1; k < instances_.size(); ++k) {
                if (instances_[i].name != instances_[k].name || instances_[i].field.empty() || instances_[k].field.empty()) continue;
                std::vector<SignedInstance> changed = instances_;
                std::swap(changed[i].field, changed[k].field);
                if (holds(changed)) return fmt::format("two fields {} changed places after they were signed", shown(instances_[i]));
            }
        }
        return {};
    }

    static std::string unfolded(std::string_view field) {
        std::string out;
        for (std::size_t i = 0; i < field.size(); ++i) {
            if (field[i] == '\r' && i + 2 < field.size() && field[i + 1] == '\n') {
                ++i;
                continue;
            }
            out += field[i];
        }
        return out;
    }

    static std::string shown(const SignedInstance& one) {
        return text::safe_for_log(text::trim(one.field.substr(0, std::min(one.field.find(':'), one.field.size()))), 60);
    }

    const std::vector<SignedInstance>& instances_;
    const SignatureField& signature_;
    const PublicKey& key_;
    mutable std::size_t trials_ = 0;
};

}  // namespace

std::string signed_header(const std::vector<SignedInstance>& instances, const SignatureField& signature) {
    std::string out;
    for (const SignedInstance& one : instances)
        if (!one.field.empty()) append_canonical_field(out, one.field, signature.header);
    append_canonical_field(out, signature.without_signature, signature.header);
    if (signature.header == Canonical::relaxed) out.resize(out.size() - 2);  // s3.7: without the trailing CRLF, which that form always writes
    return out;
}

std::string why_body_differs(std::string_view body, const SignatureField& signature) {
    const std::string canonical = canonical_body(body, signature.body);
    if (signature.body_octets && *signature.body_octets > canonical.size())
        return fmt::format("the body is cut short: l= says that {} octets are signed, and it has {}", *signature.body_octets, canonical.size());
    if (is_hash_of(hash_body({}, signature.body), signature)) return "the body was added after it was signed: an empty one was signed";
    if (body.empty()) return "the body is missing: another one was signed";
    if (const auto end = signed_end(canonical, signature); end && !signature.body_octets)
        return fmt::format("something was appended to the body after it was signed: its first {} of {} octets ({} form) are as they were",
                           *end, canonical.size(), name_of(signature.body));
    if (is_hash_of(hash_body(body, other(signature.body)), signature))
        return fmt::format("the body holds in its {} form, but c= says {}: the field DKIM-Signature itself was changed",
                           name_of(other(signature.body)), name_of(signature.body));
    if (is_hash_of(sha256_of(without_carriage_returns(body)), signature) ||
        is_hash_of(sha256_of(without_carriage_returns(canonical)), signature))
        return "the body was signed with line ends LF: its signer must hash the CRLF that leave (RFC 6376 s3.4)";
    if (is_hash_of(hash_body(without_stuffed_dots(body), signature.body), signature))
        return "lines that begin with a dot have one too many: the dots of SMTP (RFC 5321 s4.5.2) were not taken away";
    return "the body was changed after it was signed: its hash is not the one in bh=";
}

std::string why_header_differs(const std::vector<SignedInstance>& instances, const SignatureField& signature, const PublicKey& key) {
    if (!key.made(signature.signature))
        return "b= was not made with the key that DNS has: the signer uses another key, or b= was damaged on the way";
    if (std::string reason = HeaderTrials(instances, signature, key).reason(); !reason.empty()) return reason;
    std::string missing;
    for (const SignedInstance& one : instances) {
        // Names listed once more than there are fields are there so that nobody can add one: only a name without any field may be a loss.
        const bool any = std::any_of(instances.begin(), instances.end(),
                                     [&one](const SignedInstance& with) { return with.name == one.name && !with.field.empty(); });
        if (!any && missing.find(one.name) == std::string::npos) missing += (missing.empty() ? "" : ", ") + text::safe_for_log(one.name, 60);
    }
    std::string words = "a signed field of the header was changed or removed after it was signed";
    if (signature.key_type == Algorithm::ed25519) words += ", or the signer uses another key than DNS has";
    if (!missing.empty()) words += "; the message has none of " + missing;
    return words;
}

}  // namespace posthorn::auth::dkim
