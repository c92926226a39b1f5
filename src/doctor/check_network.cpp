// Port 25, the resolver, the addresses for unsubscription: what they mean.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "doctor/machine.hpp"
#include "doctor/made.hpp"

namespace posthorn::doctor {
namespace {

std::string_view in_words(PortFact::Outcome outcome) {
    switch (outcome) {
        case PortFact::Outcome::open:
            return "greets";
        case PortFact::Outcome::refused:
            return "refuses the connection";
        case PortFact::Outcome::silent:
            return "does not answer";
        case PortFact::Outcome::unreachable:
            return "cannot be reached";
        case PortFact::Outcome::no_host:
            break;
    }
    return "was not found in DNS";
}

std::string listed(const std::vector<PortFact>& facts) {
    std::string text;
    for (const PortFact& fact : facts) {
        text += fmt::format("\n  {:<9} {} {}", fact.provider, fact.host, in_words(fact.outcome));
        if (!fact.address.empty()) text += " (" + fact.address + ")";
        if (!fact.words.empty()) text += ": " + fact.words;
    }
    return text;
}

}  // namespace

std::vector<Finding> judge_ports(const std::vector<PortFact>& facts, std::uint16_t port,
                                 const std::string& relayed_by) {
    const std::string title = fmt::format("Outgoing port {}", port);
    if (!relayed_by.empty())
        return {made("port25", "outgoing", Verdict::skipped, title,
                     "all mail goes by the relay " + relayed_by + ", so that it does not matter")};
    std::vector<PortFact> v4, v6;
    for (const PortFact& fact : facts) (fact.v4 ? v4 : v6).push_back(fact);
    const auto count = [](const std::vector<PortFact>& some, PortFact::Outcome outcome) {
        return static_cast<std::size_t>(std::count_if(
            some.begin(), some.end(), [&](const PortFact& one) { return one.outcome == outcome; }));
    };
    std::vector<Finding> findings;
    // A host that DNS does not know says nothing of the way to it.
    const std::size_t open = count(v4, PortFact::Outcome::open),
                      tried = v4.size() - count(v4, PortFact::Outcome::no_host);
    if (tried == 0) {
        findings.push_back(made("port25", "outgoing", Verdict::unknown, title,
                                "no mail server of the big providers could be found in DNS" + listed(v4)));
    } else if (open == tried) {
        findings.push_back(made("port25", "outgoing", Verdict::pass, title,
                                fmt::format("{} of {} mail servers greet", open, tried) + listed(v4)));
    } else if (open > 0) {
        findings.push_back(made("port25", "outgoing", Verdict::warn, title,
                                fmt::format("{} of {} mail servers greet", open, tried) + listed(v4)));
        findings.back().repair =
            "where only some answer, wait and look again; a greeting of 421 or 554 speaks of this address's "
            "reputation";
    } else {
        const bool refused = count(v4, PortFact::Outcome::refused) > 0;
        findings.push_back(made("port25", "outgoing", Verdict::fail, title,
                                fmt::format("none of {} mail servers can be reached: outgoing port {} is {} "
                                            "on the way, as many hosters do by default",
                                            tried, port, refused ? "refused" : "blocked") +
                                    listed(v4)));
        findings.back().repair =
            "ask the hoster to open outgoing port 25 (many do once the reverse DNS is set), look at the "
            "firewall of this machine, or send by a relay: "
            "[[relay]] with port 587 or 465";
        findings.back().commands.emplace_back("nft list ruleset");
    }
    const std::size_t open6 = count(v6, PortFact::Outcome::open);
    if (!v6.empty() && open6 == 0 && open > 0) {
        findings.push_back(made("port25", "outgoing IPv6", Verdict::warn, title + " over IPv6",
                                "none of them can be reached over IPv6" + listed(v6)));
        findings.back().repair = "mail goes over IPv4; to stop trying, set family = \"4\" in [delivery]";
    } else if (!v6.empty() && open6 > 0) {
        findings.push_back(made("port25", "outgoing IPv6", Verdict::pass, title + " over IPv6",
                                fmt::format("{} of {} greet", open6, v6.size()) + listed(v6)));
    }
    return findings;
}

std::vector<Finding> judge_resolver(const ResolverFact& fact) {
    const std::string title = "Resolver " + fact.servers;
    if (!fact.answers) {
        Finding silent = made("resolver", "resolver", Verdict::fail, title,
                              "it gives no answers" + (fact.detail.empty() ? "" : ": " + fact.detail));
        silent.repair =
            "correct /etc/resolv.conf or \"servers\" in [dns]; a resolver of this machine's own is best: apt "
            "install unbound";
        return {std::move(silent)};
    }
    if (!fact.made_up.empty()) {
        std::string lies;
        for (const std::string& lie : fact.made_up) lies += "\n  " + lie;
        Finding liar = made("resolver", "resolver", Verdict::fail, title,
                            "it makes up answers for names that do not exist, so that mail to mistyped "
                            "domains goes to strangers and checks of DNS are worth "
                            "nothing:" +
                                lies);
        liar.repair = "take another resolver: apt install unbound, and servers = [\"127.0.0.1\"] in [dns]";
        return {std::move(liar)};
    }
    if (fact.trusted && !fact.validates) {
        Finding blind = made("resolver", "resolver", Verdict::warn, title,
                             "dns.trust_ad is set, but it does not say that DNSSEC vouches for the root's "
                             "records: it does not validate, and DANE is never used");
        blind.repair = "let the resolver validate (apt install unbound does), or take trust_ad out of [dns]";
        return {std::move(blind)};
    }
    return {
        made("resolver", "resolver", Verdict::pass, title,
             fmt::format("it answers (in {} ms), makes nothing up, and {}", fact.took.count(),
                         fact.validates
                             ? fact.trusted ? "validates DNSSEC"
                                            : "validates DNSSEC (with dns.trust_ad = true DANE would be used)"
                             : "does not validate DNSSEC, so that DANE is not used"))};
}

// RFC 8058 s3.2: POST, no redirect, 2xx.
std::vector<Finding> judge_urls(const std::vector<UrlFact>& facts) {
    std::vector<Finding> findings;
    for (const UrlFact& fact : facts) {
        const std::string title = "One-click address of the stream " + fact.stream;
        if (!fact.resolves) {
            findings.push_back(made("urls", fact.stream, Verdict::fail, title,
                                    fact.url + " cannot be reached: " + fact.detail));
            findings.back().repair =
                "let the web server answer there, or correct unsubscribe_url of the stream";
        } else if (!fact.trusted) {
            findings.push_back(made("urls", fact.stream, Verdict::fail, title,
                                    fact.url + " has no certificate that receivers trust: " + fact.detail));
            findings.back().repair = "give the web server a certificate for that name (certbot)";
        } else if (!fact.asked) {
            findings.push_back(made(
                "urls", fact.stream, Verdict::pass, title,
                "its host answers, with a good certificate (nothing was asked; --urls makes a real POST)"));
        } else if (fact.status / 100 == 2) {
            findings.push_back(made("urls", fact.stream, Verdict::pass, title,
                                    fmt::format("it answers the POST of RFC 8058 with {}", fact.status)));
        } else if (fact.status / 100 == 3) {
            findings.push_back(made(
                "urls", fact.stream, Verdict::fail, title,
                fmt::format("it answers the POST with {}, a redirect, which nobody follows (RFC 8058 s3.1)",
                            fact.status)));
            findings.back().repair =
                "let the address itself do it; often it is \"www.\" or the slash at the end that is missing";
        } else {
            findings.push_back(
                made("urls", fact.stream, Verdict::fail, title,
                     fmt::format("it answers the POST of RFC 8058 with {} {}", fact.status, fact.detail)));
            findings.back().repair =
                "the address must take POST with the body \"List-Unsubscribe=One-Click\", without cookies, "
                "login or a question";
        }
    }
    return findings;
}

}  // namespace posthorn::doctor
