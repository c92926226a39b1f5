// Reading a key record, with an eye for what zone editors do to it.
#include "auth/dkim/published_key.hpp"

#include <algorithm>

#include "auth/dkim/tag_list.hpp"
#include "auth/dkim/testkey.hpp"
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
    return list.empty() || std::find(list.begin(), list.end(), word) != list.end() || std::find(list.begin(), list.end(), "*") != list.end();
}

KeyFinding found(KeyState state, std::string words) {
    KeyFinding finding;
    finding.state = state;
    finding.words = std::move(words);
    return finding;
}

KeyState state_of(KeyFault fault) {
    switch (fault) {
        case KeyFault::none:
        case KeyFault::testing:
        case KeyFault::strict:
            return KeyState::same;
        case KeyFault::revoked:
            return KeyState::revoked;
        case KeyFault::other_key:
        case KeyFault::cut_short:
            return KeyState::other;
        default:
            return KeyState::unusable;
    }
}

}  // namespace

Result<PublishedKey> parse_published_key(std::string_view text) {
    if (text.find('"') != std::string_view::npos || text.find('\\') != std::string_view::npos)
        return Error{"there are quotes or backslashes in the record itself: the zone editor wants the value without quotes"};
    const Result<TagList> list = parse_tags(text);
    if (!list) return list.error();
    if (const Tag* version = list->find("v")) {
        if (version != &list->tags.front()) return Error{"v= is not the first tag, so that verifiers ignore the record (RFC 6376 s3.6.1)"};
        if (version->value != "DKIM1") return Error{"v=", text::safe_for_log(version->value, 40), " is not v=DKIM1"};
    }
    PublishedKey key;
    for (const Tag& tag : list->tags) {
        if (tag.name == "k") {
            key.key_type = text::to_lower(tag.value);
        } else if (tag.name == "p") {
            key.public_base64 = without_blanks(tag.value);
        } else if (tag.name == "h") {
            key.hashes = list_of(tag.value);
        } else if (tag.name == "s") {
            key.services = list_of(tag.value);
        } else if (tag.name == "t") {
            for (const std::string& flag : list_of(tag.value)) {
                key.testing = key.testing || flag == "y";
                key.strict = key.strict || flag == "s";
            }
        }
    }
    if (list->find("p") == nullptr) return Error{"the record has no p= tag, so no key"};
    return key;
}

bool PublishedKey::allows_hash(std::string_view name) const { return lists(hashes, name); }

bool PublishedKey::allows_service(std::string_view name) const { return lists(services, name); }

KeyFinding compare(std::span<const std::string> records, const PrivateKey& ours) {
    if (records.empty()) return found(KeyState::missing, "there is no such record");
    KeyFinding worst;
    bool any = false, good = false;
    for (const std::string& text : records) {
        const RecordVerdict verdict = judge_record(text, ours);
        KeyFinding one = found(state_of(verdict.fault), verdict.words);
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
