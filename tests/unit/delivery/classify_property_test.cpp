// What holds of every reply, however odd: the first digit, the bounds, and that nobody is suppressed but for
// a mailbox.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/text.hpp"
#include "delivery/provider_rules.hpp"
#include "delivery/reply_rule.hpp"
#include "mail/domain.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Reply;
using smtp::protocol::Stage;

// Pieces that rules look for, beside noise, so that they meet in ways nobody thought of.
rc::Gen<std::string> any_text() {
    static const std::vector<std::string> pieces = {"5.7.26 ",
                                                    "4.7.28 ",
                                                    "5.1.1 ",
                                                    "5.2.2 ",
                                                    "4.5.3 ",
                                                    "spf",
                                                    "dkim",
                                                    "dmarc",
                                                    "[example.com] ",
                                                    "with ip: [192.0.2.1]",
                                                    " = pass",
                                                    "unusual rate",
                                                    "<a@b>",
                                                    "\"a\"@b",
                                                    "spamhaus",
                                                    "greylisted",
                                                    " in 99999999999 minutes",
                                                    "try again in 5 m",
                                                    "::1",
                                                    "https://x/(",
                                                    "<<<@>>",
                                                    "\\",
                                                    "\"",
                                                    "@",
                                                    "too many recipients",
                                                    "550",
                                                    "-",
                                                    ".",
                                                    "\x80\xff",
                                                    "\t",
                                                    "domain ",
                                                    "'s dmarc",
                                                    "user unknown",
                                                    "[TSS04]",
                                                    "gcdp",
                                                    "S3150",
                                                    "tls required"};
    return rc::gen::map(rc::gen::container<std::vector<std::string>>(
                            rc::gen::oneOf(rc::gen::elementOf(pieces), rc::gen::arbitrary<std::string>())),
                        [](const std::vector<std::string>& parts) {
                            std::string all;
                            for (const std::string& part : parts) all += part;
                            std::erase_if(all, [](char c) { return c == '\r' || c == '\n'; });
                            return all;
                        });
}

// PR-34 (at last the first digit), PR-36, PR-54, SMTP-7.
RC_GTEST_PROP(ClassifyAnything, HoldsToTheFirstDigitAndSuppressesOnlyMailboxes, ()) {
    const auto code = *rc::gen::inRange<int>(400, 600);
    const auto texts = *rc::gen::container<std::vector<std::string>>(any_text());
    std::string wire;
    for (const std::string& line : texts) wire += std::to_string(code) + "-" + line + "\n";
    wire += std::to_string(code) + " " + *any_text();
    const std::optional<Reply> reply = reply_from(wire);
    RC_PRE(reply.has_value());
    ReplyFacts facts(static_cast<Stage>(*rc::gen::inRange<int>(1, 12)), *reply);
    const std::string provider = *rc::gen::element<std::string>("", "google", "yahoo", "outlook", "m365", "apple",
                                                                "docomo", "au", "yahoo-jp", "nobody");
    facts.provider = provider;
    facts.strict_5xx = *rc::gen::arbitrary<bool>();
    facts.tls = *rc::gen::arbitrary<bool>();
    facts.ipv6 = *rc::gen::arbitrary<bool>();
    facts.attempts = *rc::gen::inRange<std::uint32_t>(0, 5);
    facts.accepted_before = *rc::gen::inRange<std::size_t>(0, 3);
    const Judgement judgement = classify(facts, *ProviderRules::built_in());

    RC_ASSERT(!judgement.rule.empty());  // the last rules hold for every 4xx and 5xx
    RC_ASSERT(judgement.result != Disposition::delivered);
    if (reply->code < 500) RC_ASSERT(judgement.result == Disposition::deferred);
    const Class kind = judgement.failure_class;
    if (reply->code >= 500 && facts.strict_5xx && kind != Class::split && kind != Class::tlsreq)
        RC_ASSERT(judgement.result == Disposition::failed);
    if (judgement.suppress_after != 0) RC_ASSERT(kind == Class::rcpt_perm);
    RC_ASSERT(judgement.causes.empty() || kind == Class::auth || kind == Class::temp);
    if (kind == Class::auth) RC_ASSERT(!judgement.causes.empty());
    if (judgement.wait)
        RC_ASSERT(*judgement.wait >= Duration(0) && *judgement.wait <= std::chrono::hours(24));
    for (const char c : judgement.domain) RC_ASSERT(text::is_alnum(c) || c == '.' || c == '-' || c == '_');
    RC_ASSERT(judgement.link.find_first_of(" \t<>\"") == std::string::npos);
    RC_ASSERT(judgement.ip.size() <= 39U);
}

// Addresses are the sender's words: what stands in them changes nothing.
RC_GTEST_PROP(ClassifyAnything, DoesNotListenToAddresses, ()) {
    const std::string local = *rc::gen::element<std::string>("dkim", "spamhaus", "rate-limit", "greylisted",
                                                             "mailbox-full", "unauthenticated", "bob");
    const std::string domain = *rc::gen::element<std::string>("spf.example.com", "dmarc.test", "example.org");
    for (const char* form :
         {"550 5.0.0 <%>: no", "550 5.0.0 no (%)", "450 4.2.0 % is not here", "550 5.1.1 <%> gone"}) {
        const auto filled = [&](const std::string& address) {
            std::string text = form;
            return text.replace(text.find('%'), 1, address);
        };
        const Reply reply = *reply_from(filled(local + "@" + domain)), plain = *reply_from(filled("a@b"));
        RC_ASSERT(classify(ReplyFacts(Stage::rcpt, reply), *ProviderRules::built_in()).rule ==
                  classify(ReplyFacts(Stage::rcpt, plain), *ProviderRules::built_in()).rule);
    }
}

}  // namespace
}  // namespace posthorn::delivery
