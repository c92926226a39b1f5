// DKIM beyond "is the key published?": where two keys part, how strong ours are, and what is obsolete (SD-46,
// SD-47).
#include <fmt/format.h>

#include "auth/dkim/published_key.hpp"
#include "auth/dkim/record.hpp"
#include "base/text.hpp"
#include "doctor/inspector.hpp"
#include "doctor/key_difference.hpp"

namespace posthorn::doctor {

using auth::DnsAnswer;
using auth::DnsType;

void Inspector::compare_key(Finding& finding, const delivery::DkimSubject& signature) {
    const DnsAnswer& answer = ask(DnsType::txt, finding.subject);
    if (answer.texts.empty()) return;
    for (const std::string& text : answer.texts) {
        const std::string difference = key_difference(text, signature.key->public_base64());
        if (!difference.empty()) finding.detail += "\n" + difference;
    }
    finding.commands.push_back(
        fmt::format("posthorn dkim testkey --domain {} --selector {}", signature.domain, signature.selector));
}

// RFC 8301 s3.2, RFC 8463.
void Inspector::keys(const Domain& domain) {
    bool any_rsa = false;
    for (const delivery::DkimSubject& signature : domain.signatures) {
        const std::string name = signature.selector + "._domainkey." + signature.domain;
        any_rsa = any_rsa || signature.key->algorithm() == auth::dkim::Algorithm::rsa;
        if (has("dkim-key", name)) continue;
        const DnsAnswer& answer = ask(DnsType::txt, name);
        std::vector<std::string> odd;
        const bool rsa = signature.key->algorithm() == auth::dkim::Algorithm::rsa;
        if (rsa && signature.key->bits() < 2048)
            odd.push_back(fmt::format("it is an RSA key of {} bits, where 2048 are expected today (RFC 8301)",
                                      signature.key->bits()));
        for (const std::string& text : answer.texts) {
            const auto key = auth::dkim::parse_published_key(text);
            if (key && key->testing)
                odd.emplace_back(
                    "its record says t=y: it is being tested, and receivers need not count its signatures");
        }
        std::string detail = fmt::format("{}, {} bits", rsa ? "RSA" : "Ed25519", signature.key->bits());
        for (const std::string& one : odd) detail += "; " + one;
        Finding& finding = add("dkim-key", name, odd.empty() ? Verdict::pass : Verdict::warn,
                               "DKIM key " + name + " itself", detail);
        finding.seen.ttl = answer.ttl;
        if (odd.empty()) continue;
        if (rsa && signature.key->bits() < 2048) {
            finding.repair = "make a key of 2048 bits under another selector, publish it, then sign with it";
            finding.commands.push_back(
                fmt::format("posthorn dkim genkey --domain {} --bits 2048", signature.domain));
        } else {
            finding.repair = "take t=y out of the record";
        }
    }
    if (domain.signatures.empty() || any_rsa || has("dkim-key", domain.from_domain)) return;
    Finding& only =
        add("dkim-key", domain.from_domain, Verdict::warn, "DKIM keys of " + domain.from_domain,
            "all keys are Ed25519, which many receivers, Gmail and Outlook among them, do not verify yet");
    only.repair = "add an RSA key beside it: both signatures are made";
    only.commands.push_back(fmt::format("posthorn dkim genkey --domain {} --bits 2048", domain.from_domain));
}

// RFC 5617 is historic.
void Inspector::adsp(const Domain& domain) {
    const std::string name = "_adsp._domainkey." + domain.from_domain;
    if (has("adsp", name)) return;
    const DnsAnswer& answer = ask(DnsType::txt, name);
    const bool there = std::any_of(answer.texts.begin(), answer.texts.end(),
                                   [](const std::string& text) { return text::icontains(text, "dkim="); });
    Finding& finding =
        add("adsp", name,
            there            ? Verdict::warn
            : answer.known() ? Verdict::pass
                             : Verdict::unknown,
            "ADSP of " + domain.from_domain,
            there ? "there is an ADSP record, which is obsolete (RFC 5617 is historic): nobody looks at it"
            : answer.known() ? "there is no ADSP record, as it should be"
                             : "DNS gave no answer about " + name);
    finding.seen.ttl = answer.ttl;
    if (there)
        finding.repair = fmt::format("the TXT record {} can be removed; DMARC says what it was for", name);
}

}  // namespace posthorn::doctor
