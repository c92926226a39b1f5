// Each signature for itself: its tags, its key, its body hash, its header.
#include "auth/dkim/verifier.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "auth/crypto.hpp"
#include "auth/dkim/canonical.hpp"
#include "auth/dkim/public_key.hpp"
#include "auth/dkim/published_key.hpp"
#include "auth/dkim/signature_field.hpp"
#include "auth/dkim/signature_reasons.hpp"
#include "base/text.hpp"
#include "base/utc.hpp"
#include "mail/header.hpp"

namespace posthorn::auth::dkim {
namespace {

constexpr int kMinRsaBits = 1024;  // RFC 8301 s3.2: signatures by less must not count as valid
constexpr std::uint64_t kClockSlack = 600;  // seconds that clocks may differ
constexpr std::size_t kMostRecords = 10;    // at one key's name; who publishes hundreds wants verifiers to work

struct MessageParts {
    mail::HeaderBlock header;
    std::string_view body;
};

bool has_line_ends_of_unix(std::string_view message) {
    return message.find('\n') != std::string_view::npos && message.find("\r\n") == std::string_view::npos;
}

std::string with_crlf(std::string_view message) {
    std::string out;
    out.reserve(message.size() + message.size() / 32);
    for (const char c : message) {
        if (c == '\n') out += '\r';
        out += c;
    }
    return out;
}

MessageParts parts_of(std::string_view message) {
    MessageParts parts;
    if (message.starts_with("\r\n")) {
        parts.body = message.substr(2);
        return parts;
    }
    const std::size_t end = message.find("\r\n\r\n");
    if (end == std::string_view::npos) {
        parts.header = mail::HeaderBlock(std::string(message));
        return parts;
    }
    parts.header = mail::HeaderBlock(std::string(message.substr(0, end + 2)));
    parts.body = message.substr(end + 4);
    return parts;
}

// Each name of h= takes the lowest of its fields that none before it took (s5.4.2).
std::vector<SignedInstance> instances_of(const mail::HeaderBlock& header, const SignatureField& signature) {
    std::map<std::string, std::vector<std::string_view>> fields;  // from the top
    for (std::size_t i = 0; i < header.size(); ++i) fields[text::to_lower(text::trim(header[i].name))].push_back(header[i].raw);
    std::vector<SignedInstance> instances;
    for (const std::string& name : signature.names) {
        SignedInstance one;
        one.name = name;
        if (const auto found = fields.find(name); found != fields.end() && !found->second.empty()) {
            one.field = found->second.back();
            found->second.pop_back();
        }
        instances.push_back(one);
    }
    return instances;
}

// What a key record does not allow (s6.1.2). Empty: all is well.
std::string key_mistake(const PublishedKey& key, const SignatureField& signature) {
    const std::string_view type = signature.key_type == Algorithm::rsa ? "rsa" : "ed25519";
    if (key.public_base64.empty()) return "the key is revoked: p= of its record is empty (RFC 6376 s3.6.1)";
    if (key.key_type != type)
        return fmt::format("the key's record says k={}, but the signature is {}", text::safe_for_log(key.key_type, 40), signature.algorithm);
    if (!key.allows_hash("sha256")) return "h= in the key's record does not allow sha256";
    if (!key.allows_service("email")) return "s= in the key's record does not allow e-mail";
    if (key.strict && signature.identity_domain != signature.domain)
        return fmt::format("t=s in the key's record wants i= to be of {} itself, and it is {}", signature.domain,
                           text::safe_for_log(signature.identity, 100));
    return {};
}

class Check {
public:
    Check(const MessageParts& message, const SignatureField& signature, TimePoint now, SignatureReport& report)
        : message_(message),
          signature_(signature),
          now_(std::uint64_t(std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count())),
          report_(report),
          instances_(instances_of(message.header, signature)) {}

    void by(const DnsAnswer& answer) {
        if (!answer.known()) return end(SignatureResult::temperror, "DNS did not say the key of " + signature_.key_name() + ": " + answer.detail);
        if (answer.texts.empty())
            return end(SignatureResult::permerror,
                       fmt::format("there is no key at {}: {}", signature_.key_name(),
                                   answer.status == DnsStatus::nxdomain ? "the name does not exist" : "the name has no TXT record"));
        // Several records: any that verifies will do (s6.1.2). Only the first that does not is looked into for the reason.
        SignatureReport best;
        bool first = true;
        for (std::size_t i = 0; i < std::min(answer.texts.size(), kMostRecords); ++i) {
            by_record(answer.texts[i]);
            if (first || report_.result == SignatureResult::pass ||
                (best.result == SignatureResult::permerror && report_.result == SignatureResult::fail))
                best = report_;
            first = false;
            if (best.result == SignatureResult::pass) break;
        }
        report_ = best;
        if (answer.texts.size() > kMostRecords && report_.result != SignatureResult::pass)
            report_.words += fmt::format("; only the first {} of the {} records at {} were tried", kMostRecords, answer.texts.size(), signature_.key_name());
    }

private:
    void end(SignatureResult result, std::string words) {
        report_.result = result;
        report_.words = std::move(words);
    }

    void by_record(const std::string& text) {
        const Result<PublishedKey> record = parse_published_key(text);
        if (!record) return end(SignatureResult::permerror, "the key's record at " + signature_.key_name() + " is unusable: " + record.error().what);
        report_.testing = record->testing;
        if (std::string mistake = key_mistake(*record, signature_); !mistake.empty()) return end(SignatureResult::permerror, std::move(mistake));
        const Result<PublicKey> key = PublicKey::parse(signature_.key_type, record->public_base64);
        if (!key) return end(SignatureResult::permerror, "the key's record at " + signature_.key_name() + " is unusable: " + key.error().what);
        report_.key_bits = key->bits();
        if (key->algorithm() == Algorithm::rsa && key->bits() < kMinRsaBits)
            return end(SignatureResult::permerror,
                       fmt::format("the RSA key has {} bits; receivers must not accept less than 1024 (RFC 8301 s3.2)", key->bits()));
        by_key(*key);
    }

    void by_key(const PublicKey& key) {
        if (!body_) body_ = body_as_it_is();
        const bool header_holds = key.verifies(signed_header(instances_, signature_), signature_.signature);
        if (!body_->holds || !header_holds) {
            if (std::exchange(explained_, true)) return end(SignatureResult::fail, {});
            std::string words = body_->holds ? std::string() : why_body_differs(message_.body, signature_);
            if (!header_holds) words += (words.empty() ? "" : "; and the header: ") + why_header_differs(instances_, signature_, key);
            return end(SignatureResult::fail, std::move(words));
        }
        if (signature_.expires_at && *signature_.expires_at < now_) {
            report_.expired = true;
            return end(SignatureResult::fail, fmt::format("it expired at {} (x=); otherwise it holds", utc(*signature_.expires_at)));
        }
        end(SignatureResult::pass, remarks(body_->octets, key));
    }

    // The same for every key.
    struct Body {
        bool holds = false;
        std::size_t octets = 0;  // of the canonical form
    };
    Body body_as_it_is() const {
        const std::string canonical = canonical_body(message_.body, signature_.body);
        if (signature_.body_octets && *signature_.body_octets > canonical.size()) return {false, canonical.size()};
        const std::string_view covered =
            signature_.body_octets ? std::string_view(canonical).substr(0, *signature_.body_octets) : std::string_view(canonical);
        const Sha256 hash = sha256_of(covered);
        return {std::string_view(reinterpret_cast<const char*>(hash.data()), hash.size()) == signature_.body_hash, canonical.size()};
    }

    std::string remarks(std::size_t body_size, const PublicKey& key) const {
        std::string words;
        const auto add = [&words](std::string more) { words += (words.empty() ? "" : "; ") + std::move(more); };
        if (report_.testing) add("t=y in the key's record: the domain is testing, so that receivers may treat the message as unsigned");
        if (signature_.body_octets && *signature_.body_octets < body_size)
            add(fmt::format("only the first {} of {} octets of the body are signed (l=): anybody could have appended the rest",
                            *signature_.body_octets, body_size));
        if (key.algorithm() == Algorithm::rsa && key.bits() < 2048) add(fmt::format("the RSA key has only {} bits; 2048 are usual", key.bits()));
        if (signature_.signed_at && *signature_.signed_at > now_ + kClockSlack)
            add(fmt::format("t= lies in the future ({}): the signer's clock is wrong, or ours", utc(*signature_.signed_at)));
        const auto signs = std::size_t(std::count(signature_.names.begin(), signature_.names.end(), "from"));
        if (message_.header.count("from") > signs) add("the message has more From fields than are signed: what is shown need not be what was signed");
        return words;
    }

    static std::string utc(std::uint64_t seconds) { return utc_text(TimePoint(std::chrono::seconds(seconds))); }

    const MessageParts& message_;
    const SignatureField& signature_;
    std::uint64_t now_;
    SignatureReport& report_;
    std::vector<SignedInstance> instances_;
    std::optional<Body> body_;
    bool explained_ = false;
};

}  // namespace

std::string_view to_string(SignatureResult result) {
    switch (result) {
        case SignatureResult::pass:
            return "pass";
        case SignatureResult::fail:
            return "fail";
        case SignatureResult::neutral:
            return "neutral";
        case SignatureResult::permerror:
            return "permerror";
        case SignatureResult::temperror:
            break;
    }
    return "temperror";
}

VerifyStep verify(std::string_view message, const DnsAnswers& known, TimePoint now) {
    std::string converted;
    if (has_line_ends_of_unix(message)) message = converted = with_crlf(message);
    const MessageParts parts = parts_of(message);
    std::vector<DnsQuestion> wanted;
    std::vector<SignatureReport> reports;
    for (std::size_t i = 0; i < parts.header.size(); ++i) {
        if (!text::iequals(text::trim(parts.header[i].name), "dkim-signature")) continue;
        SignatureReport& report = reports.emplace_back();
        SignatureFieldRead read = read_signature_field(parts.header[i].raw);
        const SignatureField& field = read.field;
        report.domain = field.domain;
        report.selector = field.selector;
        report.algorithm = field.algorithm;
        report.canonicalisation = field.canonicalisation();
        report.identity = field.identity;
        report.body_octets = field.body_octets;
        report.signed_fields = field.names;
        if (reports.size() > kMostSignatures) {
            report.words = "not looked at: the message bears more than " + std::to_string(kMostSignatures) + " signatures";
            continue;
        }
        if (!read.mistake.empty()) {
            report.result = SignatureResult::permerror;
            report.words = std::move(read.mistake);
            continue;
        }
        DnsQuestion question(DnsType::txt, field.key_name());
        if (const DnsAnswer* answer = known.find(question))
            Check(parts, field, now, report).by(*answer);
        else if (std::find(wanted.begin(), wanted.end(), question) == wanted.end())
            wanted.push_back(std::move(question));
    }
    if (!wanted.empty()) return wanted;
    return reports;
}

}  // namespace posthorn::auth::dkim
