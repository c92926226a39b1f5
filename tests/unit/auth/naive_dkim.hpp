// A second, slow and plain reading of RFC 6376 to check the fast one against: canonical forms and a verifier.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/options.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::auth::testing {

inline std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const auto end = text.find("\r\n");
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
    }
    return lines;
}

inline std::string reduce_blanks(const std::string& line) {
    std::string out;
    for (const char c : line) {
        if (c != ' ' && c != '\t')
            out += c;
        else if (!out.ends_with(' '))
            out += ' ';
    }
    return out;
}

inline std::string naive_body(std::string_view body, Canonical form) {
    auto lines = lines_of(body);
    if (form == Canonical::relaxed) {
        for (auto& line : lines) {
            line = reduce_blanks(line);
            if (line.ends_with(' ')) line.pop_back();
        }
    }
    while (!lines.empty() && lines.back().empty()) lines.pop_back();
    if (lines.empty() && form == Canonical::simple) return "\r\n";
    std::string out;
    for (const auto& line : lines) out += line + "\r\n";
    return out;
}

inline std::vector<std::string> fields_of(std::string_view header) {
    std::vector<std::string> fields;
    for (const auto& line : lines_of(header)) {
        if (!line.empty() && (line[0] == ' ' || line[0] == '\t'))
            fields.back() += line + "\r\n";
        else
            fields.push_back(line + "\r\n");
    }
    return fields;
}

inline std::string name_of(const std::string& field) {
    return text::to_lower(text::trim(std::string_view(field).substr(0, field.find(':'))));
}

inline std::string naive_field(const std::string& field, Canonical form) {
    if (form == Canonical::simple) return field;
    std::string value = field.substr(field.find(':') + 1);
    for (auto at = value.find("\r\n"); at != std::string::npos; at = value.find("\r\n", at))
        value.erase(at, 2);
    value = reduce_blanks(value);
    return name_of(field) + ":" + std::string(text::trim(value)) + "\r\n";
}

inline std::map<std::string, std::string> tags_of(const std::string& field) {
    std::map<std::string, std::string> tags;
    std::string value = field.substr(field.find(':') + 1);
    for (const auto tag : text::split(value, ';')) {
        const auto equals = tag.find('=');
        if (equals == std::string_view::npos) continue;
        std::string without_blanks;
        for (const char c : tag.substr(equals + 1)) {
            if (!text::is_space(c)) without_blanks += c;
        }
        tags[std::string(text::trim(tag.substr(0, equals)))] = without_blanks;
    }
    return tags;
}

inline std::string sha256(std::string_view data) {
    unsigned char out[32];
    EVP_Digest(data.data(), data.size(), out, nullptr, EVP_sha256(), nullptr);
    return {reinterpret_cast<char*>(out), sizeof out};
}

inline bool verify_octets(const std::string& public_base64, bool rsa, std::string_view data,
                          const std::string& signature) {
    const auto der = *base64_decode(public_base64);
    const auto* p = reinterpret_cast<const unsigned char*>(der.data());
    EVP_PKEY* key = rsa ? d2i_PUBKEY(nullptr, &p, long(der.size()))
                        : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, p, der.size());
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    const std::string digest = sha256(data);
    const std::string_view input = rsa ? data : std::string_view(digest);
    const bool ok =
        key != nullptr &&
        EVP_DigestVerifyInit(context, nullptr, rsa ? EVP_sha256() : nullptr, nullptr, key) == 1 &&
        EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                         reinterpret_cast<const unsigned char*>(input.data()), input.size()) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return ok;
}

// What the signature in `signature_field` covers of `header` (RFC 6376 s3.7): the input of its header hash.
inline std::string signed_data(const std::string& signature_field, std::string_view header) {
    auto tags = tags_of(signature_field);
    const auto form = tags["c"].starts_with("relaxed") ? Canonical::relaxed : Canonical::simple;
    auto fields = fields_of(header);
    std::string data;
    for (const auto name : text::split(tags["h"], ':')) {
        for (auto field = fields.rbegin(); field != fields.rend(); ++field) {
            if (name_of(*field) != text::to_lower(name)) continue;
            data += naive_field(*field, form);
            fields.erase(std::next(field).base());  // each instance once, the last first (s5.4.2)
            break;
        }
    }
    // Only b= loses its value; bh= is another tag.
    std::string unsigned_field = signature_field.substr(0, signature_field.find(':') + 1);
    bool first = true;
    for (const auto tag : text::split(std::string_view(signature_field).substr(unsigned_field.size()), ';')) {
        if (!std::exchange(first, false)) unsigned_field += ';';
        const auto equals = tag.find('=');
        unsigned_field += text::trim(tag.substr(0, equals)) == "b" ? tag.substr(0, equals + 1) : tag;
    }
    auto canonical = naive_field(unsigned_field, form);
    while (canonical.ends_with("\r\n")) canonical.resize(canonical.size() - 2);
    return data + canonical;
}

// Empty when the topmost DKIM-Signature of the message is right, else what is wrong.
inline std::string verify_signature(const std::string& signature_field, std::string_view header,
                                    std::string_view body, const std::string& public_base64) {
    auto tags = tags_of(signature_field);
    const auto body_form = tags["c"].ends_with("relaxed") ? Canonical::relaxed : Canonical::simple;
    if (tags["bh"] != base64_encode(sha256(naive_body(body, body_form)))) return "body hash";
    const auto signature = base64_decode(tags["b"]);
    if (!signature) return "b= is no base64";
    if (!verify_octets(public_base64, tags["a"] == "rsa-sha256", signed_data(signature_field, header),
                       *signature))
        return "signature";
    return {};
}

}  // namespace posthorn::auth::testing
