// Reading a key record, with an eye for what zone editors do to it.
#include "auth/dkim/published_key.hpp"

#include <algorithm>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::auth::dkim {
namespace {

std::string without_blanks(std::string_view text) {
    std::string out;
    std::copy_if(text.begin(), text.end(), std::back_inserter(out), [](char c) { return !text::is_space(c); });
    return out;
}

std::vector<std::string> list_of(std::string_view value) {
    std::vector<std::string> list;
    for (const std::string_view piece : text::split(value, ':')) list.push_back(text::to_lower(text::trim(piece)));
    return list;
}

bool lists(const std::vector<std::string>& list, std::string_view word) {
    return list.empty() || std::find(list.begin(), list.end(), word) != list.end() ||
           std::find(list.begin(), list.end(), "*") != list.end();
}

// RFC 6376 s3.6.1 names RSAPublicKey, its own example and everybody else use SubjectPublicKeyInfo, whose end that is; verifiers take both.
bool same_key(const std::string& published, const PrivateKey& ours) {
    const auto theirs = base64_decode(published);
    const auto mine = base64_decode(ours.public_base64());
    if (!theirs || !mine) return false;
    if (*theirs == *mine) return true;
    constexpr std::size_t kLeastModulus = 64;
    return ours.algorithm() == Algorithm::rsa && theirs->size() > kLeastModulus && theirs->size() < mine->size() &&
           std::equal(theirs->rbegin(), theirs->rend(), mine->rbegin());
}

KeyFinding found(KeyState state, std::string words) {
    KeyFinding finding;
    finding.state = state;
    finding.words = std::move(words);
    return finding;
}

KeyFinding compare_one(const PublishedKey& key, const PrivateKey& ours) {
    const std::string_view type = ours.algorithm() == Algorithm::rsa ? "rsa" : "ed25519";
    if (key.public_base64.empty()) return found(KeyState::revoked, "the key is revoked: p= is empty (RFC 6376 s3.6.1)");
    if (key.key_type != type)
        return found(KeyState::unusable, "the record says k=" + text::safe_for_log(key.key_type, 40) +
                                             ", but our key is of the kind " + std::string(type));
    if (!lists(key.hashes, "sha256"))
        return found(KeyState::unusable,
                     "h= in the record does not allow sha256, the only hash that is still in use (RFC 8301 s3.1)");
    if (!lists(key.services, "email")) return found(KeyState::unusable, "s= in the record does not allow e-mail");
    if (!same_key(key.public_base64, ours)) {
        const bool cut =
            key.public_base64.size() < ours.public_base64().size() && ours.public_base64().starts_with(key.public_base64);
        if (!cut && !base64_decode(key.public_base64))
            return found(KeyState::unusable,
                         "what stands behind p= is not base64: something was lost or added when the record was entered");
        return found(KeyState::other, cut ? "the key in DNS is cut short: it begins like ours and ends after " +
                                                std::to_string(key.public_base64.size()) + " of " +
                                                std::to_string(ours.public_base64().size()) +
                                                " characters; all strings of the record must be entered"
                                          : "the key in DNS is another one than the one we sign with");
    }
    return found(KeyState::same,
                 key.testing
                     ? "the key is the one we sign with, but t=y says that it is only being tested, so that some verifiers give "
                       "nothing for it"
                     : "the key is the one we sign with");
}

}  // namespace

Result<PublishedKey> parse_published_key(std::string_view text) {
    if (text.find('"') != std::string_view::npos || text.find('\\') != std::string_view::npos)
        return Error{"there are quotes or backslashes in the record itself: the zone editor wants the value without quotes"};
    PublishedKey key;
    bool has_key = false, first = true;
    for (const std::string_view piece : text::split(text, ';')) {
        const std::string_view tag = text::trim(piece);
        if (tag.empty()) continue;
        const std::size_t equals = tag.find('=');
        if (equals == std::string_view::npos)
            return Error{"\"", text::safe_for_log(tag, 60), "\" is no tag: tags are name=value, with ; between them"};
        const std::string_view name = text::trim(tag.substr(0, equals)), value = text::trim(tag.substr(equals + 1));
        if (name == "v") {
            if (!first) return Error{"v= is not the first tag, so that verifiers ignore the record (RFC 6376 s3.6.1)"};
            if (value != "DKIM1") return Error{"v=", text::safe_for_log(value, 40), " is not v=DKIM1"};
        } else if (name == "k") {
            key.key_type = text::to_lower(value);
        } else if (name == "p") {
            if (has_key) return Error{"p= stands there twice"};
            has_key = true;
            key.public_base64 = without_blanks(value);
        } else if (name == "h") {
            key.hashes = list_of(value);
        } else if (name == "s") {
            key.services = list_of(value);
        } else if (name == "t") {
            for (const std::string& flag : list_of(value)) {
                key.testing = key.testing || flag == "y";
                key.strict = key.strict || flag == "s";
            }
        }
        first = false;
    }
    if (!has_key) return Error{"the record has no p= tag, so no key"};
    return key;
}

KeyFinding compare(std::span<const std::string> records, const PrivateKey& ours) {
    if (records.empty()) return found(KeyState::missing, "there is no such record");
    KeyFinding worst;
    bool any = false, good = false;
    for (const std::string& text : records) {
        const Result<PublishedKey> key = parse_published_key(text);
        KeyFinding one = key ? compare_one(*key, ours) : found(KeyState::unusable, key.error().what);
        good = good || one.state == KeyState::same;
        if (!any || one.state != KeyState::same) worst = std::move(one);
        any = true;
    }
    if (good && worst.state != KeyState::same)
        return found(KeyState::unusable,
                     "there are " + std::to_string(records.size()) +
                         " records, of which verifiers take any one: ours, and another of which it is true that " + worst.words);
    return worst;
}

}  // namespace posthorn::auth::dkim
