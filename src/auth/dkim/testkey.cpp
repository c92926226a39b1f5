// One record, the records of one place, and all places.
#include "auth/dkim/testkey.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "auth/dkim/public_key.hpp"
#include "auth/dkim/published_key.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::auth::dkim {
namespace {

constexpr int kMinRsaBits = 1024;  // RFC 8301 s3.2

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

// Where they part, character by character: a slip of the hand shows, and so does another key.
std::string difference(std::string_view published, std::string_view ours) {
    constexpr std::size_t kShown = 12;
    const auto at = std::size_t(std::mismatch(published.begin(), published.begin() + std::ptrdiff_t(std::min(published.size(), ours.size())),
                                              ours.begin())
                                    .first -
                                published.begin());
    std::size_t others = 0;
    for (std::size_t i = at; i < std::min(published.size(), ours.size()); ++i) others += published[i] != ours[i] ? 1 : 0;
    const bool slip = published.size() == ours.size() && others <= 3;
    return fmt::format("p= differs from character {} on: DNS has \"{}\", ours is \"{}\"{}", at + 1,
                       text::safe_for_log(published.substr(at, kShown), 60), ours.substr(at, kShown),
                       slip ? fmt::format("; {} in all: a slip of the hand", others == 1 ? "one character" : std::to_string(others) + " characters")
                       : published.size() != ours.size() ? fmt::format("; {} characters for {}", published.size(), ours.size())
                                                         : std::string());
}

RecordVerdict verdict(KeyFault fault, std::string words) {
    RecordVerdict one;
    one.fault = fault;
    one.words = std::move(words);
    return one;
}

RecordVerdict judge_parsed(const PublishedKey& key, const PrivateKey& ours) {
    const std::string_view type = ours.algorithm() == Algorithm::rsa ? "rsa" : "ed25519";
    if (key.public_base64.empty()) return verdict(KeyFault::revoked, "the key is revoked: p= is empty (RFC 6376 s3.6.1)");
    if (key.key_type != type)
        return verdict(KeyFault::other_type,
                       fmt::format("the record says k={}, but our key is of the kind {}", text::safe_for_log(key.key_type, 40), type));
    const bool same = same_key(key.public_base64, ours);
    if (!same && key.public_base64.size() < ours.public_base64().size() && ours.public_base64().starts_with(key.public_base64))
        return verdict(KeyFault::cut_short,
                       fmt::format("the key in DNS is cut short: it begins like ours and ends after {} of {} characters; all strings of the record "
                                   "must be entered",
                                   key.public_base64.size(), ours.public_base64().size()));
    const Result<PublicKey> published = PublicKey::parse(ours.algorithm(), key.public_base64);
    if (!published) return verdict(KeyFault::malformed, published.error().what);
    if (published->algorithm() == Algorithm::rsa && published->bits() < kMinRsaBits)
        return verdict(KeyFault::too_short,
                       fmt::format("the key in DNS has {} bits; receivers must not accept less than 1024 (RFC 8301 s3.2), and 2048 are usual",
                                   published->bits()));
    if (!same)
        return verdict(KeyFault::other_key,
                       "the key in DNS is another one than the one we sign with: " + difference(key.public_base64, ours.public_base64()));
    if (!key.allows_hash("sha256"))
        return verdict(KeyFault::no_sha256, "h= in the record does not allow sha256, the only hash that is still in use (RFC 8301 s3.1)");
    if (!key.allows_service("email")) return verdict(KeyFault::no_email, "s= in the record does not allow e-mail");
    if (key.testing)
        return verdict(KeyFault::testing,
                       "the key is the one we sign with, but t=y says that it is only being tested, so that some verifiers give nothing for it: "
                       "take t=y out of the record");
    if (key.strict)
        return verdict(KeyFault::strict,
                       "the key is the one we sign with; t=s forbids signatures whose i= is a subdomain of d=. Ours have none, so no harm is done, "
                       "but other software with this key may fail");
    return verdict(KeyFault::none, "the key is the one we sign with");
}

std::string remaining(std::chrono::seconds ttl) {
    if (ttl >= std::chrono::hours(2)) return fmt::format("{} h", ttl / std::chrono::hours(1));
    if (ttl >= std::chrono::minutes(2)) return fmt::format("{} min", ttl / std::chrono::minutes(1));
    return fmt::format("{} s", ttl.count());
}

}  // namespace

std::string_view to_string(KeyFault fault) {
    switch (fault) {
        case KeyFault::none:
            return "ok";
        case KeyFault::no_record:
            return "no_record";
        case KeyFault::no_name:
            return "no_name";
        case KeyFault::several:
            return "several";
        case KeyFault::revoked:
            return "revoked";
        case KeyFault::malformed:
            return "malformed";
        case KeyFault::other_type:
            return "other_type";
        case KeyFault::other_key:
            return "other_key";
        case KeyFault::cut_short:
            return "cut_short";
        case KeyFault::too_short:
            return "too_short";
        case KeyFault::no_sha256:
            return "no_sha256";
        case KeyFault::no_email:
            return "no_email";
        case KeyFault::testing:
            return "testing";
        case KeyFault::strict:
            return "strict";
        case KeyFault::servers_differ:
            return "servers_differ";
        case KeyFault::exposed:
            return "exposed";
        case KeyFault::temporary:
            break;
    }
    return "temporary";
}

RecordVerdict judge_record(std::string_view record, const PrivateKey& ours) {
    const Result<PublishedKey> key = parse_published_key(record);
    return key ? judge_parsed(*key, ours) : verdict(KeyFault::malformed, key.error().what);
}

KeyVerdict judge_key(const DnsAnswer& answer, const PrivateKey& ours, std::string_view name) {
    KeyVerdict judged;
    judged.dnssec = answer.authentic;
    const auto end = [&judged](KeyFault fault, std::string words) {
        judged.fault = fault;
        judged.words = std::move(words);
        return judged;
    };
    if (!answer.known()) return end(KeyFault::temporary, fmt::format("DNS did not answer about {}: {}", name, answer.detail));
    if (answer.status == DnsStatus::nxdomain)
        return end(KeyFault::no_name, fmt::format("there is no name {} in DNS (NXDOMAIN): publish the record", name));
    if (answer.texts.empty()) return end(KeyFault::no_record, fmt::format("{} has no TXT record: publish it", name));
    if (answer.texts.size() > 1) {
        for (const std::string& text : answer.texts) judged.notes.push_back("one record: " + judge_record(text, ours).words);
        return end(KeyFault::several,
                   fmt::format("there are {} TXT records at {}, of which verifiers take any one (RFC 6376 s3.6.2.2): delete all but the one we sign "
                               "with",
                               answer.texts.size(), name));
    }
    RecordVerdict one = judge_record(answer.texts.front(), ours);
    if (ours.algorithm() == Algorithm::rsa && ours.bits() < 2048 && one.fault != KeyFault::too_short)
        judged.notes.push_back(fmt::format(
            "the key has {} bits; some receivers ignore keys of less than 2048: make another with posthorn dkim genkey", ours.bits()));
    return end(one.fault, one.fault == KeyFault::none ? "key OK" : std::move(one.words));
}

KeyVerdict judge_places(std::span<const KeySight> authorities, const KeySight* resolver, std::string_view exposed_to) {
    std::vector<const KeySight*> heard;
    KeyVerdict all;
    for (const KeySight& place : authorities) {
        if (place.verdict.fault != KeyFault::temporary)
            heard.push_back(&place);
        else
            all.notes.push_back(place.place + ": " + place.verdict.words);
    }
    const bool resolver_answers = resolver != nullptr && resolver->verdict.fault != KeyFault::temporary;
    if (resolver_answers) heard.push_back(resolver);
    else if (resolver != nullptr) all.notes.push_back(resolver->place + ": " + resolver->verdict.words);
    if (heard.empty()) {
        all.words = resolver != nullptr ? resolver->verdict.words : "no server answered";
        return all;
    }
    const auto same_as_first = [&heard](const KeySight* place) { return place->verdict.fault == heard.front()->verdict.fault; };
    if (std::all_of(heard.begin(), heard.end(), same_as_first)) {
        std::vector<std::string> silent = std::move(all.notes);
        all = heard.front()->verdict;
        all.dnssec = resolver_answers && resolver->verdict.dnssec;
        all.notes.insert(all.notes.end(), silent.begin(), silent.end());
    } else {
        all.fault = KeyFault::servers_differ;
        const bool authorities_agree =
            std::all_of(heard.begin(), heard.end(), [&](const KeySight* place) { return place == resolver || same_as_first(place); });
        all.words = authorities_agree && resolver_answers
                        ? fmt::format("the zone's servers say: {}; the resolver still has an older answer, for at most {}: wait, and test again; where it "
                                      "says so after that, too, it has a zone of its own for this name (split DNS): name another one in dns.servers",
                                      heard.front()->verdict.words, remaining(resolver->answer.ttl))
                        : "the zone's servers do not say the same: some have not taken the zone over, or one of them belongs to another zone";
        for (const KeySight* place : heard) all.notes.push_back(place->place + ": " + place->verdict.words);
    }
    if (!exposed_to.empty()) {
        if (all.fault == KeyFault::none) {
            all.fault = KeyFault::exposed;
            all.words = "the key is published, but " + std::string(exposed_to);
        } else {
            all.notes.emplace_back(exposed_to);
        }
    }
    return all;
}

}  // namespace posthorn::auth::dkim
